// What comes from the VMM: read, logged, shown to viewers, and kept for the next viewer in a ring of the last 16 KiB. The ring
// is also the queue of every viewer, so that no viewer costs memory.

#include "monitor.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

// Of one stream at the end: grandchildren that hold it open could write for ever.
enum { DRAIN_BYTES_MAX = 1 << 20 };

static char rings[STREAMS][RING_BYTES];
static char bytes[READ_BYTES];

const char *stream_ring(int which)
{
	return rings[which];
}

// -1: nothing now. 0: the end; a peer that died with unread input gives ECONNRESET.
static ssize_t read_some(int fd)
{
	ssize_t count;
	do
		count = read(fd, bytes, sizeof bytes);
	while (count < 0 && errno == EINTR);
	if (count < 0 && errno != EAGAIN)
		return 0;
	return count;
}

static void keep(struct monitor *m, int which, const char *from, size_t count)
{
	struct stream *stream = &m->streams[which];
	while (count > 0) {
		size_t at = (size_t)(stream->received % RING_BYTES);
		size_t piece = RING_BYTES - at < count ? RING_BYTES - at : count;
		memcpy(rings[which] + at, from, piece);
		stream->received += piece;
		from += piece;
		count -= piece;
	}
}

static ssize_t read_stream(struct monitor *m, int which)
{
	struct stream *stream = &m->streams[which];
	ssize_t count = read_some(stream->fd);
	if (count == 0) {
		(void)close(stream->fd);
		stream->fd = -1;
	}
	if (count <= 0)
		return count;
	if (which == CONTROL) {
		guest_control(m, bytes, (size_t)count);
		return count;
	}
	if (which == CONSOLE) {
		guest_console(m, bytes, (size_t)count);
		log_raw(&m->logs[LOG_CONSOLE], bytes, (size_t)count);
	} else {
		log_output(&m->logs[LOG_OUTPUT], bytes, (size_t)count);
	}
	keep(m, which, bytes, (size_t)count);
	clients_show(m, which);
	return count;
}

void stream_read(struct monitor *m, int which)
{
	(void)read_stream(m, which);
}

static ssize_t read_words(struct monitor *m, int which)
{
	struct child *child = &m->children[which];
	ssize_t count = read_some(child->words);
	if (count == 0) {
		(void)close(child->words);
		child->words = -1;
	}
	if (count <= 0)
		return count;
	log_raw(&m->logs[LOG_VMM], bytes, (size_t)count);
	size_t piece = (size_t)count < sizeof child->tail ? (size_t)count : sizeof child->tail;
	size_t kept = child->tail_length;
	if (kept > sizeof child->tail - piece)
		kept = sizeof child->tail - piece;
	memmove(child->tail, child->tail + child->tail_length - kept, kept);
	memcpy(child->tail + kept, bytes + count - piece, piece);
	child->tail_length = kept + piece;
	return count;
}

// What a child says on stdout and stderr; its last words may become the sentence that explains the end.
void stream_words(struct monitor *m, int which)
{
	(void)read_words(m, which);
}

// Takes what is still in the kernel's buffers, once nobody writes to them any more.
void stream_drain(struct monitor *m)
{
	ssize_t count;
	for (int i = 0; i < STREAMS; i++)
		for (size_t taken = 0; m->streams[i].fd >= 0 && taken < DRAIN_BYTES_MAX; taken += (size_t)count)
			if ((count = read_stream(m, i)) <= 0)
				break;
	for (int i = 0; i < CHILDREN; i++)
		for (size_t taken = 0; m->children[i].words >= 0 && taken < DRAIN_BYTES_MAX; taken += (size_t)count)
			if ((count = read_words(m, i)) <= 0)
				break;
}
