/*
 * The system calls of the shim, by name: it has no libc. Each returns what the kernel does, a negative errno for an
 * error. Numbers and constants come from the kernel's user-space headers, which differ by architecture where they must.
 */
#ifndef SHIM_SYS_H
#define SHIM_SYS_H

#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/poll.h>
#include <linux/reboot.h>
#include <linux/resource.h>
#include <linux/time.h>
#include <linux/types.h>
#include <linux/wait.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

/* The kernel's signal set: 64 bits, signal n is bit n-1. */
typedef u64 signal_set;
#define SIGNAL_BIT(n) (1ULL << ((n)-1))

/* In sys_calls.S, a few instructions each. */
long sys_openat(long directory, const char *path, long flags, long mode);
long sys_close(long fd);
long sys_read(long fd, void *into, unsigned long size);
long sys_write(long fd, const void *from, unsigned long size);
long sys_ioctl(long fd, unsigned long request, const void *argument);
long sys_dup3(long fd, long to, long flags);
long sys_fchown(long fd, u32 uid, u32 gid);
long sys_fchdir(long fd);
long sys_chdir(const char *path);
long sys_chroot(const char *path);
long sys_mkdirat(long directory, const char *path, long mode);
long sys_symlinkat(const char *to, long directory, const char *path);
long sys_unlinkat(long directory, const char *path, long flags);
long sys_mount(const char *what, const char *where, const char *fs, unsigned long flags, const char *options);
long sys_mmap(void *address, unsigned long size, long protection, long flags, long fd, long offset);
long sys_ppoll(struct pollfd *fds, unsigned long count, const struct __kernel_timespec *timeout,
	       const signal_set *mask, unsigned long mask_size);
long sys_clock_gettime(long clock, struct __kernel_timespec *time);
long sys_rt_sigprocmask(long how, const signal_set *set, signal_set *old, unsigned long size);
long sys_signalfd4(long fd, const signal_set *set, unsigned long size, long flags);
long sys_kill(long pid, long signal);
long sys_wait4(long pid, int *status, long options, void *usage);
long sys_exit_group(long status);
long sys_execve(const char *path, const char **arguments, const char **environment);
long sys_setsid(void);
long sys_setuid(u32 uid);
long sys_setgid(u32 gid);
long sys_setgroups(unsigned long count, const u32 *groups);
long sys_prlimit64(long pid, unsigned long resource, const u64 *limit, u64 *old);
long sys_sethostname(const char *name, unsigned long length);
long sys_socket(long family, long type, long protocol);
long sys_connect(long fd, const void *address, unsigned long size);
long sys_shutdown(long fd, long how);
long sys_sync(void);
long sys_reboot(long magic, long magic2, long command, void *argument);

/* clone3(args, size); the child runs `child` on the stack that args name, and must not return. */
long sys_spawn(const void *args, unsigned long size, void (*child)(void));

/* Open a file that execve closes, under the path of the whole name space. */
/* sys.c. */
long open_file(const char *path, long flags);

/* Makes a directory, unless it is there or cannot be made: what is done with it next will tell. */
void make_directory(const char *path);

/* Sleeps until something happens to the descriptors, or for so many milliseconds; forever when they are negative. */
void wait_for(struct pollfd *fds, unsigned long count, long milliseconds);

#endif
