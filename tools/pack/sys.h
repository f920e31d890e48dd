/*
 * The few system calls and string functions the stub lives on. There is no
 * libc below it: it runs before one is loaded.
 */
#ifndef VOLANT_PACK_SYS_H
#define VOLANT_PACK_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>

#include "arch.h"

#ifndef PROT_READ
#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#endif

static inline long sys_openat(const char *path, int flags)
{
	return sys_call6(__NR_openat, AT_FDCWD, (long)path, flags, 0, 0, 0);
}

static inline long sys_close(long fd)
{
	return sys_call6(__NR_close, fd, 0, 0, 0, 0, 0);
}

static inline long sys_fstat(long fd, struct stat *into)
{
	return sys_call6(__NR_fstat, fd, (long)into, 0, 0, 0, 0);
}

static inline long sys_pread(long fd, void *into, size_t size, uint64_t offset)
{
	return sys_call6(__NR_pread64, fd, (long)into, (long)size, (long)offset,
	                 0, 0);
}

static inline long sys_write(long fd, const void *from, size_t size)
{
	return sys_call6(__NR_write, fd, (long)from, (long)size, 0, 0, 0);
}

static inline long sys_sendfile(long out, long in, uint64_t *offset,
                                uint64_t size)
{
	return sys_call6(__NR_sendfile, out, in, (long)offset, (long)size, 0, 0);
}

static inline long sys_fcntl(long fd, long command, long argument)
{
	return sys_call6(__NR_fcntl, fd, command, argument, 0, 0, 0);
}

static inline long sys_memfd_create(const char *name, unsigned int flags)
{
	return sys_call6(__NR_memfd_create, (long)name, flags, 0, 0, 0, 0);
}

static inline long sys_mkdirat(const char *path, long mode)
{
	return sys_call6(__NR_mkdirat, AT_FDCWD, (long)path, mode, 0, 0, 0);
}

static inline uint32_t sys_geteuid(void)
{
	return (uint32_t)sys_call6(__NR_geteuid, 0, 0, 0, 0, 0, 0);
}

static inline long sys_mmap(uint64_t address, size_t size, int protection,
                            int flags, long fd, uint64_t offset)
{
	return sys_call6(__NR_mmap, (long)address, (long)size, protection,
	                 flags, fd, (long)offset);
}

/* Addresses the kernel returns are below its last page: those are errors. */
static inline bool sys_failed(long result)
{
	return result < 0 && result >= -4095;
}

static inline _Noreturn void sys_exit(long status)
{
	for (;;)
		sys_call6(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

static inline size_t text_length(const char *text)
{
	size_t length = 0;
	while (text[length] != '\0')
		length++;
	return length;
}

/* What follows `prefix` in `text`, or NULL when it does not start so. */
static inline const char *text_after(const char *text, const char *prefix)
{
	while (*prefix != '\0') {
		if (*text++ != *prefix++)
			return NULL;
	}
	return text;
}

/* Appends to a buffer of `limit` bytes that ends in NUL; false if it is full. */
static inline bool text_append(char *buffer, size_t limit, const char *more)
{
	size_t at = text_length(buffer);
	size_t size = text_length(more);
	if (at + size + 1 > limit)
		return false;
	for (size_t i = 0; i <= size; i++)
		buffer[at + i] = more[i];
	return true;
}

/* Appends a number in decimal. */
static inline bool text_append_number(char *buffer, size_t limit, uint64_t number)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;
	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	return text_append(buffer, limit, digits + at);
}

/*
 * Says one sentence on stderr and ends with 127, as a shell does for a program
 * it could not start. `error` is a negative errno, or 0 for none.
 */
static inline _Noreturn void die(const char *what, const char *name, long error)
{
	char line[512];
	line[0] = '\0';
	text_append(line, sizeof(line), "volant: Cannot start Volant: ");
	text_append(line, sizeof(line), what);
	text_append(line, sizeof(line) - 40, name);
	if (error != 0) {
		text_append(line, sizeof(line), " (errno ");
		text_append_number(line, sizeof(line), (uint64_t)-error);
		text_append(line, sizeof(line), ")");
	}
	text_append(line, sizeof(line), "\n");
	sys_write(2, line, text_length(line));
	sys_exit(127);
}

#endif
