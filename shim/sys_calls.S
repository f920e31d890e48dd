/*
 * The system calls of sys.h, and where the kernel enters. Instructions and not C, because a call to a stub is the shortest
 * way to make a system call: one that is inlined sets up its number and its constant arguments anew each time.
 */
#include <asm/unistd.h>

#if defined(__x86_64__)
#include "arch/x86_64.h"
#elif defined(__aarch64__)
#include "arch/aarch64.h"
#else
#error "The shim does not know this architecture: add shim/arch/<it>.h."
#endif

	.section .note.GNU-stack, "", %progbits

	.section .text.start, "ax"
	.globl	_start
_start:	entry	shim_main

	.text
	/* clone3(args, size); the third argument is what the child runs. */
	.globl	sys_spawn
sys_spawn:
	spawn	__NR_clone3

	stub	sys_read __NR_read
	stub	sys_write __NR_write
	stub	sys_close __NR_close
	stub	sys_ioctl __NR_ioctl
	stub	sys_dup3 __NR_dup3
	stub	sys_fchown __NR_fchown
	stub	sys_fchdir __NR_fchdir
	stub	sys_chdir __NR_chdir
	stub	sys_chroot __NR_chroot
	stub	sys_mmap __NR_mmap
	stub	sys_ppoll __NR_ppoll
	stub	sys_clock_gettime __NR_clock_gettime
	stub	sys_rt_sigprocmask __NR_rt_sigprocmask
	stub	sys_openat __NR_openat
	stub	sys_signalfd4 __NR_signalfd4
	stub	sys_mkdirat __NR_mkdirat
	stub	sys_symlinkat __NR_symlinkat
	stub	sys_unlinkat __NR_unlinkat
	stub	sys_mount __NR_mount
	stub	sys_kill __NR_kill
	stubs_end
	stub	sys_wait4 __NR_wait4
	stub	sys_exit_group __NR_exit_group
	stub	sys_execve __NR_execve
	stub	sys_setsid __NR_setsid
	stub	sys_setuid __NR_setuid
	stub	sys_setgid __NR_setgid
	stub	sys_setgroups __NR_setgroups
	stub	sys_prlimit64 __NR_prlimit64
	stub	sys_sethostname __NR_sethostname
	stub	sys_socket __NR_socket
	stub	sys_connect __NR_connect
	stub	sys_shutdown __NR_shutdown
	stub	sys_sync __NR_sync
	stub	sys_reboot __NR_reboot
