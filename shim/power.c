/* Time, failure and the end of the machine. Process 1 must never exit (the kernel would panic): all ends in `finish`. */
#include "shim.h"
#include "text.h"

#define CONSOLE 2

/* How long processes have to die, and the host to read the last words. */
#define KILL_MS 2000
#define DRAIN_MS 1000

u64 now_ms(void)
{
	struct __kernel_timespec time;
	sys_clock_gettime(CLOCK_MONOTONIC, &time);
	return (u64)time.tv_sec * 1000 + (u64)time.tv_nsec / 1000000;
}

void console(void)
{
	put("\n");
	sys_write(CONSOLE, "volant: ", 8);
	sys_write(CONSOLE, line + sizeof(SENTENCE) - sizeof("cannot "), line_length - sizeof("fault ") + 1);
}

_Noreturn void fault(long error)
{
	char *byte;
	if (error) {
		put(": errno ");
		put_number((u64)error);
	}
	/* A path may hold anything; a line on the control port is one line. */
	for (byte = line; *byte; byte++)
		if ((u8)*byte < ' ')
			*byte = '?';
	console();
	control_send();
	finish("fault");
}

long must(long result, const char *what, const char *whom)
{
	if (result < 0) {
		put(SENTENCE);
		put(what);
		put(whom);
		fault(-result);
	}
	return result;
}

/* SIGKILL for every process but this; one that the kernel cannot end (it waits for a dead disk) is left behind. */
static void kill_all(void)
{
	int left;
	workload_kill();
	sys_kill(-1, SIGKILL);
	for (left = KILL_MS; left > 0 && supervise_last_reap(); left--)
		wait_for(0, 0, 1);
}

_Noreturn void finish(const char *why)
{
	const char *off = config_text[KEY_OFF];
	long command = LINUX_REBOOT_CMD_RESTART;
	int left;
	kill_all();
	root_leave();
	put("off ");
	put(why);
	put("\n");
	control_send();
	for (left = DRAIN_MS; left > 0; left--) {
		if (!(control_is_pending() | terminal_is_pending(workload_output) | terminal_is_pending(CONSOLE)))
			break;
		wait_for(0, 0, 1);
	}
	control_close();
	/* Without a word on it, also before the boot config was read: power off where the machine has ACPI. */
	if (off && *off ? *off == 'p' : open_file("/sys/firmware/acpi", O_PATH) >= 0)
		command = LINUX_REBOOT_CMD_POWER_OFF;
	for (;;)
		sys_reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, 0);
}
