/*
 * The shim: process 1 of a guest, from the kernel's first instruction in user space to the machine's end. docs/boot.md
 * is the contract with the daemon and the monitor. Here are the steps in order; each is one file.
 */
#include "shim.h"

/* Signals are never delivered, only read (supervise.c): no handler, so nothing happens between two instructions. */
static void block_signals(void)
{
	const signal_set all = ~0ULL;
	must(sys_rt_sigprocmask(SIG_BLOCK, &all, 0, sizeof(all)), "block signals", "");
	must(sys_reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, 0),
	     "have Ctrl-Alt-Del as a signal", "");
}

__attribute__((used, externally_visible)) _Noreturn void shim_main(void)
{
	mounts_first();
	block_signals();
	config_read();
	control_open();
	network_up();
	root_enter();
	mounts_rest();
	names_write();
	workload_prepare();
	supervise();
}
