/*
 * The control port: lines to and from the host, on a UART or a vsock connection.
 *
 * Nothing here waits for the host: what it does not read fills a queue, then is dropped, and the whole state is said
 * again when there is room. A port that fails (a hang-up, a host that went away) is opened again, after a pause that
 * doubles.
 */
#include <sys/socket.h>
#include <linux/vm_sockets.h>

#include "shim.h"
#include "text.h"

#define PORT_LINE_SIZE 512
#define QUEUE_SIZE 2048
#define CLOSE_MS 1000
#define RETRY_FIRST_MS 50
#define RETRY_LONGEST_MS 3200

/* 0 while there is none: descriptor 0 is the console. */
static long port;
static u64 retry_at;
static u32 retry_ms;

/* What is still to be sent: from `sent` to `queued`. */
static char queue[QUEUE_SIZE];
static u32 sent;
static u32 queued;
static int dropped;

/* The line that is being received; of one that is too long only the length counts. */
static char received[PORT_LINE_SIZE];
static u32 received_length;

static char state[80];

static void lose(void)
{
	if (port)
		sys_close(port);
	port = 0;
	sent = queued = received_length = 0;
	retry_ms = retry_ms * 2 + RETRY_FIRST_MS;
	if (retry_ms > RETRY_LONGEST_MS)
		retry_ms = RETRY_LONGEST_MS;
	retry_at = now_ms() + retry_ms;
}

static void flush(void)
{
	while (sent < queued) {
		long count = sys_write(port, queue + sent, queued - sent);
		if (count <= 0) {
			/* ENOTCONN: the connection is still being made; whether it failed is learnt from poll. */
			if (count != -EAGAIN && count != -ENOTCONN)
				lose();
			return;
		}
		sent += (u32)count;
	}
	sent = queued = 0;
}

void control_send(void)
{
	if (line_length > PORT_LINE_SIZE) {
		line_length = PORT_LINE_SIZE;
		line[PORT_LINE_SIZE - 1] = '\n';
	}
	if (queued + line_length > sizeof(queue)) {
		dropped = 1;
	} else if (port) {
		memcpy(queue + queued, line, line_length);
		queued += line_length;
		flush();
	}
	line_length = 0;
}

static void send_all(void)
{
	put("volant 1\n");
	put(state);
	control_send();
}

void control_state(void)
{
	memcpy(state, line, line_length + 1);
	control_send();
}

static long connect_host(u32 number)
{
	const struct sockaddr_vm host = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = number,
	};
	long fd = sys_socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	long result = sys_connect(fd, &host, sizeof(host));
	if (result >= 0 || result == -EINPROGRESS)
		return fd;
	sys_close(fd);
	return result;
}

/* Opens the port anew. Only what can never work is an error: a host that does not answer may do so later. */
static long reopen(void)
{
	const char *name = config_text[KEY_CONTROL];
	u64 number;
	const int is_socket = text_is_number(text_after(name, "vsock:"), ~0U, &number);
	long fd = is_socket ? connect_host((u32)number) : terminal_open(name, O_RDWR | O_NONBLOCK);
	if (fd >= 0) {
		port = fd;
		send_all();
		return 0;
	}
	lose();
	return is_socket ? 0 : fd;
}

void control_open(void)
{
	put("state booting\n");
	control_state();
	if (*config_text[KEY_CONTROL])
		must(reopen(), "open control port ", config_text[KEY_CONTROL]);
}

u64 control_poll(struct pollfd *poll)
{
	poll->fd = port ? (int)port : -1;
	/* What was dropped is made good when there is room, so that has to wake the loop too. */
	poll->events = sent < queued || dropped ? POLLIN | POLLOUT : POLLIN;
	return port ? 0 : retry_at;
}

static void obey(void)
{
	if (text_same(received, "hello 1")) {
		send_all();
	} else if (!supervise_line(received)) {
		put("error ");
		put(received);
		put("\n");
		control_send();
	}
}

static void receive(const char *byte, long count)
{
	for (; count > 0; count--, byte++) {
		if (*byte != '\n') {
			if (received_length < PORT_LINE_SIZE - 1)
				received[received_length] = *byte ? *byte : '?';
			received_length++;
			continue;
		}
		if (received_length > 0 && received_length < PORT_LINE_SIZE) {
			received[received_length] = 0;
			obey();
		}
		received_length = 0;
	}
}

void control_ready(const struct pollfd *poll)
{
	char bytes[PORT_LINE_SIZE];
	if (!port) {
		if (retry_at && now_ms() >= retry_at)
			reopen();
		return;
	}
	if (poll->revents & ~POLLOUT) {
		long count = sys_read(port, bytes, sizeof(bytes));
		if (count > 0) {
			retry_ms = 0;
			receive(bytes, count);
		} else if (count != -EAGAIN || poll->revents & POLLHUP) {
			lose();
		}
	}
	flush();
	/* What the terminal still holds does not matter: its room is not the queue's. */
	if (sent == queued && dropped) {
		dropped = 0;
		send_all();
	}
}

int control_is_pending(void)
{
	flush();
	return sent < queued || terminal_is_pending(port);
}

void control_close(void)
{
	/* A connection has no queue to look at: its host answers the end of the stream by closing. */
	struct pollfd poll = { (int)port, 0, 0 };
	if (sys_shutdown(port, SHUT_WR) == 0)
		wait_for(&poll, 1, CLOSE_MS);
}
