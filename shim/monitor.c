// The monitor: parent of one VMM for as long as it lives, so that its output, its exit and its guest's last words are kept
// whatever becomes of the daemon. docs/monitor.md says what it promises. This file is the list of steps and the loop; what
// is read, started, logged and answered lies in the other monitor_*.c.

#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	LOCK_WITHIN_MS = 2000,
	STRAYS_WITHIN_MS = 2000,
	STRAYS_EVERY_MS = 20,
	LAST_STATE_WITHIN_MS = 5000,
	VIEWERS_WITHIN_MS = 1000,
	REPORT_BYTES = 1024,
};

static const char socket_name[] = "monitor.sock";
static const char report_good[] = "+";

static struct monitor monitor;

// Places in the poll set.
enum { AT_SIGNALS, AT_LISTENER, AT_STREAMS, AT_WORDS = AT_STREAMS + STREAMS, AT_CLIENTS = AT_WORDS + CHILDREN };
enum { POLLED = AT_CLIENTS + CLIENTS_MAX };

static void end_all_children(struct monitor *m)
{
	for (int i = 0; i < CHILDREN; i++)
		if (m->children[i].running)
			(void)kill(m->children[i].pid, SIGKILL);  // Not reaped: it is still itself.
	const struct timespec pause = { 0, STRAYS_EVERY_MS * 1000000L };
	for (uint64_t end = now_ms() + STRAYS_WITHIN_MS; !process_end_descendants(m) && now_ms() < end;)
		(void)nanosleep(&pause, NULL);
}

static void remove_files(struct monitor *m)
{
	(void)unlinkat(m->run_dir, socket_name, 0);  // It may not exist.
	state_remove(m);
}

// The start came to nothing: takes everything back, then says why to whoever waits for it.
_Noreturn void start_fail(struct monitor *m, const char *verb, const char *name, const char *reason)
{
	char bytes[REPORT_BYTES];
	struct text text = { bytes, sizeof bytes, 0 };
	text_add(&text, "Cannot ");
	text_add(&text, verb);
	text_add(&text, " \"");
	text_add_clean(&text, name, strlen(name));
	text_add(&text, "\": ");
	text_add(&text, reason);
	end_all_children(m);
	// Before the directory is ours, its files are another's.
	if (m->signals >= 0)
		remove_files(m);
	(void)!write(m->report, bytes, text.length);  // The caller may be gone.
	_exit(1);
}

// Descriptors, signals and the umask of whoever called shall not matter to a machine that may run for a year.
static void leave_caller(struct monitor *m)
{
	sigset_t all;
	process_default_signals();
	(void)sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) != 0)
		start_fail(m, "block signals for", "the monitor", strerror(errno));
	(void)umask(077);
	if (setsid() < 0)
		start_fail(m, "make a session for", "the monitor", strerror(errno));
	int null = open("/dev/null", O_RDWR | O_NOCTTY);
	if (null < 0)
		start_fail(m, "open", "/dev/null", strerror(errno));
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			start_fail(m, "open", "/dev/null", strerror(errno));
	unsigned report = (unsigned)m->report;
	if ((report > 3 && syscall(SYS_close_range, 3U, report - 1, 0U) != 0) ||
	    syscall(SYS_close_range, report + 1, ~0U, 0U) != 0)
		start_fail(m, "close descriptors of", "the caller", strerror(errno));
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		start_fail(m, "become subreaper for", "the VMM", strerror(errno));
}

// One monitor to a run directory, by a lock that ends with the process. The one before may be about to leave.
static void claim_run_dir(struct monitor *m, const char *run_dir)
{
	const struct timespec pause = { 0, 20000000 };
	m->run_dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->run_dir < 0)
		start_fail(m, "open the run directory", run_dir, strerror(errno));
	for (uint64_t end = now_ms() + LOCK_WITHIN_MS; flock(m->run_dir, LOCK_EX | LOCK_NB) != 0;) {
		if (errno != EWOULDBLOCK || now_ms() >= end)
			start_fail(m, "use the run directory", run_dir,
			           errno == EWOULDBLOCK ? "another monitor runs there" : strerror(errno));
		(void)nanosleep(&pause, NULL);
	}
}

static void watch_signals(struct monitor *m)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	m->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m->signals < 0)
		start_fail(m, "await signals for", "the monitor", strerror(errno));
}

static void listen_in(struct monitor *m, const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, socket_name, sizeof socket_name);
	m->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	// By a name relative to the directory: a socket's whole path may have 107 bytes only.
	if (m->listener < 0 || fchdir(m->run_dir) != 0)
		start_fail(m, "make a socket in", run_dir, strerror(errno));
	(void)umask(0177);
	int bound = bind(m->listener, (const struct sockaddr *)&address, sizeof address);
	int error = errno;
	(void)umask(077);
	if (bound != 0)
		start_fail(m, "make a socket in", run_dir, strerror(error));
	if (listen(m->listener, CLIENTS_MAX) != 0 || chdir("/") != 0)
		start_fail(m, "listen in", run_dir, strerror(errno));
}

static void take_signals(struct monitor *m)
{
	struct signalfd_siginfo info;
	while (read(m->signals, &info, sizeof info) == (ssize_t)sizeof info)
		if (info.ssi_signo == SIGTERM)
			end_stop(m, m->conf.grace_ms);
	process_reap(m);
}

static void fill_poll_set(struct monitor *m, struct pollfd set[POLLED])
{
	set[AT_SIGNALS] = (struct pollfd){ .fd = m->signals, .events = POLLIN };
	set[AT_LISTENER] = (struct pollfd){ .fd = m->listener, .events = POLLIN };
	for (int i = 0; i < STREAMS; i++) {
		bool paused = i == CONTROL && !guest_may_speak(m);
		set[AT_STREAMS + i] = (struct pollfd){ .fd = paused ? -1 : m->streams[i].fd, .events = POLLIN };
		if (m->streams[i].input_waits)
			set[AT_STREAMS + i].events |= POLLOUT;
	}
	for (int i = 0; i < CHILDREN; i++)
		set[AT_WORDS + i] = (struct pollfd){ .fd = m->children[i].words, .events = POLLIN };
	for (int i = 0; i < CLIENTS_MAX; i++) {
		const struct client *client = &m->clients[i];
		set[AT_CLIENTS + i] = (struct pollfd){ .fd = client->kind == CLIENT_FREE ? -1 : client->fd };
		if (clients_want_input(m, client))
			set[AT_CLIENTS + i].events |= POLLIN;
		if (clients_want_output(m, client))
			set[AT_CLIENTS + i].events |= POLLOUT;
	}
}

static void serve(struct monitor *m, const struct pollfd set[POLLED])
{
	for (int i = 0; i < STREAMS; i++) {
		if (set[AT_STREAMS + i].revents & POLLOUT)
			m->streams[i].input_waits = false;
		if (set[AT_STREAMS + i].revents & ~POLLOUT)
			stream_read(m, i);
	}
	for (int i = 0; i < CHILDREN; i++)
		if (set[AT_WORDS + i].revents != 0)
			stream_words(m, i);
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &m->clients[i];
		short events = set[AT_CLIENTS + i].revents;
		// A viewer dropped since poll() left a free place behind; nobody can have taken it, for guests are accepted below.
		if (client->kind != CLIENT_FREE && (events & POLLIN))
			clients_readable(m, client);
		else if (client->kind != CLIENT_FREE && (events & (POLLHUP | POLLERR | POLLNVAL)))
			clients_drop(client);
		if (client->kind != CLIENT_FREE && (events & POLLOUT))
			clients_push(m, client);
	}
	if (set[AT_LISTENER].revents != 0)
		clients_accept(m);
}

// The VMM is gone: the rest of its output, its companion, whatever else it started, then the last state.
static void go_on_ending(struct monitor *m, uint64_t *next_ms)
{
	uint64_t now = now_ms();
	if (m->phase == ENDING && !m->children[COMPANION].running) {
		if (!process_end_descendants(m) && now < m->ending_deadline_ms + STRAYS_WITHIN_MS) {
			sooner(next_ms, now + STRAYS_EVERY_MS);
			return;
		}
		stream_drain(m);
		guest_console_ended(m);
		for (int i = 0; i < LOGS; i++)
			log_finish(&m->logs[i]);
		end_cause(m);
		m->state_next_ms = 0;
		m->state_give_up_ms = now + LAST_STATE_WITHIN_MS;
		m->phase = LEAVING;
	}
	if (m->phase != LEAVING || m->leaving_deadline_ms != 0)
		return;
	state_flush(m);
	if (m->state_changed && now < m->state_give_up_ms)
		return;
	state_release(m);
	// In this order: where there is no socket any more, the state is the last one.
	(void)unlinkat(m->run_dir, socket_name, 0);
	(void)close(m->listener);
	m->listener = -1;
	(void)close(m->run_dir);
	m->leaving_deadline_ms = now + VIEWERS_WITHIN_MS;
}

// True when nobody waits for anything any more.
static bool may_leave(struct monitor *m, uint64_t *next_ms)
{
	bool waiting = false;
	if (m->leaving_deadline_ms == 0)
		return false;
	for (struct client *client = m->clients; client < m->clients + CLIENTS_MAX; client++) {
		if (client->kind != CLIENT_FREE && !clients_want_output(m, client))
			clients_drop(client);
		waiting = waiting || client->kind != CLIENT_FREE;
	}
	sooner(next_ms, m->leaving_deadline_ms);
	return !waiting || now_ms() >= m->leaving_deadline_ms;
}

static void loop(struct monitor *m)
{
	struct pollfd set[POLLED];
	for (;;) {
		uint64_t next_ms = 0, now;
		guest_hello(m);
		hold_follow(m, &next_ms);
		end_deadlines(m, &next_ms);
		clients_deadlines(m, &next_ms);
		go_on_ending(m, &next_ms);
		state_flush(m);
		if (may_leave(m, &next_ms))
			return;
		if (m->state_changed)
			sooner(&next_ms, m->state_next_ms);
		if (!guest_may_speak(m))
			sooner(&next_ms, m->control_pause_ms);
		if (m->phase == RUNNING)
			sooner(&next_ms, m->hello_ms);
		now = now_ms();
		fill_poll_set(m, set);
		int timeout = next_ms == 0 ? -1 : next_ms <= now ? 0 : next_ms - now > 60000 ? 60000 : (int)(next_ms - now);
		int ready = poll(set, POLLED, timeout);
		if (ready <= 0)
			continue;
		serve(m, set);
		if (set[AT_SIGNALS].revents != 0)
			take_signals(m);
	}
}

static void monitor_runs(struct monitor *m, const char *run_dir)
{
	m->run_dir = m->listener = m->signals = -1;
	m->facts = (struct facts){ .guest = "unknown", .restarts = -1, .workload_status = -1, .vmm_status = -1 };
	for (int i = 0; i < STREAMS; i++)
		m->streams[i].fd = -1;
	for (int i = 0; i < CHILDREN; i++)
		m->children[i].words = -1;
	for (int i = 0; i < LOGS; i++)
		m->logs[i].fd = -1;

	leave_caller(m);
	claim_run_dir(m, run_dir);
	watch_signals(m);
	remove_files(m);
	conf_read(m, run_dir);
	for (int i = 0; i < LOGS; i++)
		log_open(m, i);
	listen_in(m, run_dir);
	if (!state_reserve(m))
		start_fail(m, "keep room for monitor.state in", run_dir, strerror(errno));
	spawn_machine(m);
	state_identify(m);
	if (!state_write(m))
		start_fail(m, "write monitor.state in", run_dir, strerror(errno));
	(void)!write(m->report, report_good, sizeof report_good - 1);  // The caller may be gone; the machine runs.
	(void)close(m->report);
	loop(m);
}

// Waits for the monitor's word: "+", or a sentence, after which nothing of the machine is left.
static int await_report(int fd, pid_t pid, const char *run_dir)
{
	char bytes[REPORT_BYTES];
	struct text text = { bytes, sizeof bytes, 0 };
	ssize_t count;
	while ((count = read(fd, bytes + text.length, sizeof bytes - 1 - text.length)) != 0) {
		if (count < 0 && errno != EINTR)
			break;
		if (count > 0)
			text.length += (size_t)count;
		if (text.length > 0 && bytes[0] == report_good[0])
			return 0;
	}
	(void)waitpid(pid, NULL, 0);
	if (text.length == 0) {
		text_add(&text, "Cannot start the machine in \"");
		text_add(&text, run_dir);
		text_add(&text, "\": its monitor was killed");
	}
	bytes[text.length++] = '\n';
	(void)!write(STDERR_FILENO, bytes, text.length);  // There is nobody else to tell.
	return 1;
}

static int give_up(const char *sentence)
{
	(void)!write(STDERR_FILENO, sentence, strlen(sentence));
	return 1;
}

int main(int argc, char **argv)
{
	int report[2], fd;
	if (argc == 2 && strcmp(argv[1], "--tsc-khz") == 0)
		return tsc_print_khz();
	if (argc != 2)
		return give_up("Cannot start a machine: the one argument is its run directory\n");
	// A caller may have closed its standard descriptors; the numbers must not be taken by anything else.
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < 3);
	if (fd < 0 || pipe2(report, O_CLOEXEC) != 0)
		return give_up("Cannot start a machine: no descriptor is free\n");
	pid_t pid = fork();
	if (pid < 0)
		return give_up("Cannot start a machine: no process can be forked\n");
	if (pid > 0) {
		(void)close(report[1]);
		return await_report(report[0], pid, argv[1]);
	}
	monitor.report = report[1];
	monitor_runs(&monitor, argv[1]);
	return 0;
}
