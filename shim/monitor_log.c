// The logs: appended to, rotated by renaming, never waited for. A disk that is full costs the lines that did not fit, and a
// line that says so; it costs the guest nothing.

#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	STAMP_BYTES = 30,   // 2026-11-23T21:03:01.123456789Z
	PREFIX_BYTES = 40,  // The stamp, " stdout F "
};

// One output log exists, so one line under way and one block of finished lines do.
static char line[LINE_BYTES_MAX];
static char block[READ_BYTES];

static int open_file(const char *path)
{
	// O_NONBLOCK so that a FIFO somebody put there cannot hang the monitor; read access to look at the last byte.
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd < 0)
		return -1;
	struct stat status;
	if (fstat(fd, &status) == 0) {
		if (S_ISREG(status.st_mode) && fchmod(fd, 0600) == 0)
			return fd;
		if (!S_ISREG(status.st_mode))
			errno = EINVAL;
	}
	int error = errno;
	(void)close(fd);  // Nothing was written.
	errno = error;
	return -1;
}

void log_open(struct monitor *m, int which)
{
	struct log *log = &m->logs[which];
	log->fd = -1;
	log->path = m->conf.log_path[which];
	log->max = m->conf.log_max;
	log->keep = m->conf.log_keep;
	log->cri = which == LOG_OUTPUT;
	if (log->path == NULL)
		return;
	log->fd = open_file(log->path);
	if (log->fd < 0)
		start_fail(m, "open the log", log->path, strerror(errno));
	off_t size = lseek(log->fd, 0, SEEK_END);
	if (size < 0)
		start_fail(m, "find the end of the log", log->path, strerror(errno));
	log->size = (uint64_t)size;
	// A monitor that was killed may have left half a line.
	char last = '\n';
	if (size > 0 && pread(log->fd, &last, 1, size - 1) != 1)
		start_fail(m, "read the end of the log", log->path, strerror(errno));
	if (last != '\n')
		log_raw(log, "\n", 1);
}

static void numbered(char name[PATH_BYTES_MAX], const char *path, unsigned number)
{
	struct text text = { name, PATH_BYTES_MAX, 0 };
	text_add(&text, path);
	if (number > 0) {
		text_add(&text, ".");
		text_add_number(&text, number);
	}
	(void)text_end(&text);
}

// NAME becomes NAME.1, NAME.1 becomes NAME.2 and so on; the oldest is overwritten. Where that fails, the old file is
// written on, and the next attempt is made when it has grown as much again.
static void rotate(struct log *log)
{
	static char from[PATH_BYTES_MAX], to[PATH_BYTES_MAX];
	bool moved = true;
	for (unsigned i = log->keep; i > 0; i--) {
		numbered(from, log->path, i - 1);
		numbered(to, log->path, i);
		// A gap in the numbers is none of our business; the file itself not having moved is.
		if (rename(from, to) != 0 && i == 1)
			moved = false;
	}
	if (log->keep == 0)
		moved = unlink(log->path) == 0;
	log->size = 0;
	if (!moved && errno != ENOENT)
		return;
	int fd = open_file(log->path);
	if (fd < 0)
		return;
	(void)close(log->fd);  // What close() could tell, write() has told already.
	log->fd = fd;
}

// All or nothing: half a block would be half a line.
static bool append(struct log *log, const char *bytes, size_t count)
{
	if (log->size > 0 && log->size + count > log->max)
		rotate(log);
	off_t before = lseek(log->fd, 0, SEEK_END);
	size_t done = 0;
	while (done < count) {
		ssize_t written = write(log->fd, bytes + done, count - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			log->lost_errno = written < 0 ? errno : ENOSPC;
			if (done > 0 && before >= 0 && ftruncate(log->fd, before) != 0)
				log->size += done;
			return false;
		}
		done += (size_t)written;
	}
	log->size += count;
	return true;
}

static void stamp(char bytes[STAMP_BYTES])
{
	uint64_t now = now_ns();
	time_t seconds = (time_t)(now / 1000000000U);
	unsigned nanoseconds = (unsigned)(now % 1000000000U);
	struct tm utc = { 0 };
	// Fails only for years that no clock shows.
	(void)gmtime_r(&seconds, &utc);
	const struct {
		int value, digits;
		char after;
	} parts[] = {
		{ utc.tm_year + 1900, 4, '-' }, { utc.tm_mon + 1, 2, '-' }, { utc.tm_mday, 2, 'T' },
		{ utc.tm_hour, 2, ':' },        { utc.tm_min, 2, ':' },     { utc.tm_sec, 2, '.' },
		{ (int)nanoseconds, 9, 'Z' },
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		int value = parts[i].value;
		for (int digit = parts[i].digits - 1; digit >= 0; digit--) {
			bytes[digit] = (char)('0' + value % 10);
			value /= 10;
		}
		bytes += parts[i].digits;
		*bytes++ = parts[i].after;
	}
}

static void prefix(char bytes[PREFIX_BYTES], char tag)
{
	stamp(bytes);
	memcpy(bytes + STAMP_BYTES, " stdout F ", 10);
	bytes[STAMP_BYTES + 8] = tag;
}

// The line that stands where others are missing. Returns its length, 0 when none was needed or there is no room for it.
static size_t tell_lost(struct log *log)
{
	char bytes[256], start[PREFIX_BYTES];
	struct text text = { bytes, sizeof bytes, 0 };
	if (log->lost_bytes == 0)
		return 0;
	if (log->cri) {
		prefix(start, 'F');
		text_add_bytes(&text, start, sizeof start);
	} else {
		text_add(&text, "\n");
	}
	text_add(&text, "volant: ");
	text_add_number(&text, log->lost_bytes);
	text_add(&text, " bytes are missing here: ");
	text_add(&text, strerror(log->lost_errno));
	text_add(&text, "\n");
	if (!append(log, bytes, text.length))
		return 0;
	log->lost_bytes = 0;
	return text.length;
}

void log_raw(struct log *log, const char *bytes, size_t count)
{
	if (log->fd < 0)
		return;
	uint64_t lost = log->lost_bytes;
	size_t told = tell_lost(log);
	int fd = log->fd;
	off_t end = lseek(fd, 0, SEEK_END);
	if (log->lost_bytes == 0 && append(log, bytes, count))
		return;
	// The sentence fitted and what should follow did not: take it back, or the last free bytes would fill with sentences.
	if (told > 0 && fd == log->fd && end >= (off_t)told && ftruncate(fd, end - (off_t)told) == 0) {
		log->lost_bytes = lost;
		log->size -= told <= log->size ? told : log->size;
	}
	log->lost_bytes += count;
}

// Adds the line under way to the block of finished ones, which is written first when it has no room for it.
static size_t finish_line(struct log *log, size_t used, char tag, const char start[PREFIX_BYTES])
{
	size_t needed = PREFIX_BYTES + log->line_length + 1;
	if (used + needed > sizeof block) {
		log_raw(log, block, used);
		used = 0;
	}
	memcpy(block + used, start, PREFIX_BYTES);
	block[used + STAMP_BYTES + 8] = tag;
	memcpy(block + used + PREFIX_BYTES, line, log->line_length);
	block[used + needed - 1] = '\n';
	log->line_length = 0;
	return used + needed;
}

// The workload's output: each line gets the time at which its last piece came.
void log_output(struct log *log, const char *bytes, size_t count)
{
	char start[PREFIX_BYTES];
	size_t used = 0;
	if (log->fd < 0)
		return;
	prefix(start, 'F');
	while (count > 0) {
		const char *newline = memchr(bytes, '\n', count);
		size_t piece = newline == NULL ? count : (size_t)(newline - bytes);
		size_t room = sizeof line - log->line_length;
		if (piece > room) {
			memcpy(line + log->line_length, bytes, room);
			log->line_length += room;
			used = finish_line(log, used, 'P', start);
			bytes += room;
			count -= room;
			continue;
		}
		memcpy(line + log->line_length, bytes, piece);
		log->line_length += piece;
		bytes += piece;
		count -= piece;
		if (newline != NULL) {
			used = finish_line(log, used, 'F', start);
			bytes++;
			count--;
		}
	}
	if (used > 0)
		log_raw(log, block, used);
}

// The machine has ended: what did not become a line is a part of one.
void log_finish(struct log *log)
{
	char start[PREFIX_BYTES];
	if (log->fd < 0)
		return;
	if (log->line_length > 0) {
		prefix(start, 'P');
		log_raw(log, block, finish_line(log, 0, 'P', start));
	}
	(void)tell_lost(log);
}
