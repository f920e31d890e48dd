// Starts companion and VMM: socket pairs, descriptor numbers, privileges, execve. A step that fails in the child comes back
// through a close-on-exec pipe; nothing coming back means that execve succeeded.

#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WIRES_MAX = STREAMS + LINKS_MAX + TAPS_MAX, CONTROL_SEND_BYTES = 16384 };

// One descriptor of the monitor's and the number it has in the child.
struct wire {
	int from, to;
};

struct wires {
	struct wire list[WIRES_MAX];
	size_t count;
};

struct failure {
	int error;
	char verb[24];
};

// What capset() takes, version 3: two sets of 32 bits. libc has no name for it.
struct capability_header {
	uint32_t version;
	int pid;
};
struct capability_sets {
	uint32_t effective, permitted, inheritable;
};

static void make_pair(struct monitor *m, int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		start_fail(m, "make a socket pair for", "the VMM", strerror(errno));
}

static void not_blocking(struct monitor *m, int fd)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		start_fail(m, "set up a stream of", "the VMM", strerror(errno));
}

static void add_wire(struct wires *wires, int from, int to)
{
	wires->list[wires->count++] = (struct wire){ from, to };
}

static void close_wires(const struct wires *wires)
{
	for (size_t i = 0; i < wires->count; i++)
		(void)close(wires->list[i].from);  // The child has its own copy.
}

// Puts each descriptor on its number. The numbers may be in use by others of the list, so all are moved above them first;
// what is not named here is close-on-exec and stays the monitor's.
static bool arrange(const struct wires *wires, int words, int *report)
{
	int moved[WIRES_MAX], above = FD_MIN;
	for (size_t i = 0; i < wires->count; i++)
		if (wires->list[i].to >= above)
			above = wires->list[i].to + 1;
	*report = fcntl(*report, F_DUPFD_CLOEXEC, above);
	if (*report < 0)
		return false;
	words = fcntl(words, F_DUPFD_CLOEXEC, above);
	if (words < 0)
		return false;
	for (size_t i = 0; i < wires->count; i++) {
		moved[i] = fcntl(wires->list[i].from, F_DUPFD_CLOEXEC, above);
		if (moved[i] < 0)
			return false;
	}
	for (size_t i = 0; i < wires->count; i++)
		if (dup2(moved[i], wires->list[i].to) < 0)
			return false;
	return dup2(words, STDOUT_FILENO) >= 0 && dup2(words, STDERR_FILENO) >= 0;
}

static bool drop_privileges(const struct conf *conf)
{
	struct capability_header header = { 0x20080522, 0 };
	const struct capability_sets none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	if (geteuid() == 0 || geteuid() != conf->uid) {
		// While there is still the right to. It is a second lock behind no_new_privs, so a host that forbids it is no
		// failure; the first number that is no capability ends the list.
		for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;)
			capability++;
		if (syscall(SYS_setgroups, conf->group_count, conf->groups) != 0)
			return false;
	}
	// The bare system calls, for libc's would first look for threads to change along.
	if (syscall(SYS_setresgid, conf->gid, conf->gid, conf->gid) != 0 ||
	    syscall(SYS_setresuid, conf->uid, conf->uid, conf->uid) != 0)
		return false;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);  // Absent before Linux 4.3, where there are none.
	return syscall(SYS_capset, &header, none) == 0;
}

static _Noreturn void child_fails(int report, const char *verb)
{
	struct failure failure = { .error = errno };
	struct text text = { failure.verb, sizeof failure.verb, 0 };
	text_add(&text, verb);
	(void)text_end(&text);
	(void)!write(report, &failure, sizeof failure);  // A monitor that is gone has killed this process.
	_exit(127);
}

// A core would hold the guest's memory. Of one byte none is written, and where cores go to a helper none is started, as one
// would be with a limit of 0. That one may have to do: who started the daemon may have left it no right to more.
static bool forbid_cores(void)
{
	const struct rlimit no_core = { 1, 1 };
	if (setrlimit(RLIMIT_CORE, &no_core) == 0)
		return true;
	struct rlimit left;
	return errno == EPERM && getrlimit(RLIMIT_CORE, &left) == 0 && left.rlim_max == 0;
}

static _Noreturn void child_runs(const struct conf *conf, char *const *argv, const struct wires *wires, const int ends[3])
{
	int report = ends[0];
	if (setpgid(0, 0) != 0)
		child_fails(report, "make a process group for");
	if (!arrange(wires, ends[1], &report))
		child_fails(report, "hand descriptors to");
	if (!forbid_cores())
		child_fails(report, "forbid cores of");
	if (conf->has_uid && !drop_privileges(conf))
		child_fails(report, "drop privileges of");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		child_fails(report, "restrict");
	// After the change of uid, which clears it. The parent may have died before this: then nobody would end the child.
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		child_fails(report, "tie the monitor to");
	if (getppid() != (pid_t)ends[2])
		_exit(127);
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);  // Nothing can be wrong with it.
	execve(argv[0], argv, (char *const *)conf->env);
	child_fails(report, "execute");
}

static void spawn(struct monitor *m, int which, char *const *argv, const struct wires *wires)
{
	struct child *child = &m->children[which];
	struct failure failure;
	char bytes[64];
	struct text verb = { bytes, sizeof bytes, 0 };
	int report[2], words[2];
	ssize_t count;
	if (pipe2(report, O_CLOEXEC) != 0 || pipe2(words, O_CLOEXEC) != 0)
		start_fail(m, "make a pipe for", argv[0], strerror(errno));
	not_blocking(m, words[0]);
	const int ends[3] = { report[1], words[1], (int)getpid() };
	child->pid = fork();
	if (child->pid < 0) {
		child->pid = 0;
		start_fail(m, "fork for", argv[0], strerror(errno));
	}
	if (child->pid == 0)
		child_runs(&m->conf, argv, wires, ends);
	child->running = true;
	child->words = words[0];
	(void)close(report[1]);
	(void)close(words[1]);
	do
		count = read(report[0], &failure, sizeof failure);
	while (count < 0 && errno == EINTR);
	if (count == (ssize_t)sizeof failure) {
		text_add(&verb, failure.verb);
		text_add(&verb, which == VMM ? " the VMM" : " the companion");
		start_fail(m, text_end(&verb), argv[0], strerror(failure.error));
	}
	(void)close(report[0]);
}

void spawn_machine(struct monitor *m)
{
	struct conf *conf = &m->conf;
	struct wires to_vmm = { .count = 0 }, to_companion = { .count = 0 };
	int pair[2];
	for (int i = 0; i < STREAMS; i++) {
		if (conf->stream_fd[i] < 0)
			continue;
		const int bytes = CONTROL_SEND_BYTES;
		make_pair(m, pair);
		not_blocking(m, pair[0]);
		// What a guest does not read shall not pile up in the host's memory.
		if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) != 0)
			start_fail(m, "set up a stream of", "the VMM", strerror(errno));
		m->streams[i].fd = pair[0];
		add_wire(&to_vmm, pair[1], conf->stream_fd[i]);
	}
	for (size_t i = 0; i < conf->link_count; i++) {
		make_pair(m, pair);
		add_wire(&to_vmm, pair[0], conf->links[i].vmm);
		add_wire(&to_companion, pair[1], conf->links[i].companion);
	}
	for (size_t i = 0; i < conf->tap_count; i++)
		add_wire(&to_vmm, tap_open(m, conf->taps[i].name), conf->taps[i].vmm);
	if (conf->companion_count > 0)
		spawn(m, COMPANION, conf->companion, &to_companion);
	close_wires(&to_companion);
	spawn(m, VMM, conf->args, &to_vmm);
	close_wires(&to_vmm);
	m->facts.spawned_ns = now_ns();
}
