// monitor.state: what is known of the machine, replaced atomically on each change, so that a reader never sees half a state
// and a daemon that was away misses nothing. A guest decides how often its state changes; the disk is asked at most twenty
// times a second.
//
// A disk that is full must not cost the last state, which is all that is left of a machine. So a file with room for one is
// kept from the start: nobody reads it before it is whole, and to rename it over the old state takes no room.

#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WRITE_EVERY_MS = 50, RETRY_MS = 500 };

static const char state_name[] = "monitor.state", aside_name[] = "monitor.state.new", last_name[] = "monitor.state.last";

// One state is made up at a time, and the watchers get the same bytes as the file.
static char bytes[STATE_BYTES_MAX];
static size_t bytes_length;

static void add_string(struct text *text, const char *key, const char *value)
{
	text_add(text, key);
	text_add(text, "=");
	text_add(text, value);
	text_add(text, "\n");
}

static void add_number(struct text *text, const char *key, uint64_t value)
{
	text_add(text, key);
	text_add(text, "=");
	text_add_number(text, value);
	text_add(text, "\n");
}

static void make_up(struct monitor *m)
{
	const struct facts *facts = &m->facts;
	struct text text = { bytes, sizeof bytes, 0 };
	add_number(&text, "version", 1);
	add_string(&text, "boot_id", m->boot_id);
	add_number(&text, "monitor_pid", (uint64_t)getpid());
	add_number(&text, "monitor_start", m->monitor_start);
	add_number(&text, "vmm_pid", (uint64_t)m->children[VMM].pid);
	add_number(&text, "vmm_start", m->vmm_start);
	add_string(&text, "vmm_exe", m->vmm_exe);
	add_number(&text, "spawned_ns", facts->spawned_ns);
	if (facts->kernel_ns != 0)
		add_number(&text, "kernel_ns", facts->kernel_ns);
	if (facts->workload_ns != 0)
		add_number(&text, "workload_ns", facts->workload_ns);
	add_string(&text, "guest", facts->guest);
	if (facts->guest_pid != 0)
		add_number(&text, "guest_pid", facts->guest_pid);
	if (facts->restarts >= 0)
		add_number(&text, "restarts", (uint64_t)facts->restarts);
	if (facts->workload_status >= 0)
		add_number(&text, "workload_status", (uint64_t)facts->workload_status);
	if (facts->stop != NULL)
		add_string(&text, "stop", facts->stop);
	if (facts->forced)
		add_number(&text, "forced", 1);
	if (facts->ended_ns != 0)
		add_number(&text, "ended_ns", facts->ended_ns);
	if (facts->vmm_status >= 0)
		add_number(&text, "vmm_status", (uint64_t)facts->vmm_status);
	if (facts->cause != NULL)
		add_string(&text, "cause", facts->cause);
	if (facts->detail[0] != '\0')
		add_string(&text, "detail", facts->detail);
	bytes_length = text.length;
	m->state_serial++;
}

// Who monitor and VMM are, for as long as this host is up: taken once, when the VMM has been executed.
void state_identify(struct monitor *m)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		start_fail(m, "read", "/proc/sys/kernel/random/boot_id", strerror(errno));
	ssize_t count = read(fd, m->boot_id, sizeof m->boot_id - 1);
	if (count <= 0)
		start_fail(m, "read", "/proc/sys/kernel/random/boot_id", "it is empty");
	(void)close(fd);  // Only read from.
	m->boot_id[strcspn(m->boot_id, "\n")] = '\0';

	m->monitor_start = process_start(getpid());
	m->vmm_start = process_start(m->children[VMM].pid);
	if (m->monitor_start == 0 || m->vmm_start == 0)
		start_fail(m, "read", "/proc/PID/stat", "it has no start time");

	char name[40], target[PATH_BYTES_MAX];
	struct text link = { name, sizeof name, 0 }, exe = { m->vmm_exe, sizeof m->vmm_exe, 0 };
	text_add(&link, "/proc/");
	text_add_number(&link, (uint64_t)m->children[VMM].pid);
	text_add(&link, "/exe");
	ssize_t length = readlink(text_end(&link), target, sizeof target);
	// A VMM that has ended already, or that may not be looked at after its change of uid, is known by what was executed.
	if (length > 0)
		text_add_clean(&exe, target, (size_t)length);
	else
		text_add_clean(&exe, m->conf.args[0], strlen(m->conf.args[0]));
	(void)text_end(&exe);
}

void state_changed(struct monitor *m)
{
	m->state_changed = true;
}

// The sentence for people; the first one counts, for what follows a failure is its consequence.
void state_detail(struct monitor *m, const char *sentence, size_t count)
{
	struct text text = { m->facts.detail, sizeof m->facts.detail, 0 };
	if (m->facts.detail[0] != '\0')
		return;
	text_add_clean(&text, sentence, count);
	(void)text_end(&text);
	state_changed(m);
}

// The state as it was last made up: what a watcher is sent.
const char *state_text(size_t *length)
{
	*length = bytes_length;
	return bytes;
}

// Keeps room for the last state. False when there is none, with errno set.
bool state_reserve(struct monitor *m)
{
	int fd = openat(m->run_dir, last_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	// A file system that cannot promise room is used all the same. The file stays empty, as the state will be shorter.
	bool good = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, STATE_BYTES_MAX) == 0 || errno == EOPNOTSUPP;
	int error = errno;
	(void)close(fd);  // Nothing was written.
	errno = error;
	return good;
}

// Gives back what the last state did not need.
void state_release(struct monitor *m)
{
	(void)unlinkat(m->run_dir, last_name, 0);  // It may be the state by now.
}

// Leaves nothing of this monitor's, or of one before that was killed.
void state_remove(struct monitor *m)
{
	static const char *const names[] = { state_name, aside_name, last_name };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		(void)unlinkat(m->run_dir, names[i], 0);  // Whichever there is.
}

static bool write_to(struct monitor *m, const char *name, int flags)
{
	size_t done = 0;
	int fd = openat(m->run_dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	if (fd < 0)
		return false;
	while (done < bytes_length) {
		ssize_t count = write(fd, bytes + done, bytes_length - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			break;
		done += (size_t)count;
	}
	bool good = done == bytes_length && fsync(fd) == 0;
	int error = errno;
	good = close(fd) == 0 && good;
	errno = error;
	return good;
}

static bool replace(struct monitor *m, const char *name, int flags)
{
	return write_to(m, name, flags) && renameat(m->run_dir, name, m->run_dir, state_name) == 0;
}

// Replaces the file by the state as it is now. False leaves the old file whole, with errno set.
bool state_write(struct monitor *m)
{
	make_up(m);
	if (!replace(m, aside_name, O_CREAT | O_TRUNC)) {
		int error = errno;
		(void)unlinkat(m->run_dir, aside_name, 0);  // It may not exist.
		errno = error;
		// Not truncated, which would give up its room; what a failed try left there is shorter, or the same.
		if (m->facts.cause == NULL || !replace(m, last_name, 0))
			return false;
	}
	// The new state is there already; a failure here only concerns a host that loses power now.
	(void)fsync(m->run_dir);
	return true;
}

// Writes a changed state when it is time to, and tells the watchers.
void state_flush(struct monitor *m)
{
	uint64_t now = now_ms();
	if (!m->state_changed || now < m->state_next_ms)
		return;
	bool written = state_write(m);
	m->state_changed = !written;
	m->state_next_ms = now + (written ? WRITE_EVERY_MS : RETRY_MS);
	clients_tell(m);
}
