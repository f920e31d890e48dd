// Holding a machine: the VMM's process group is stopped for as long as a client says so by keeping its connection, so that
// what reads the machine's disks meanwhile reads them as they were at one moment.
//
// The clients that hold are the only truth: each turn of the loop looks whether there is one, and stops or continues the VMM
// accordingly, so that it runs on whatever becomes of them. What ends the machine goes first: the hold is over with it.

#include "monitor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

static const char good[] = "ok\n";

// NULL when the machine can be held, else the sentence why not. One that is about to end must not be kept from it, nor its
// deadlines pass while it cannot move.
const char *hold_refusal(const struct monitor *m)
{
	if (m->phase != RUNNING || m->kill_sent)
		return "error the machine has ended\n";
	if (m->facts.stop != NULL || m->last_word != NULL || m->companion_deadline_ms != 0)
		return "error the machine is ending\n";
	return NULL;
}

static bool is_wanted(struct monitor *m, uint64_t *next_ms)
{
	uint64_t now = now_ms();
	bool wanted = false;
	for (struct client *client = m->clients; client < m->clients + CLIENTS_MAX; client++) {
		if (client->kind != CLIENT_HOLD)
			continue;
		// A client that hangs must not keep a guest for ever.
		if (hold_refusal(m) != NULL || now >= client->deadline_ms) {
			clients_drop(client);
			continue;
		}
		sooner(next_ms, client->deadline_ms);
		wanted = true;
	}
	return wanted;
}

// All threads of the VMM have stopped once its parent is told so; before that some may still be writing.
static bool has_stopped(const struct monitor *m)
{
	siginfo_t info = { 0 };
	return waitid(P_PID, (id_t)m->children[VMM].pid, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid != 0;
}

static void tell_held(struct monitor *m)
{
	for (struct client *client = m->clients; client < m->clients + CLIENTS_MAX; client++) {
		if (client->kind != CLIENT_HOLD || client->told)
			continue;
		client->told = true;
		// Into an empty buffer, so it fits; one that is gone is found out by the loop.
		(void)send(client->fd, good, sizeof good - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

// Makes the VMM stopped or running as the clients want it.
void hold_follow(struct monitor *m, uint64_t *next_ms)
{
	bool wanted = is_wanted(m, next_ms);
	pid_t group = -m->children[VMM].pid;
	if (wanted && !m->held) {
		m->held = true;
		m->stopped = false;
		(void)kill(group, SIGSTOP);  // Not reaped, so the group is its own.
	} else if (!wanted && m->held) {
		m->held = m->stopped = false;
		if (m->children[VMM].running)
			(void)kill(group, SIGCONT);
		return;
	}
	if (m->held && !m->stopped)
		m->stopped = has_stopped(m);
	if (m->stopped)
		tell_held(m);
}

// What a client that holds says: one line, `release`, which is answered only if it held all the time. Anything else ends its
// hold, and so does the end of what it says.
void hold_hear(struct client *client)
{
	static const char release[] = "release\n";
	size_t room = sizeof client->line - client->line_length;
	ssize_t count = recv(client->fd, client->line + client->line_length, room, MSG_DONTWAIT);
	if (count < 0 && errno == EAGAIN)
		return;
	if (count > 0)
		client->line_length += (size_t)count;
	bool begins = client->line_length < sizeof release && memcmp(client->line, release, client->line_length) == 0;
	if (count > 0 && begins && client->line_length < sizeof release - 1)
		return;
	if (count > 0 && begins && client->told)
		(void)send(client->fd, good, sizeof good - 1, MSG_DONTWAIT | MSG_NOSIGNAL);  // It may be gone by now.
	clients_drop(client);
}
