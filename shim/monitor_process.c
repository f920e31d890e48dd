// Who the children are, and their ends. A pid names a process only until it is waited for, so groups are killed before their
// leader is reaped, and every pid that is signalled is that of an unreaped child.

#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static ssize_t read_proc(const char *prefix, pid_t pid, const char *suffix, char *bytes, size_t size)
{
	char name[64];
	struct text path = { name, sizeof name, 0 };
	text_add(&path, prefix);
	text_add_number(&path, (uint64_t)pid);
	text_add(&path, suffix);
	int fd = open(text_end(&path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t count;
	do
		count = read(fd, bytes, size - 1);
	while (count < 0 && errno == EINTR);
	(void)close(fd);  // Only read from.
	bytes[count < 0 ? 0 : count] = '\0';
	return count;
}

// Start time in clock ticks since the host's boot: with the pid and the boot id it names a process for ever. 0: unknown.
uint64_t process_start(pid_t pid)
{
	char bytes[1024];
	if (read_proc("/proc/", pid, "/stat", bytes, sizeof bytes) <= 0)
		return 0;
	// The second field is the program's name in parentheses, and may hold spaces and parentheses itself.
	char *at = strrchr(bytes, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return 0;
	uint64_t start;
	char *end = strchr(++at, ' ');
	if (end != NULL)
		*end = '\0';
	return number_parse(at, UINT64_MAX, &start) ? start : 0;
}

// Every signal to its default, also those that libc keeps for itself and lets nobody set: what a caller ignored, its
// great-grandchildren would ignore too.
void process_default_signals(void)
{
	// The kernel's own form of struct sigaction: default handler, no flags, no restorer, empty mask.
	const uint64_t action[4] = { 0 };
	for (int number = 1; number <= 64; number++)
		(void)syscall(SYS_rt_sigaction, number, action, NULL, sizeof action[0]);  // SIGKILL and SIGSTOP refuse.
}

// Takes in what SIGCHLD announced. Grandchildren whose parent ended come to the monitor (it is their subreaper) and are
// only buried.
void process_reap(struct monitor *m)
{
	for (;;) {
		siginfo_t info = { 0 };
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
			return;
		pid_t pid = info.si_pid;
		int which = 0;
		while (which < CHILDREN && !(m->children[which].running && m->children[which].pid == pid))
			which++;
		if (which < CHILDREN)
			(void)kill(-pid, SIGKILL);  // The rest of its group; ESRCH when there is none.
		int status;
		if (waitpid(pid, &status, 0) != pid)
			return;
		if (which == CHILDREN)
			continue;
		m->children[which].running = false;
		m->children[which].status = status;
		end_child_ended(m, which);
	}
}

// SIGKILL to what VMM and companion left behind, in whatever session; true when there is nothing any more. They are children
// of the monitor by now, unreaped, so their pids are theirs.
bool process_end_descendants(struct monitor *m)
{
	static char bytes[4096];
	process_reap(m);
	siginfo_t info = { 0 };
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD)
		return true;
	if (read_proc("/proc/self/task/", getpid(), "/children", bytes, sizeof bytes) <= 0)
		return false;
	for (char *at = bytes, *space; (space = strchr(at, ' ')) != NULL; at = space + 1) {
		uint64_t pid;
		*space = '\0';
		if (number_parse(at, INT32_MAX, &pid) && pid > 1)
			(void)kill((pid_t)pid, SIGKILL);  // Failing: it has just ended, or is not ours to kill.
	}
	return false;
}
