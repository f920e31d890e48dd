/*
 * Host name and network. Addresses are set by ioctl, which needs less code than netlink for one interface with one
 * address. Virtio devices are probed before the shim starts, so eth0 is there or will never be.
 */
#include <sys/socket.h>
#include <linux/if.h>
#include <linux/in.h>
#include <linux/route.h>
#include <linux/sockios.h>

#include "shim.h"
#include "text.h"

static long any_socket;
static struct ifreq interface;
static struct rtentry route;

static void set_address(struct sockaddr *address, u32 ip)
{
	struct sockaddr_in *in = (void *)address;
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = ip;
}

/* Dotted decimal at the start of `text`, in the byte order of the network; returns what follows, or NULL. */
static const char *read_ipv4(const char *text, struct sockaddr *address)
{
	u32 ip = 0;
	unsigned shift;
	for (shift = 0; shift < 32; shift += 8) {
		u64 number = 0;
		if (shift > 0)
			text = text_char(text, '.');
		text = text_number(text, 255, &number);
		ip |= (u32)number << shift;
	}
	set_address(address, ip);
	return text;
}

static void change(unsigned long request)
{
	must(sys_ioctl(any_socket, request, &interface), "set up interface ", interface.ifr_name);
}

static void add_gateway(const char *text)
{
	const char *end = read_ipv4(text, &route.rt_gateway);
	set_address(&route.rt_dst, 0);
	set_address(&route.rt_genmask, 0);
	route.rt_flags = RTF_UP | RTF_GATEWAY;
	must(end && !*end ? sys_ioctl(any_socket, SIOCADDRT, &route) : -EINVAL, "add gateway ", text);
}

/*
 * Makes the kernel tell its neighbours of eth0 when that comes up. Who forwards to a guest (a bridge, or a program like
 * passt) learns the guest's address from what it sends, and a server that only waits would send nothing.
 */
static void announce(void)
{
	long fd = open_file("/proc/sys/net/ipv4/conf/eth0/arp_notify", O_WRONLY);
	sys_write(fd, "1", 1);
	sys_close(fd);
}

static void eth0_up(const char *text)
{
	u64 bits = 0;
	const char *end = read_ipv4(text, &interface.ifr_addr);
	must(text_is_number(text_char(end, '/'), 32, &bits) ? 0 : -EINVAL, "use address ", text);
	memcpy(interface.ifr_name, "eth0", 5);
	change(SIOCSIFADDR);
	set_address(&interface.ifr_addr, __builtin_bswap32((u32)(0xffffffff00000000 >> bits)));
	change(SIOCSIFNETMASK);
	if (CONFIG_NUMBER(KEY_MTU)) {
		interface.ifr_mtu = (int)CONFIG_NUMBER(KEY_MTU);
		change(SIOCSIFMTU);
	}
	announce();
	interface.ifr_flags = IFF_UP | IFF_MULTICAST;
	change(SIOCSIFFLAGS);
}

void network_up(void)
{
	const char *hostname = config_text[KEY_HOSTNAME];
	const char *ip = config_text[KEY_IP];
	const char *gateway = config_text[KEY_GATEWAY];

	must(sys_sethostname(hostname, text_length(hostname)), "set host name ", hostname);
	any_socket = must(sys_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "open a socket", "");
	memcpy(interface.ifr_name, "lo", 3);
	interface.ifr_flags = IFF_UP;
	change(SIOCSIFFLAGS);
	if (*ip)
		eth0_up(ip);
	if (*gateway)
		add_gateway(gateway);
	sys_close(any_socket);
}
