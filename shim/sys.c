/* Shorthands for system calls that are made in many places with the same constants. */
#include "sys.h"

long open_file(const char *path, long flags)
{
	return sys_openat(AT_FDCWD, path, flags | O_CLOEXEC, 0644);
}

void make_directory(const char *path)
{
	sys_mkdirat(AT_FDCWD, path, 0755);
}

void wait_for(struct pollfd *fds, unsigned long count, long milliseconds)
{
	const struct __kernel_timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
	sys_ppoll(fds, count, milliseconds < 0 ? 0 : &time, 0, 0);
}
