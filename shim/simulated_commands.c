// What a simulated guest can be told to do: docs/simulated.md has the same list for people. A command comes from SIMULATE, whose
// parts are carried out one after the other at each start of the workload, or is a line of the console's input.

#include "simulated.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { GARBAGE_BYTES = 4096, ENDLESS_BYTES = 65536, FLOOD_LINES = 30000, COUNT_MAX = 100000000 };

// A number that is missing or wrong ends the command with a line that says so.
struct call {
	struct simulated *s;
	const char *command, *rest;
	bool typed;
};

static void refuse(const struct call *call, const char *why)
{
	char bytes[PRINT_BYTES_MAX];
	struct text line = { bytes, sizeof bytes, 0 };
	text_add(&line, call->command);
	text_add(&line, "\": ");
	text_add(&line, why);
	print_line(call->s, "cannot do \"", text_end(&line));
}

static bool number_of(const struct call *call, const char *word, uint64_t max, uint64_t *number)
{
	if (number_parse(word, max, number))
		return true;
	refuse(call, "a number is missing, or too large");
	return false;
}

static void say_number(const struct call *call, const char *before, uint64_t number)
{
	char bytes[24];
	struct text text = { bytes, sizeof bytes, 0 };
	text_add_number(&text, number);
	print_line(call->s, before, text_end(&text));
}

static bool needs_workload(const struct call *call)
{
	if (!call->s->runs)
		refuse(call, "the workload does not run");
	return call->s->runs;
}

static void do_print(const struct call *call)
{
	print_line(call->s, call->rest, "");
}

static void do_console(const struct call *call)
{
	console_line(call->s, call->rest, "");
}

static void do_count(const struct call *call)
{
	uint64_t lines;
	if (number_of(call, call->rest, COUNT_MAX, &lines))
		burst_begin(&call->s->count, "", lines);
}

static void do_exit(const struct call *call)
{
	uint64_t status;
	if (number_of(call, call->rest, 255, &status) && needs_workload(call))
		guest_ended(call->s, (unsigned)status, false);
}

static void do_oom(const struct call *call)
{
	if (!needs_workload(call))
		return;
	console_line(call->s, "Out of memory: Killed process 1 (workload)", "");
	guest_ended(call->s, OUT_OF_MEMORY_STATUS, true);
}

static void do_panic(const struct call *call)
{
	const char *why = call->rest[0] == '\0' ? "as it was told to" : call->rest;
	char bytes[PRINT_BYTES_MAX];
	struct text line = { bytes, sizeof bytes, 0 };
	text_add(&line, why);
	text_add(&line, " ]---");
	console_line(call->s, "Kernel panic - not syncing: ", why);
	console_line(call->s, "---[ end Kernel panic - not syncing: ", text_end(&line));
	// The triple fault that ends QEMU ends it well.
	_exit(0);
}

static void do_fault(const struct call *call)
{
	guest_fault(call->s, call->rest[0] == '\0' ? "cannot go on: errno 5" : call->rest);
}

static void do_poweroff(const struct call *call)
{
	guest_stop(call->s, "button", call->s->grace_ms);
}

// A signal whose default is to be ignored, or to stop the process, does that.
static void die(const struct call *call, uint64_t number)
{
	if (kill(getpid(), (int)number) != 0)
		refuse(call, strerror(errno));
}

static void do_crash(const struct call *call)
{
	uint64_t number = SIGSEGV;
	if (call->rest[0] == '\0' || number_of(call, call->rest, 64, &number))
		die(call, number);
}

static void do_fail(const struct call *call)
{
	static const char words[] = "simulated: it ends as it was told to\n";
	uint64_t status;
	if (!number_of(call, call->rest, 255, &status))
		return;
	write_all(STDERR_FILENO, words, sizeof words - 1);
	_exit((int)status);
}

static void do_hang(const struct call *call)
{
	if (strcmp(call->rest, "off") == 0) {
		call->s->never_off = true;
	} else if (call->rest[0] == '\0') {
		for (;;)
			(void)pause();  // No signal has a handler: it never returns.
	} else {
		refuse(call, "it hangs at once, or after its last word (off)");
	}
}

static void do_sleep(const struct call *call)
{
	uint64_t ms;
	if (number_of(call, call->rest, DURATION_MS_MAX, &ms))
		*(call->typed ? &call->s->typed_resume_ms : &call->s->script_resume_ms) = now_ms() + ms;
}

static void do_delay(const struct call *call)
{
	uint64_t ms;
	if (strncmp(call->rest, "stop ", 5) == 0) {
		if (number_of(call, call->rest + 5, DURATION_MS_MAX, &ms))
			call->s->stop_delay_ms = ms;
	} else if (strncmp(call->rest, "boot ", 5) != 0) {
		refuse(call, "what is delayed is the boot or the stop");
	} else if (call->typed) {
		refuse(call, "the boot is over; write it into SIMULATE");
	} else {
		(void)number_of(call, call->rest + 5, DURATION_MS_MAX, &ms);  // It was heeded before the boot.
	}
}

// Bytes of every value, a NUL and no end of a line among them.
static void send_garbage(struct simulated *s)
{
	char bytes[GARBAGE_BYTES];
	uint32_t value = 1;
	for (size_t i = 0; i < sizeof bytes; i++) {
		value = value * 1664525 + 1013904223;
		bytes[i] = (char)(value >> 24);
	}
	guest_tell(s, bytes, sizeof bytes);
	guest_tell(s, "\n", 1);
}

static void send_endless(struct simulated *s)
{
	char bytes[256];
	memset(bytes, 'x', sizeof bytes);
	for (size_t sent = 0; sent < ENDLESS_BYTES; sent += sizeof bytes)
		guest_tell(s, bytes, sizeof bytes);
}

static void send_word(struct simulated *s, const char *words)
{
	guest_tell(s, words, strlen(words));
}

static void do_lie(const struct call *call)
{
	struct simulated *s = call->s;
	const char *what = call->rest;
	if (strcmp(what, "garbage") == 0)
		send_garbage(s);
	else if (strcmp(what, "state") == 0)
		send_word(s, "state exited status=0\n");
	else if (strcmp(what, "numbers") == 0)
		send_word(s, "state started pid=4194305 restarts=-1\nstate waiting status=256 restarts=1\nstate exited status=\n");
	else if (strcmp(what, "off") == 0)
		send_word(s, "off exit\n");
	else if (strcmp(what, "line") == 0)
		send_endless(s);
	else if (strcmp(what, "flood") == 0)
		burst_begin(&s->flood, "state started pid=1 restarts=", FLOOD_LINES);
	else if (strcmp(what, "panic") == 0)
		console_line(s, "Kernel panic - not syncing: ", "it goes on");
	else
		refuse(call, "the lies are garbage, state, numbers, off, line, flood, panic");
}

static void do_half(const struct call *call)
{
	struct simulated *s = call->s;
	const char *what = call->rest, *wrong = NULL;
	if (strcmp(what, "line") == 0)
		write_all(s->fds[OUTPUT] < 0 ? s->fds[CONSOLE] : s->fds[OUTPUT], "half a li", 9);
	else if (strcmp(what, "console") == 0)
		write_all(s->fds[CONSOLE], "Kernel panic - not syn", 22);
	else if (strcmp(what, "control") == 0)
		send_word(s, "state exited sta");
	else if (strcmp(what, "disk") == 0)
		wrong = disk_put(s, disk_kept(s) + 1, true);
	else
		wrong = "the halves are line, console, control, disk";
	if (wrong == NULL)
		die(call, SIGKILL);
	else
		refuse(call, wrong);
}

static void do_put(const struct call *call)
{
	uint64_t number;
	if (!number_of(call, call->rest, UINT64_MAX / 2, &number))
		return;
	const char *wrong = disk_put(call->s, number, false);
	if (wrong == NULL)
		say_number(call, "put ", number);
	else
		refuse(call, wrong);
}

static void do_kept(const struct call *call)
{
	say_number(call, "kept ", disk_kept(call->s));
}

static const struct {
	const char *name;
	void (*run)(const struct call *call);
} commands[] = {
	{ "print", do_print }, { "console", do_console }, { "count", do_count },       { "exit", do_exit },
	{ "oom", do_oom },     { "panic", do_panic },     { "fault", do_fault },       { "poweroff", do_poweroff },
	{ "crash", do_crash }, { "fail", do_fail },       { "hang", do_hang },         { "sleep", do_sleep },
	{ "delay", do_delay }, { "lie", do_lie },         { "half", do_half },         { "put", do_put },
	{ "kept", do_kept },
};

void command_obey(struct simulated *s, const char *command, bool typed)
{
	while (*command == ' ')
		command++;
	size_t length = strcspn(command, " ");
	const char *rest = command + length + strspn(command + length, " ");
	const struct call call = { s, command, rest, typed };
	if (length == 0 || *command == '#')
		return;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		const char *name = commands[i].name;
		if (strlen(name) == length && memcmp(name, command, length) == 0) {
			commands[i].run(&call);
			return;
		}
	}
	refuse(&call, "there is no such command");
}

// Copies the part of the script that begins at `part`, and returns where the next begins; NULL: there is none.
static const char *part_of(const char *part, char into[SCRIPT_BYTES_MAX])
{
	size_t length = strcspn(part, ";\n");
	memcpy(into, part, length);
	into[length] = '\0';
	while (length > 0 && (into[length - 1] == ' ' || into[length - 1] == '\r'))
		into[--length] = '\0';
	part += strcspn(part, ";\n");
	return *part == '\0' ? NULL : part + 1;
}

// How long the guest takes to boot: the one command that is heeded before there is a workload.
uint64_t commands_boot_delay(const char *script)
{
	static const char start[] = "delay boot ";
	char part[SCRIPT_BYTES_MAX];
	uint64_t delay = 0, ms;
	while (script != NULL && *script != '\0') {
		script = part_of(script + strspn(script, " "), part);
		if (strncmp(part, start, sizeof start - 1) == 0 && number_parse(part + sizeof start - 1, DURATION_MS_MAX, &ms))
			delay = ms;
	}
	return delay;
}

// Carries on with SIMULATE: until it is to sleep, what it counts is not all sent, or the workload has ended.
void commands_of_script(struct simulated *s, uint64_t *next_ms)
{
	char part[SCRIPT_BYTES_MAX];
	while (s->script_next != NULL && !burst_goes_on(&s->flood) && !burst_goes_on(&s->count)) {
		if (s->script_resume_ms > now_ms()) {
			sooner(next_ms, s->script_resume_ms);
			return;
		}
		// Before the command: it may start the script anew.
		const char *next = part_of(s->script_next, part);
		s->script_next = next;
		command_obey(s, part, false);
	}
}
