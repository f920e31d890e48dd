// What a guest with the shim does on its control port: the life of the workload, restarts by policy, the ways to end. The words
// and their order are those of shim/supervise.c; the workload is a list of commands.

#include "simulated.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { SIGNAL_MAX = 64, KILLED_STATUS = 128 + SIGKILL };

// Raw: what stands there need not be a line, or true.
void guest_tell(struct simulated *s, const char *bytes, size_t count)
{
	if (s->fds[CONTROL] < 0)
		return;
	// A flood is lines too: none is cut by this one.
	burst_end_line(&s->flood, s->fds[CONTROL]);
	write_all(s->fds[CONTROL], bytes, count);
}

static void say_line(struct simulated *s, const char *first, const char *second)
{
	char bytes[CONTROL_LINE_MAX + 32];
	struct text line = { bytes, sizeof bytes, 0 };
	text_add(&line, first);
	text_add(&line, second);
	text_add(&line, "\n");
	guest_tell(s, bytes, line.length);
}

// The whole state.
void guest_state(struct simulated *s)
{
	say_line(s, "volant 1", "");
	guest_tell(s, s->state, strlen(s->state));
}

static void add_number(struct text *text, const char *before, uint64_t number)
{
	text_add(text, before);
	text_add_number(text, number);
}

// Tells a new state; the words before a number come with their `=`.
static void tell(struct simulated *s, struct text *state)
{
	text_add(state, "\n");
	(void)text_end(state);
	guest_tell(s, s->state, state->length);
}

static struct text new_state(struct simulated *s, const char *word)
{
	struct text state = { s->state, sizeof s->state, 0 };
	text_add(&state, "state ");
	text_add(&state, word);
	return state;
}

static void tell_exited(struct simulated *s, unsigned status, bool oom)
{
	struct text state = new_state(s, "exited");
	add_number(&state, " status=", status);
	if (oom)
		text_add(&state, " oom=1");
	tell(s, &state);
}

// The last word, and the end of the machine.
static _Noreturn void finish(struct simulated *s, const char *why)
{
	if (s->runs)
		tell_exited(s, KILLED_STATUS, false);
	say_line(s, "off ", why);
	while (s->never_off)
		(void)pause();  // No signal has a handler: it never returns.
	_exit(0);
}

_Noreturn void guest_fault(struct simulated *s, const char *why)
{
	console_line(s, "volant: ", why);
	say_line(s, "fault ", why);
	s->runs = false;
	finish(s, "fault");
}

static void start(struct simulated *s)
{
	char number[24];
	struct text kept = { number, sizeof number, 0 };
	s->start_ms = 0;
	s->started_ms = now_ms();
	s->runs = true;
	struct text state = new_state(s, "started");
	add_number(&state, " pid=1 restarts=", s->restarts);
	tell(s, &state);
	print_line(s, "simulated ", s->name);
	text_add_number(&kept, disk_kept(s));
	print_line(s, "kept ", text_end(&kept));
	s->script_next = s->script;
	s->script_resume_ms = 0;
}

static bool is_restarted(const struct simulated *s, unsigned status)
{
	return s->ending == NULL && (s->restart[0] == 'a' || (s->restart[0] == 'o' && status != 0));
}

static uint64_t next_delay(const struct simulated *s, uint64_t ran_ms)
{
	uint64_t next = s->delay_ms * 2;
	if (next == 0 || ran_ms >= s->backoff_limit_ms)
		next = s->backoff_ms;
	return next < s->backoff_limit_ms ? next : s->backoff_limit_ms;
}

void guest_ended(struct simulated *s, unsigned status, bool oom)
{
	uint64_t now = now_ms();
	s->runs = false;
	s->script_next = NULL;
	s->count.next = s->count.last;
	if (!is_restarted(s, status)) {
		tell_exited(s, status, oom);
		finish(s, s->ending == NULL ? "exit" : s->ending);
	}
	s->delay_ms = next_delay(s, now - s->started_ms);
	s->start_ms = now + s->delay_ms;
	s->restarts++;
	struct text state = new_state(s, "waiting");
	add_number(&state, " status=", status);
	add_number(&state, " restarts=", s->restarts);
	add_number(&state, " delay_ms=", s->delay_ms);
	if (oom)
		text_add(&state, " oom=1");
	tell(s, &state);
}

// The first reason counts, and the earliest deadline.
void guest_stop(struct simulated *s, const char *why, uint64_t grace_ms)
{
	uint64_t now = now_ms();
	sooner(&s->finish_ms, now + grace_ms);
	if (s->ending != NULL)
		return;
	s->ending = why;
	struct text state = new_state(s, "stopping");
	tell(s, &state);
	s->leave_ms = now + s->stop_delay_ms;
}

static const char *after(const char *line, const char *start)
{
	size_t length = strlen(start);
	return strncmp(line, start, length) == 0 ? line + length : NULL;
}

static void take_signal(struct simulated *s, uint64_t number)
{
	char bytes[24];
	struct text word = { bytes, sizeof bytes, 0 };
	if (!s->runs)
		return;
	if (number == SIGKILL) {
		guest_ended(s, KILLED_STATUS, false);
		return;
	}
	text_add_number(&word, number);
	print_line(s, "signal ", text_end(&word));
}

// A line of the control port.
void guest_obeys(struct simulated *s, const char *line)
{
	const char *rest;
	uint64_t number;
	if (strcmp(line, "hello 1") == 0)
		guest_state(s);
	else if (strcmp(line, "kill") == 0)
		finish(s, "stop");
	else if ((rest = after(line, "stop ")) != NULL && number_parse(rest, INT32_MAX, &number))
		guest_stop(s, "stop", number);
	else if ((rest = after(line, "signal ")) != NULL && number_parse(rest, SIGNAL_MAX, &number) && number > 0)
		take_signal(s, number);
	else
		say_line(s, "error ", line);
}

// From power-on to the shim's first word; a guest without the shim has none.
void guest_boots(struct simulated *s)
{
	s->boot_ms = now_ms() + commands_boot_delay(s->script);
	console_line(s, "simulated: nothing runs here but a program that plays the guest of ", s->name);
}

static void booted(struct simulated *s)
{
	s->boot_ms = 0;
	struct text state = new_state(s, "booting");
	tell(s, &state);
	start(s);
}

// Does what is due, and says when the next thing will be.
void guest_deadlines(struct simulated *s, uint64_t *next_ms)
{
	uint64_t now = now_ms();
	if (s->boot_ms != 0 && now >= s->boot_ms)
		booted(s);
	if (s->ending != NULL) {
		// A workload that waits to be started again is nobody to ask.
		if (!s->runs)
			finish(s, s->ending);
		if (now >= s->finish_ms)
			finish(s, s->ending);
		if (now >= s->leave_ms)
			guest_ended(s, 0, false);
		sooner(next_ms, s->finish_ms);
		sooner(next_ms, s->leave_ms);
		return;
	}
	if (s->start_ms != 0 && now >= s->start_ms)
		start(s);
	sooner(next_ms, s->boot_ms);
	sooner(next_ms, s->start_ms);
}
