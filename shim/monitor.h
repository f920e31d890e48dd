// What the files of the monitor share. docs/monitor.md is the contract; each function here is described where it is
// defined, and the list of files stands at the end of that page.
//
// One process, one thread, one poll() loop, no heap: every table below has a fixed size, so that a guest or a client can
// neither make the monitor grow nor make it fail for want of memory.

#ifndef VOLANT_MONITOR_H
#define VOLANT_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	CONF_BYTES_MAX = 65536,
	ARGS_MAX = 511,
	ENV_MAX = 255,
	COMPANION_ARGS_MAX = 127,
	LINKS_MAX = 4,
	TAPS_MAX = 8,
	TAP_NAME_MAX = 15,
	GROUPS_MAX = 32,
	FD_MIN = 3,
	FD_MAX = 255,
	CLIENTS_MAX = 16,
	RING_BYTES = 16384,
	READ_BYTES = 8192,
	LINE_BYTES_MAX = 4096,
	CONTROL_LINE_MAX = 512,
	CLIENT_LINE_MAX = 128,
	DETAIL_MAX = 400,
	TAIL_BYTES = 512,
	STATE_BYTES_MAX = 8192,
	PATH_BYTES_MAX = 4096,
	GRACE_MS_MAX = 86400000,
	HOLD_MS_MAX = 86400000,
};

// Streams between the VMM and the monitor.
enum { CONTROL, CONSOLE, OUTPUT, STREAMS };
// Logs: the first two in the streams' order less one (control has none), the last for what VMM and companion print.
enum { LOG_CONSOLE, LOG_OUTPUT, LOG_VMM, LOGS };
// Children.
enum { VMM, COMPANION, CHILDREN };

enum phase {
	RUNNING,  // The VMM lives.
	ENDING,   // It is gone; its companion and stray descendants are being ended.
	LEAVING,  // The last state is written; slow viewers get a moment to read the rest.
};

// Text built in a fixed buffer; what does not fit is cut off.
struct text {
	char *bytes;
	size_t size, length;
};

struct conf {
	char *args[ARGS_MAX + 1];
	char *env[ENV_MAX + 1];
	char *companion[COMPANION_ARGS_MAX + 1];
	size_t arg_count, env_count, companion_count;
	int stream_fd[STREAMS];  // The VMM's number of its end; -1: no such stream.
	struct {
		int vmm, companion;
	} links[LINKS_MAX];
	size_t link_count;
	struct {
		int vmm;  // The VMM's number of its descriptor.
		const char *name;
	} taps[TAPS_MAX];
	size_t tap_count;
	bool has_uid, has_gid;
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	size_t group_count;
	const char *log_path[LOGS];
	uint64_t log_max;
	unsigned log_keep;
	uint32_t grace_ms;
};

struct log {
	int fd;  // -1: not kept.
	const char *path;
	uint64_t size, max;
	unsigned keep;
	bool cri;
	uint64_t lost_bytes;
	int lost_errno;
	size_t line_length;  // Of the output line that has not ended yet.
};

struct child {
	pid_t pid;  // 0: never started.
	bool running;
	int status;  // As wait() gives it, once it is not running.
	int words;   // Read end of its stdout and stderr; -1: closed.
	char tail[TAIL_BYTES];
	size_t tail_length;
};

struct stream {
	int fd;             // Our end; -1: none, or ended.
	uint64_t received;  // Bytes since the start: the position of the next one in the ring.
	bool input_waits;   // What is written to it is not read by the guest just now.
};

enum client_kind { CLIENT_FREE, CLIENT_NEW, CLIENT_WATCH, CLIENT_CONSOLE, CLIENT_OUTPUT, CLIENT_HOLD };

struct client {
	enum client_kind kind;
	int fd;
	bool input_ended;
	bool told;             // One that holds: that it does.
	uint64_t deadline_ms;  // A new client's, to send its line; the end of a hold.
	uint64_t position;     // A viewer's, in its stream.
	uint64_t seen;         // A watcher's: serial of the last state it got.
	size_t line_length;
	char line[CLIENT_LINE_MAX];
};

// Looks for a beginning in a stream, wherever the reads cut it, and keeps the rest of that line.
struct finder {
	bool collecting, found;
	size_t matched, length;
	char line[256];
};

// What monitor.state says, besides who is who.
struct facts {
	uint64_t spawned_ns, kernel_ns, workload_ns, ended_ns;  // 0: not yet.
	const char *guest;
	uint32_t guest_pid;
	int restarts, workload_status, vmm_status;  // -1: not known.
	const char *stop, *cause;                   // NULL: none.
	bool forced;
	char detail[DETAIL_MAX + 1];
};

struct monitor {
	struct conf conf;
	enum phase phase;
	int run_dir, listener, signals, report;
	struct log logs[LOGS];
	struct stream streams[STREAMS];
	struct child children[CHILDREN];
	struct client clients[CLIENTS_MAX];
	struct facts facts;
	char boot_id[40];
	char vmm_exe[PATH_BYTES_MAX];
	uint64_t monitor_start, vmm_start;

	// The state file.
	uint64_t state_serial;      // Of the last state made up; what clients have seen is compared with it.
	bool state_changed;         // Since it was last written.
	uint64_t state_next_ms;     // Not written before this time.
	uint64_t state_give_up_ms;  // The last state could not be written yet; not tried after this time.

	// The control port.
	char control_line[CONTROL_LINE_MAX];
	size_t control_length;
	bool control_overlong;
	uint64_t control_pause_ms;  // A guest that talks too much is not read before this time.
	uint64_t control_window_ms;
	size_t control_window_bytes;
	bool heard;  // The guest has said something that was understood.
	unsigned hellos;
	uint64_t hello_ms;  // When it is asked next; 0: never again, or at once.

	// Holds.
	bool held;     // The VMM was told to stop, and not yet to go on.
	bool stopped;  // It has.

	// What is known about the end.
	const char *last_word;  // `off` of the guest's.
	bool oom, fault, panic, panic_oom, kill_sent, companion_failed;
	struct finder panic_line, shim_line;
	uint64_t grace_end_ms, off_deadline_ms, companion_deadline_ms, ending_deadline_ms, leaving_deadline_ms;
};

// monitor_text.c
void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t count);
void text_add_number(struct text *text, uint64_t number);
void text_add_clean(struct text *text, const char *bytes, size_t count);
const char *text_end(struct text *text);
bool number_parse(const char *string, uint64_t max, uint64_t *number);
uint64_t now_ms(void);
uint64_t now_ns(void);
uint64_t now_steady_ns(void);
void sooner(uint64_t *deadline_ms, uint64_t other_ms);

// monitor.c
_Noreturn void start_fail(struct monitor *m, const char *verb, const char *name, const char *reason);

// monitor_conf.c
void conf_read(struct monitor *m, const char *run_dir);

// monitor_log.c
void log_open(struct monitor *m, int which);
void log_raw(struct log *log, const char *bytes, size_t count);
void log_output(struct log *log, const char *bytes, size_t count);
void log_finish(struct log *log);

// monitor_process.c
uint64_t process_start(pid_t pid);
void process_default_signals(void);
void process_reap(struct monitor *m);
bool process_end_descendants(struct monitor *m);

// monitor_tap.c
int tap_open(struct monitor *m, const char *name);

// monitor_spawn.c
void spawn_machine(struct monitor *m);

// monitor_state.c
bool state_reserve(struct monitor *m);
void state_release(struct monitor *m);
void state_remove(struct monitor *m);
void state_identify(struct monitor *m);
void state_changed(struct monitor *m);
bool state_write(struct monitor *m);
void state_flush(struct monitor *m);
const char *state_text(size_t *length);
void state_detail(struct monitor *m, const char *bytes, size_t count);

// monitor_guest.c
void guest_control(struct monitor *m, const char *bytes, size_t count);
void guest_console(struct monitor *m, const char *bytes, size_t count);
void guest_console_ended(struct monitor *m);
bool guest_say(struct monitor *m, const char *verb, uint64_t number);
void guest_hello(struct monitor *m);
bool guest_may_speak(struct monitor *m);

// monitor_end.c
void end_stop(struct monitor *m, uint32_t grace_ms);
void end_kill(struct monitor *m);
void end_kill_vmm(struct monitor *m);
void end_child_ended(struct monitor *m, int which);
void end_deadlines(struct monitor *m, uint64_t *next_ms);
void end_cause(struct monitor *m);

// monitor_stream.c
void stream_read(struct monitor *m, int which);
void stream_drain(struct monitor *m);
void stream_words(struct monitor *m, int which);
const char *stream_ring(int which);

// monitor_clients.c
void clients_accept(struct monitor *m);
void clients_readable(struct monitor *m, struct client *client);
void clients_show(struct monitor *m, int which);
void clients_tell(struct monitor *m);
void clients_push(struct monitor *m, struct client *client);
bool clients_want_output(struct monitor *m, const struct client *client);
bool clients_want_input(struct monitor *m, const struct client *client);
void clients_drop(struct client *client);
void clients_deadlines(struct monitor *m, uint64_t *next_ms);

// monitor_hold.c
const char *hold_refusal(const struct monitor *m);
void hold_follow(struct monitor *m, uint64_t *next_ms);
void hold_hear(struct client *client);

// monitor_tsc.c
int tsc_print_khz(void);

#endif
