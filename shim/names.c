/*
 * /etc/hosts and /etc/resolv.conf. An image may have its own, or a symbolic link to a place that does not exist: both are
 * replaced. Where /etc cannot be written the file is made in /run and mounted over the image's; where that is not
 * possible either, the workload runs without: a read-only root without such a file was built so.
 */
#include "shim.h"
#include "text.h"

static void put_all(const char *before, enum key key, const char *after)
{
	const char **value;
	for (value = config_list[key]; *value; value++) {
		put(before);
		put(*value);
		put(after);
	}
}

/* Writes the line to the file at `path` or, when it cannot be made there, at `aside`. */
static void write_file(const char *path, const char *aside)
{
	long fd;
	sys_unlinkat(AT_FDCWD, path, 0);
	fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
	if (fd < 0) {
		fd = open_file(aside, O_WRONLY | O_CREAT | O_TRUNC);
		sys_mount(aside, path, 0, MS_BIND, 0);
	}
	put_to(fd);
	sys_close(fd);
}

void names_write(void)
{
	const char *ip = config_text[KEY_IP];
	const char *end;

	if (!*ip)
		ip = "127.0.1.1";
	for (end = ip; *end && *end != '/';)
		end++;
	put("127.0.0.1 localhost\n::1 localhost\n");
	put_bytes(ip, (unsigned long)(end - ip));
	put(" ");
	put(config_text[KEY_HOSTNAME]);
	put("\n");
	put_all("", KEY_HOST, "\n");
	make_directory("/etc");
	write_file("/etc/hosts", "/run/hosts");

	if (!*config_list[KEY_DNS])
		return;
	/* The last line needs no end. */
	put_all("nameserver ", KEY_DNS, "\n");
	put("search");
	put_all(" ", KEY_SEARCH, "");
	put("\n");
	write_file("/etc/resolv.conf", "/run/resolv.conf");
}
