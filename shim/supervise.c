/*
 * The life of the workload, and the one loop of the shim: signals, the control port and the clock.
 *
 *   start --> running --(ends, policy says again)--> waiting --(delay over)--> start
 *                |                                      |
 *                +--(stop asked for; or it ended for good)--> ending --(group empty, or grace over)--> finish
 *
 * `ending` is also where a workload's last children get their grace: its process group is asked to end, and the machine
 * ends when nobody of that group is left.
 */
#include <linux/signalfd.h>

#include "shim.h"
#include "text.h"

#define MILLISECONDS_MAX 0x7fffffff
#define SIGNAL_MAX 64

/* What the ACPI power button is by CONFIG_ACPI_TINY_POWER_BUTTON_SIGNAL. */
#define POWER_BUTTON 38

/* Ctrl-Alt-Del, the power button, and what `poweroff`, `halt` and `reboot` of a busybox send to process 1. */
#define STOP_SIGNALS \
	(SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGUSR2) | SIGNAL_BIT(POWER_BUTTON))

/* Of the workload: 0 when it does not run. */
static long pid;

/* The workload's process group, which may outlive it; 0 before the first start. */
static long group;

static u64 started_at;
static u64 restarts;
static u64 delay_ms;

/* When to start again, or when to end the machine; 0: at no time. */
static u64 deadline;

/* Why the machine is ending, or NULL. */
static const char *ending;

static int group_is_empty(void)
{
	return group == 0 || sys_kill(-group, 0) == -ESRCH;
}

/* Asks the workload's process group to end; the first reason counts, and the earliest deadline. */
static void end(const char *why, u64 grace_ms)
{
	const u64 at = now_ms() + grace_ms;
	if (ending) {
		if (at < deadline)
			deadline = at;
		return;
	}
	ending = why;
	deadline = at;
	if (group) {
		sys_kill(-group, CONFIG_NUMBER(KEY_STOP_SIGNAL));
		/* One that is stopped can only be asked once it goes on. */
		sys_kill(-group, SIGCONT);
	}
}

static void stop(const char *why, u64 grace_ms)
{
	if (!ending) {
		put("state stopping\n");
		control_state();
	}
	end(why, grace_ms);
}

static int is_restarted(long status)
{
	const char *policy = config_text[KEY_RESTART];
	return !ending && (*policy == 'a' || (*policy == 'o' && status != 0));
}

static u64 next_delay(u64 ran_ms)
{
	const u64 longest = CONFIG_NUMBER(KEY_BACKOFF_LIMIT_MS);
	u64 next = delay_ms * 2;
	if (next == 0 || ran_ms >= longest)
		next = CONFIG_NUMBER(KEY_BACKOFF_MS);
	return next < longest ? next : longest;
}

static void put_state(const char *state, long status)
{
	put("state ");
	put(state);
	put_number((u64)status);
}

/* The workload ended, or could not be executed. */
static void ended(long status)
{
	const u64 now = now_ms();
	const char *oom = workload_was_out_of_memory() && status == 128 + SIGKILL ? " oom=1\n" : "\n";
	pid = 0;
	if (!is_restarted(status)) {
		put_state("exited status=", status);
		put(oom);
		control_state();
		end("exit", CONFIG_NUMBER(KEY_GRACE_MS));
		return;
	}
	/* What it left running would hold its ports and files. */
	workload_kill();
	group = 0;
	delay_ms = next_delay(now - started_at);
	deadline = now + delay_ms;
	put_state("waiting status=", status);
	put(" restarts=");
	put_number(++restarts);
	put(" delay_ms=");
	put_number(delay_ms);
	put(oom);
	control_state();
}

static void start(void)
{
	long result;
	started_at = now_ms();
	result = workload_start();
	if (result < 0) {
		ended(-result);
		return;
	}
	pid = group = result;
	put_state("started pid=", pid);
	put(" restarts=");
	put_number(restarts);
	put("\n");
	control_state();
}

/* Reaps every process that has ended, the workload's orphans too; returns what wait4 said last. */
static long reap(void)
{
	for (;;) {
		int status;
		long which = sys_wait4(-1, &status, WNOHANG, 0);
		if (which <= 0)
			return which;
		/* The low seven bits are the signal that ended it, the second byte is its exit status. */
		if (which == pid)
			ended(status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff);
	}
}

int supervise_last_reap(void)
{
	if (!ending)
		ending = "";
	return reap() == 0;
}

int supervise_line(const char *words)
{
	u64 number;
	if (text_same(words, "kill"))
		finish("stop");
	if (text_is_number(text_after(words, "stop "), MILLISECONDS_MAX, &number)) {
		stop("stop", number);
		return 1;
	}
	if (!text_is_number(text_after(words, "signal "), SIGNAL_MAX, &number) || !number)
		return 0;
	if (group)
		sys_kill(-group, (long)number);
	return 1;
}

/* Whether any signal came that asks for a stop; SIGCHLD only wakes the loop. */
static int stop_signalled(long signals)
{
	struct signalfd_siginfo info;
	int found = 0;
	while (sys_read(signals, &info, sizeof(info)) > 0)
		found |= info.ssi_signo != SIGCHLD;
	return found;
}

/* The milliseconds until the earlier of two times, 0 being no time; -1 for neither. */
static long until(u64 a, u64 b)
{
	const u64 now = now_ms();
	const u64 first = !a || (b && b < a) ? b : a;
	if (!first)
		return -1;
	return first > now ? (long)(first - now) : 0;
}

_Noreturn void supervise(void)
{
	const signal_set wanted = STOP_SIGNALS | SIGNAL_BIT(SIGCHLD);
	const long signals = must(sys_signalfd4(-1, &wanted, sizeof(wanted), SFD_NONBLOCK | SFD_CLOEXEC),
				  "read signals", "");
	start();
	for (;;) {
		struct pollfd polls[2] = { { (int)signals, POLLIN, 0 } };
		const u64 retry_at = control_poll(&polls[1]);
		wait_for(polls, 2, until(retry_at, deadline));
		/* The signals first: a child that ends after the last look at children must find its signal unread. */
		const int is_stop = stop_signalled(signals);
		reap();
		if (is_stop)
			stop("button", CONFIG_NUMBER(KEY_GRACE_MS));
		control_ready(&polls[1]);
		if (ending && (group_is_empty() || now_ms() >= deadline))
			finish(ending);
		if (deadline && now_ms() >= deadline) {
			deadline = 0;
			start();
		}
	}
}
