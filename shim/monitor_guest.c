// What the guest says, on the control port and (in its last moment) on its console. A guest may lie, flood and send garbage:
// a line is taken only when every part of it is as docs/boot.md has it, and the port is read at a modest pace, so that a
// flood ends in the guest's own buffers.

#include "monitor.h"

#include <string.h>
#include <sys/socket.h>

enum {
	HELLOS_MAX = 10,
	HELLO_FIRST_MS = 1000,
	WINDOW_MS = 100,
	WINDOW_BYTES = 32768,
	OFF_TO_END_MS = 10000,
	RESTARTS_MAX = 1000000000,
	GUEST_PID_MAX = 4194304,
	WORDS_MAX = 5,
};

// How the lines of the console begin that say why a machine ended: the kernel's, and the shim's when it failed. The first
// letter of each stands nowhere else in it, so that one counter is the whole search.
static const char panic_start[] = "Kernel panic - not syncing", shim_start[] = "volant: cannot ";

// Sends a line to the guest's shim; false when it cannot be taken now.
bool guest_say(struct monitor *m, const char *verb, uint64_t number)
{
	char bytes[64];
	struct text line = { bytes, sizeof bytes, 0 };
	if (m->streams[CONTROL].fd < 0)
		return false;
	text_add(&line, verb);
	text_add(&line, " ");
	text_add_number(&line, number);
	text_add(&line, "\n");
	ssize_t sent = send(m->streams[CONTROL].fd, bytes, line.length, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent == (ssize_t)line.length;
}

static void say_hello(struct monitor *m, uint64_t now)
{
	(void)guest_say(m, "hello", 1);  // Repeated anyway.
	m->hello_ms = m->hellos + 1 < HELLOS_MAX ? now + ((uint64_t)HELLO_FIRST_MS << m->hellos) : 0;
	m->hellos++;
}

// Asks for the guest's state. A byte sent before the guest has opened its end may be lost, and the guest's own first words
// may be: so it is repeated, ever more seldom, until something has been heard.
void guest_hello(struct monitor *m)
{
	uint64_t now = now_ms();
	// What is not to come must not be waited for either: a time that has passed would keep the loop from ever sleeping.
	if (m->streams[CONTROL].fd < 0 || m->heard || m->hellos == HELLOS_MAX)
		m->hello_ms = 0;
	else if (now >= m->hello_ms)
		say_hello(m, now);
}

bool guest_may_speak(struct monitor *m)
{
	return m->control_pause_ms == 0 || now_ms() >= m->control_pause_ms;
}

// The value of the word `key=...`; a number that is not one, or is missing, leaves the line untrue.
static bool value_of(char *const *words, const char *key, uint64_t max, uint64_t *number)
{
	size_t length = strlen(key);
	for (; *words != NULL; words++)
		if (strncmp(*words, key, length) == 0 && (*words)[length] == '=')
			return number_parse(*words + length + 1, max, number);
	return false;
}

static void heard_state(struct monitor *m, char *const *words)
{
	struct facts *facts = &m->facts;
	uint64_t pid = 0, restarts = 0, status = 0, oom = 0;
	const char *state;
	if (strcmp(words[0], "booting") == 0) {
		state = "booting";
	} else if (strcmp(words[0], "started") == 0 && value_of(words, "pid", GUEST_PID_MAX, &pid) &&
	           value_of(words, "restarts", RESTARTS_MAX, &restarts)) {
		state = "started";
		facts->guest_pid = (uint32_t)pid;
		facts->restarts = (int)restarts;
		if (facts->workload_ns == 0)
			facts->workload_ns = now_ns();
	} else if (strcmp(words[0], "waiting") == 0 && value_of(words, "status", 255, &status) &&
	           value_of(words, "restarts", RESTARTS_MAX, &restarts)) {
		state = "waiting";
		facts->guest_pid = 0;
		facts->workload_status = (int)status;
		facts->restarts = (int)restarts;
	} else if (strcmp(words[0], "stopping") == 0) {
		state = "stopping";
	} else if (strcmp(words[0], "exited") == 0 && value_of(words, "status", 255, &status)) {
		state = "exited";
		facts->guest_pid = 0;
		facts->workload_status = (int)status;
		m->oom = value_of(words, "oom", 1, &oom) && oom == 1;
	} else {
		return;
	}
	facts->guest = state;
	m->heard = true;
	if (facts->kernel_ns == 0)
		facts->kernel_ns = now_ns();
	state_changed(m);
}

static void heard_off(struct monitor *m, const char *why)
{
	static const char *const whys[] = { "stop", "exit", "button", "fault" };
	for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++) {
		if (strcmp(why, whys[i]) != 0)
			continue;
		m->heard = true;
		m->last_word = whys[i];
		m->facts.guest = "off";
		m->facts.guest_pid = 0;
		// Nothing is left to be waited for but the VMM's own end.
		if (m->off_deadline_ms == 0)
			m->off_deadline_ms = now_ms() + OFF_TO_END_MS;
		state_changed(m);
	}
}

static void heard_line(struct monitor *m, char *line, size_t length)
{
	char *words[WORDS_MAX + 1] = { NULL };
	size_t count = 0;
	bool heard_before = m->heard;
	// A NUL would hide what follows it from the comparisons below; after its last word a guest has nothing to say.
	if (length == 0 || memchr(line, '\0', length) != NULL || m->last_word != NULL)
		return;
	line[length] = '\0';
	if (strncmp(line, "fault ", 6) == 0) {
		m->heard = true;
		m->fault = true;
		// It outranks a panic read from the console, which any program in the guest can print.
		m->facts.detail[0] = '\0';
		state_detail(m, line + 6, length - 6);
	} else {
		for (char *at = line; at != NULL && count < WORDS_MAX;) {
			words[count++] = at;
			at = strchr(at, ' ');
			if (at != NULL)
				*at++ = '\0';
		}
		if (count == 2 && strcmp(words[0], "volant") == 0)
			m->heard = m->heard || strcmp(words[1], "1") == 0;
		else if (count >= 2 && strcmp(words[0], "state") == 0)
			heard_state(m, words + 1);
		else if (count == 2 && strcmp(words[0], "off") == 0)
			heard_off(m, words[1]);
	}
	// A stop that was asked for before the guest could hear it.
	if (m->heard && !heard_before && m->grace_end_ms != 0) {
		uint64_t now = now_ms();
		(void)guest_say(m, "stop", m->grace_end_ms > now ? m->grace_end_ms - now : 0);
	}
}

static void count_bytes(struct monitor *m, size_t count)
{
	uint64_t now = now_ms();
	if (now >= m->control_window_ms) {
		m->control_window_ms = now + WINDOW_MS;
		m->control_window_bytes = 0;
		m->control_pause_ms = 0;
	}
	m->control_window_bytes += count;
	if (m->control_window_bytes > WINDOW_BYTES)
		m->control_pause_ms = m->control_window_ms;
}

void guest_control(struct monitor *m, const char *bytes, size_t count)
{
	count_bytes(m, count);
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n') {
			// A terminal on the way may have put a carriage return before the end of the line.
			if (m->control_length > 0 && m->control_line[m->control_length - 1] == '\r')
				m->control_length--;
			if (!m->control_overlong)
				heard_line(m, m->control_line, m->control_length);
			m->control_length = 0;
			m->control_overlong = false;
		} else if (m->control_length + 1 < sizeof m->control_line) {
			m->control_line[m->control_length++] = bytes[i];
		} else {
			m->control_overlong = true;
		}
	}
}

static void panic_found(struct monitor *m)
{
	static const char *const out_of_memory[] = {
		"Out of memory", "out of memory", "deadlocked on memory", "Failed to allocate",
	};
	for (size_t i = 0; i < sizeof out_of_memory / sizeof out_of_memory[0]; i++)
		if (strstr(m->panic_line.line, out_of_memory[i]) != NULL)
			m->panic_oom = true;
	m->panic = true;
	state_detail(m, m->panic_line.line, m->panic_line.length);
}

static bool finder_ends(struct finder *finder)
{
	bool found = finder->collecting;
	finder->line[finder->length] = '\0';
	finder->found = finder->found || found;
	finder->collecting = false;
	return found;
}

// True when this byte ends a line that was looked for.
static bool finder_takes(struct finder *finder, const char *start, char byte)
{
	if (finder->collecting) {
		if (byte == '\n' || finder->length + 1 == sizeof finder->line)
			return finder_ends(finder);
		if (byte != '\0' && byte != '\r')
			finder->line[finder->length++] = byte;
		return false;
	}
	if (byte != start[finder->matched]) {
		finder->matched = byte == start[0] ? 1 : 0;
	} else if (start[++finder->matched] == '\0') {
		memcpy(finder->line, start, finder->matched);
		finder->length = finder->matched;
		finder->matched = 0;
		finder->collecting = true;
	}
	return false;
}

void guest_console(struct monitor *m, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (finder_takes(&m->panic_line, panic_start, bytes[i]))
			panic_found(m);
		(void)finder_takes(&m->shim_line, shim_start, bytes[i]);
	}
}

// A last line may have no end.
void guest_console_ended(struct monitor *m)
{
	if (finder_ends(&m->panic_line))
		panic_found(m);
	(void)finder_ends(&m->shim_line);
}
