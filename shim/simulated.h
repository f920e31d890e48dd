// What the files of the simulated VMM share. docs/simulated.md says what it is for and what its guest obeys.
//
// One process, one thread, one poll() loop, no heap, few pages: a thousand of them cost little. Text, numbers and clocks are
// those of the monitor (monitor_text.c), under which it always runs.

#ifndef VOLANT_SIMULATED_H
#define VOLANT_SIMULATED_H

#include "monitor.h"

enum {
	DISKS_MAX = 8,
	SCRIPT_BYTES_MAX = 8192,
	PRINT_BYTES_MAX = 8400,
	DURATION_MS_MAX = 86400000,
	OUT_OF_MEMORY_STATUS = 137,
};

// Many numbered lines, sent as the other side takes them.
struct burst {
	const char *before;  // Of the number.
	uint64_t next, last;
	char line[64];
	size_t length, sent;  // Of the line that is being sent.
};

// Lines as they arrive on a stream; of one that is too long only the length counts.
struct line_reader {
	char bytes[CONTROL_LINE_MAX];
	size_t length;
};

struct simulated {
	const char *name;
	int fds[STREAMS];  // -1: there is no such stream, or it has ended.
	int disks[DISKS_MAX];
	int writable_disk;  // -1: none.
	size_t disk_count;

	// Of the boot config.
	bool has_config;
	const char *restart;
	uint64_t backoff_ms, backoff_limit_ms, stop_signal, grace_ms;
	char script[SCRIPT_BYTES_MAX];

	// The life of the workload, as the shim has it.
	bool runs;
	uint64_t boot_ms;  // When the boot is over; 0: it is.
	uint64_t started_ms, restarts, delay_ms;
	uint64_t start_ms;   // When it is started again; 0: at no time.
	uint64_t finish_ms;  // End of the grace; 0: nobody asked for an end.
	uint64_t leave_ms;   // When the workload, asked to end, does so.
	const char *ending;
	char state[96];  // What the control port was told last.

	// What commands have asked for.
	const char *script_next;  // NULL: nothing of it is left.
	uint64_t script_resume_ms, typed_resume_ms;
	uint64_t stop_delay_ms;
	bool never_off;
	struct burst flood, count;
	struct line_reader heard, typed;
};

// simulated.c
_Noreturn void cannot(const char *verb, const char *what, const char *why);

// simulated_stream.c
void write_all(int fd, const char *bytes, size_t count);
void print_line(struct simulated *s, const char *first, const char *second);
void console_line(const struct simulated *s, const char *first, const char *second);
bool burst_goes_on(const struct burst *burst);
void burst_begin(struct burst *burst, const char *before, uint64_t count);
void burst_send(struct burst *burst, int fd);
void burst_end_line(struct burst *burst, int fd);
bool line_takes(struct line_reader *reader, char byte);

// simulated_config.c
void config_read(struct simulated *s, int disk, const char *path);

// simulated_guest.c
_Noreturn void guest_fault(struct simulated *s, const char *why);
void guest_tell(struct simulated *s, const char *bytes, size_t count);
void guest_state(struct simulated *s);
void guest_boots(struct simulated *s);
void guest_obeys(struct simulated *s, const char *line);
void guest_deadlines(struct simulated *s, uint64_t *next_ms);
void guest_stop(struct simulated *s, const char *why, uint64_t grace_ms);
void guest_ended(struct simulated *s, unsigned status, bool oom);

// simulated_commands.c
uint64_t commands_boot_delay(const char *script);
void command_obey(struct simulated *s, const char *command, bool typed);
void commands_of_script(struct simulated *s, uint64_t *next_ms);

// simulated_disk.c
uint64_t disk_kept(const struct simulated *s);
const char *disk_put(const struct simulated *s, uint64_t number, bool half);

#endif
