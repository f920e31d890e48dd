// The socket: up to sixteen clients, each with one line to say. A client that does not read costs its own connection and
// nothing else: a viewer's queue is its stream's ring and its socket's buffer, a watcher gets the newest state when it
// reads again.

#include "monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LINE_WITHIN_MS = 10000,
	// With the ring this makes the 64 KiB a viewer may leave unread.
	SEND_BYTES = 65536 - RING_BYTES,
	INPUT_BYTES = 1024,
	ACCEPTS_MAX = 32,
	DRAINS_MAX = 16,
};

void clients_drop(struct client *client)
{
	char bytes[INPUT_BYTES];
	// Closing over unread input would reset the connection, and cost the client the end of what it was sent.
	for (int i = 0; i < DRAINS_MAX && recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0; i++)
		continue;
	(void)close(client->fd);
	memset(client, 0, sizeof *client);
	client->fd = -1;
}

static void answer(struct client *client, const char *line)
{
	// Into an empty buffer, so it fits; a client that is gone needs no answer.
	(void)send(client->fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
	clients_drop(client);
}

void clients_accept(struct monitor *m)
{
	static const char full[] = "error 16 clients are connected already\n";
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		const int size = SEND_BYTES;
		int fd = accept(m->listener, NULL, NULL);
		if (fd < 0)
			return;
		struct client *client = m->clients;
		while (client < m->clients + CLIENTS_MAX && client->kind != CLIENT_FREE)
			client++;
		if (client == m->clients + CLIENTS_MAX) {
			(void)send(fd, full, sizeof full - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
			(void)close(fd);
			continue;
		}
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);  // The kernel's default would do as well.
		*client = (struct client){ .kind = CLIENT_NEW, .fd = fd, .deadline_ms = now_ms() + LINE_WITHIN_MS };
	}
}

static int stream_of(const struct client *client)
{
	return client->kind == CLIENT_CONSOLE ? CONSOLE : OUTPUT;
}

bool clients_want_output(struct monitor *m, const struct client *client)
{
	if (client->kind == CLIENT_WATCH)
		return client->seen != m->state_serial;
	if (client->kind == CLIENT_CONSOLE || client->kind == CLIENT_OUTPUT)
		return client->position != m->streams[stream_of(client)].received;
	return false;
}

bool clients_want_input(struct monitor *m, const struct client *client)
{
	if (client->kind == CLIENT_CONSOLE && m->streams[CONSOLE].input_waits)
		return false;
	return client->kind != CLIENT_FREE && !client->input_ended;
}

static void push_state(struct monitor *m, struct client *client)
{
	size_t length;
	const char *state = state_text(&length);
	struct iovec parts[2] = { { (void *)(uintptr_t)state, length }, { (void *)(uintptr_t) "\n", 1 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t sent = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent == (ssize_t)length + 1)
		client->seen = m->state_serial;
	else if (sent >= 0 || errno != EAGAIN)
		clients_drop(client);  // Gone, or left with half a state, which must not pass for a whole one.
}

static void push_stream(struct monitor *m, struct client *client)
{
	int which = stream_of(client);
	uint64_t end = m->streams[which].received;
	while (client->position != end) {
		if (end - client->position > RING_BYTES) {
			clients_drop(client);
			return;
		}
		size_t at = (size_t)(client->position % RING_BYTES);
		size_t piece = (size_t)(end - client->position);
		if (piece > RING_BYTES - at)
			piece = RING_BYTES - at;
		ssize_t sent = send(client->fd, stream_ring(which) + at, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent <= 0) {
			clients_drop(client);
			return;
		}
		client->position += (uint64_t)sent;
	}
}

void clients_push(struct monitor *m, struct client *client)
{
	if (!clients_want_output(m, client))
		return;
	if (client->kind == CLIENT_WATCH)
		push_state(m, client);
	else
		push_stream(m, client);
}

// New bytes of a stream are in its ring.
void clients_show(struct monitor *m, int which)
{
	for (struct client *client = m->clients; client < m->clients + CLIENTS_MAX; client++)
		if ((client->kind == CLIENT_CONSOLE || client->kind == CLIENT_OUTPUT) && stream_of(client) == which)
			clients_push(m, client);
}

// There is a new state.
void clients_tell(struct monitor *m)
{
	for (struct client *client = m->clients; client < m->clients + CLIENTS_MAX; client++)
		if (client->kind == CLIENT_WATCH)
			clients_push(m, client);
}

static void view(struct monitor *m, struct client *client, enum client_kind kind)
{
	client->kind = kind;
	uint64_t end = m->streams[stream_of(client)].received;
	client->position = end > RING_BYTES ? end - RING_BYTES : 0;
	clients_push(m, client);
}

static void obey_signal(struct monitor *m, struct client *client, const char *word)
{
	uint64_t number;
	if (!number_parse(word, 64, &number) || number == 0)
		answer(client, "error the signal is not a number from 1 to 64\n");
	else if (!m->heard)
		answer(client, "error the guest has not spoken on its control port\n");
	else if (!guest_say(m, "signal", number))
		answer(client, "error the guest does not read its control port\n");
	else
		answer(client, "ok\n");
}

static void hold(struct monitor *m, struct client *client, const char *word)
{
	uint64_t most_ms;
	const char *refusal = hold_refusal(m);
	if (!number_parse(word, HOLD_MS_MAX, &most_ms))
		refusal = "error the longest time is not a number of milliseconds of at most a day\n";
	if (refusal != NULL) {
		answer(client, refusal);
		return;
	}
	// It is held, and told so, by the next turn of the loop.
	client->kind = CLIENT_HOLD;
	client->deadline_ms = now_ms() + most_ms;
	client->line_length = 0;
}

static void obey(struct monitor *m, struct client *client)
{
	const char *line = client->line;
	uint64_t grace_ms;
	if (strcmp(line, "watch") == 0) {
		client->kind = CLIENT_WATCH;
		clients_push(m, client);
	} else if (strcmp(line, "console") == 0) {
		view(m, client, CLIENT_CONSOLE);
	} else if (strcmp(line, "output") == 0) {
		view(m, client, CLIENT_OUTPUT);
	} else if (strncmp(line, "stop ", 5) == 0) {
		if (number_parse(line + 5, GRACE_MS_MAX, &grace_ms)) {
			end_stop(m, (uint32_t)grace_ms);
			answer(client, "ok\n");
		} else {
			answer(client, "error the grace is not a number of milliseconds of at most a day\n");
		}
	} else if (strcmp(line, "kill") == 0) {
		end_kill(m);
		answer(client, "ok\n");
	} else if (strncmp(line, "signal ", 7) == 0) {
		obey_signal(m, client, line + 7);
	} else if (strncmp(line, "hold ", 5) == 0) {
		hold(m, client, line + 5);
	} else {
		answer(client, "error the line is none of watch, stop MS, kill, signal N, hold MS, console and output\n");
	}
}

// What a console's viewer typed. It is read only when the guest has room for it, so the viewer waits and not the monitor.
static void pass_input(struct monitor *m, const char *bytes, size_t count)
{
	if (m->streams[CONSOLE].fd >= 0 && count > 0)
		(void)send(m->streams[CONSOLE].fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool guest_has_room(struct monitor *m)
{
	struct pollfd console = { .fd = m->streams[CONSOLE].fd, .events = POLLOUT };
	if (console.fd < 0)
		return true;  // Nobody will ever read it; what is typed goes nowhere.
	m->streams[CONSOLE].input_waits = poll(&console, 1, 0) == 0;
	return !m->streams[CONSOLE].input_waits;
}

static void read_line(struct monitor *m, struct client *client)
{
	size_t room = sizeof client->line - client->line_length;
	ssize_t count = recv(client->fd, client->line + client->line_length, room, MSG_DONTWAIT);
	if (count < 0 && errno == EAGAIN)
		return;
	if (count <= 0) {
		clients_drop(client);
		return;
	}
	client->line_length += (size_t)count;
	char *newline = memchr(client->line, '\n', client->line_length);
	if (newline != NULL) {
		char rest[CLIENT_LINE_MAX];
		size_t rest_length = client->line_length - (size_t)(newline + 1 - client->line);
		memcpy(rest, newline + 1, rest_length);
		*newline = '\0';
		obey(m, client);
		if (client->kind == CLIENT_CONSOLE && guest_has_room(m))
			pass_input(m, rest, rest_length);
	} else if (client->line_length == sizeof client->line) {
		answer(client, "error the line is longer than 127 bytes\n");
	}
}

void clients_readable(struct monitor *m, struct client *client)
{
	char bytes[INPUT_BYTES];
	if (client->kind == CLIENT_NEW) {
		read_line(m, client);
		return;
	}
	if (client->kind == CLIENT_HOLD) {
		hold_hear(client);
		return;
	}
	if (client->kind == CLIENT_CONSOLE && !guest_has_room(m))
		return;
	ssize_t count = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (count < 0 && errno != EAGAIN)
		clients_drop(client);
	else if (count == 0)
		client->input_ended = true;  // It may go on reading.
	else if (count > 0 && client->kind == CLIENT_CONSOLE)
		pass_input(m, bytes, (size_t)count);
}

void clients_deadlines(struct monitor *m, uint64_t *next_ms)
{
	uint64_t now = now_ms();
	for (struct client *client = m->clients; client < m->clients + CLIENTS_MAX; client++) {
		if (client->kind != CLIENT_NEW)
			continue;
		if (now >= client->deadline_ms)
			answer(client, "error no line came within 10 seconds\n");
		else
			sooner(next_ms, client->deadline_ms);
	}
}
