/* Serial ports as the shim uses them: bytes in, bytes out. */
#include <asm/ioctls.h>
#include <asm/termbits.h>

#include "shim.h"

/*
 * No echo, no editing, no signals, no carriage returns, no modem lines. The speed matters to nobody but the UART's
 * receive timeout, which a virtual machine imitates.
 */
static const struct termios raw = {
	.c_cflag = B115200 | CS8 | CREAD | CLOCAL,
	.c_cc[VMIN] = 1,
};

long terminal_open(const char *path, long flags)
{
	long fd = open_file(path, flags | O_NOCTTY);
	/* A serial port with no hardware behind it can be opened, but not set. */
	long result = sys_ioctl(fd, TCSETS, &raw);
	if (fd < 0)
		return fd;
	return result < 0 && result != -ENOTTY ? result : fd;
}

int terminal_is_pending(long fd)
{
	int count = 0;
	sys_ioctl(fd, TIOCOUTQ, &count);
	return count;
}
