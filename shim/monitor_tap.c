// Opens the TAP devices of a machine while there is still the right to, so that the VMM, which has none, is handed a
// descriptor and can open no other device.

#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

// Of linux/if_tun.h, which musl does not come with.
enum { TUN_IS_TAP = 0x0002, TUN_NO_PACKET_INFO = 0x1000, TUN_VNET_HEADER = 0x4000 };
static const int tun_set_interface = 0x400454ca;

int tap_open(struct monitor *m, const char *name)
{
	struct ifreq request = { .ifr_flags = TUN_IS_TAP | TUN_NO_PACKET_INFO | TUN_VNET_HEADER };
	int fd;
	(void)memcpy(request.ifr_name, name, strlen(name));  // conf_read has looked at its length.
	// To attach to a name that is not there would make a device that is on no bridge and that nobody isolates.
	if (if_nametoindex(name) == 0)
		start_fail(m, "open the TAP device", name, strerror(errno));
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, tun_set_interface, &request) != 0)
		start_fail(m, "open the TAP device", name, strerror(errno));
	return fd;
}
