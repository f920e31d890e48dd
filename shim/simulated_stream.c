// Lines on the streams of a simulated guest: said whole, sent by the thousand, put together out of what arrives.

#include "simulated.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

// The monitor reads all; should it be gone, this process is being killed.
void write_all(int fd, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(fd, bytes, count);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		bytes += written;
		count -= (size_t)written;
	}
}

static void line_to(int fd, const char *first, const char *second)
{
	static char bytes[PRINT_BYTES_MAX];
	struct text line = { bytes, sizeof bytes, 0 };
	text_add(&line, first);
	text_add(&line, second);
	text_add(&line, "\n");
	if (fd >= 0)
		write_all(fd, bytes, line.length);
}

// A line of the workload's.
void print_line(struct simulated *s, const char *first, const char *second)
{
	int fd = s->fds[OUTPUT] < 0 ? s->fds[CONSOLE] : s->fds[OUTPUT];
	burst_end_line(&s->count, fd);
	line_to(fd, first, second);
}

// A line of the kernel's.
void console_line(const struct simulated *s, const char *first, const char *second)
{
	line_to(s->fds[CONSOLE], first, second);
}

bool burst_goes_on(const struct burst *burst)
{
	return burst->next < burst->last || burst->sent < burst->length;
}

void burst_begin(struct burst *burst, const char *before, uint64_t count)
{
	burst->before = before;
	burst->next = 0;
	burst->last = count;
}

static void send_some(struct burst *burst, int fd, int flags)
{
	ssize_t sent = send(fd, burst->line + burst->sent, burst->length - burst->sent, flags);
	if (sent > 0)
		burst->sent += (size_t)sent;
	else if (sent < 0 && errno != EAGAIN && errno != EINTR)
		burst->next = burst->last = burst->length = burst->sent = 0;
}

// Sends what is taken without waiting.
void burst_send(struct burst *burst, int fd)
{
	while (burst_goes_on(burst)) {
		if (burst->sent == burst->length) {
			struct text line = { burst->line, sizeof burst->line, 0 };
			text_add(&line, burst->before);
			text_add_number(&line, ++burst->next);
			text_add(&line, "\n");
			burst->length = line.length;
			burst->sent = 0;
		}
		send_some(burst, fd, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (burst->sent < burst->length)
			return;
	}
}

// Sends the rest of a line that was begun, however long that takes.
void burst_end_line(struct burst *burst, int fd)
{
	while (burst->sent < burst->length)
		send_some(burst, fd, MSG_NOSIGNAL);
}

// True when a whole line stands in `reader`; a byte that nobody can mean is dropped.
bool line_takes(struct line_reader *reader, char byte)
{
	if (byte == '\n' || byte == '\r') {
		bool whole = reader->length > 0 && reader->length < sizeof reader->bytes;
		if (whole)
			reader->bytes[reader->length] = '\0';
		reader->length = 0;
		return whole;
	}
	if (reader->length + 1 < sizeof reader->bytes && byte != '\0')
		reader->bytes[reader->length++] = byte;
	else if (byte != '\0')
		reader->length = sizeof reader->bytes;
	return false;
}
