/*
 * The parts of the shim and what each promises the others. One process, one thread, no heap: what has a life of its
 * own (the configuration, the control port, the workload) is static in the file that owns it. Nothing static starts as
 * anything but zero, so that the file holds no data.
 */
#ifndef SHIM_H
#define SHIM_H

#include "sys.h"

/* boot_config.c: what the daemon wrote for this guest. */

/* The order is that of the names in boot_config.c. */
enum key {
	KEY_HOSTNAME,
	KEY_ARG,
	KEY_ENV,
	KEY_HOST,
	KEY_DNS,
	KEY_SEARCH,
	KEY_GROUP,
	KEY_RLIMIT,
	KEY_IP,
	KEY_GATEWAY,
	KEY_CWD,
	KEY_RESTART,
	KEY_CONTROL,
	KEY_OUTPUT,
	KEY_OFF,
	KEY_ROOT,
	KEY_ROOT_FS,
	KEY_ROOT_MODE,
	KEY_STATE,
	/* Those from here on are numbers. */
	KEY_NUMBERS,
	KEY_MTU = KEY_NUMBERS,
	KEY_UID,
	KEY_GID,
	KEY_STOP_SIGNAL,
	KEY_GRACE_MS,
	KEY_BACKOFF_MS,
	KEY_BACKOFF_LIMIT_MS,
	KEYS
};

/* Of each key the value or its default, "" where there is none. Before config_read all are NULL. */
extern const char *config_text[KEYS];

/* Of each key the values in order and a NULL, with room for one value more: argv and envp as execve wants them. */
extern const char **config_list[KEYS];

extern u32 config_number[KEYS - KEY_NUMBERS];
#define CONFIG_NUMBER(key) config_number[(key)-KEY_NUMBERS]

/* Finds, checks and reads the boot config. */
void config_read(void);

/* mounts.c, root.c, network.c, names.c: steps of the boot, each complete when it returns. */

/* What the boot config is read with: /proc, /sys, /dev, and the console on descriptors 0 to 2. */
void mounts_first(void);

/* What the workload finds besides, in its own root. */
void mounts_rest(void);

/* Moves to the root device, if the boot config names one. */
void root_enter(void);

/* Makes what was written to the root and the state disk safe against the machine's end. */
void root_leave(void);

/* Host name, interfaces and route. */
void network_up(void);

/* /etc/hosts and /etc/resolv.conf, in the workload's root. */
void names_write(void);

/* workload.c: the user's process. */

/* Where its stdout and stderr go. */
extern long workload_output;

/* The output, and where its cgroups are made, before the first start. */
void workload_prepare(void);

/* Its pid once its execve succeeded; else the status, 126 or 127, as a negative number. */
long workload_start(void);

/* SIGKILL for all that is left of it. */
void workload_kill(void);

/* Whether the kernel killed a process for want of memory since the last call. */
int workload_was_out_of_memory(void);

/* control.c: the port to the host. */

/* Opens the port; one that cannot be is a fault, a host that does not answer yet is not. */
void control_open(void);

/* Sends the line; dropped when the host reads too little. */
void control_send(void);

/* Sends the line as the new state, which the host is told again whenever it says hello. */
void control_state(void);

/* What to poll for; returns when to look again at the latest (0: no limit). */
u64 control_poll(struct pollfd *poll);

/* Acts on what was polled; lines of the host go to supervise_line. */
void control_ready(const struct pollfd *poll);

/* Whether there are bytes that the host has not taken yet; tries to send them. */
int control_is_pending(void);

/* Tells the host that nothing more will come. */
void control_close(void);

/* terminal.c: serial ports. */

/* Opens a terminal device and makes it carry bytes as they are. */
long terminal_open(const char *path, long flags);

/* Whether a terminal has bytes that are not sent yet. */
int terminal_is_pending(long fd);

/* supervise.c: the life of the workload. */

/* Starts the workload and looks after everything until the machine ends. */
_Noreturn void supervise(void);

/* Obeys a line of the host; false for one that it does not understand. */
int supervise_line(const char *words);

/* Reaps what has ended, restarting nothing any more; false when no process is left. */
int supervise_last_reap(void);

/* power.c: time, failure and the end. */

u64 now_ms(void);

/* `result`, unless it is an error: then a fault that says `what` could not be done to `whom`. */
long must(long result, const char *what, const char *whom);

/* Ends the machine for a failure: "cannot " with the line behind it, and the error unless that is 0. */
_Noreturn void fault(long error);

/* The line as a sentence on the console. */
void console(void);

/* Ends everything and the machine; `why` is the last word on the control port. */
_Noreturn void finish(const char *why);

#endif
