/*
 * /etc/hosts and /etc/resolv.conf. An image may have its own, or a symbolic link to a place that does not exist: both are
 * replaced. Where /etc cannot be written the file is made in /run and mounted over the image's; where that is not
 * possible either, the workload runs without: a read-only root without such a file was built so.
 */
#include "shim.h"
#include "text.h"

/* Each value goes to the file by itself, past the line: one or all of them may be longer. `after` waits for more. */
static void write_all(long fd, const char *before, enum key key, const char *after)
{
	const char **value;
	for (value = config_list[key]; *value; value++) {
		put(before);
		put_to(fd);
		sys_write(fd, *value, text_length(*value));
		put(after);
	}
}

/* Makes the file at `path` or, when it cannot be made there, at `aside`. */
static long create(const char *path, const char *aside)
{
	long fd;
	sys_unlinkat(AT_FDCWD, path, 0);
	fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
	if (fd < 0) {
		fd = open_file(aside, O_WRONLY | O_CREAT | O_TRUNC);
		sys_mount(aside, path, 0, MS_BIND, 0);
	}
	return fd;
}

static void finish_file(long fd)
{
	put_to(fd);
	sys_close(fd);
}

void names_write(void)
{
	const char *ip = config_text[KEY_IP];
	const char *end;
	long fd;

	if (!*ip)
		ip = "127.0.1.1";
	for (end = ip; *end && *end != '/';)
		end++;
	make_directory("/etc");
	fd = create("/etc/hosts", "/run/hosts");
	put("127.0.0.1 localhost\n::1 localhost\n");
	put_bytes(ip, (unsigned long)(end - ip));
	put(" ");
	put(config_text[KEY_HOSTNAME]);
	put("\n");
	write_all(fd, "", KEY_HOST, "\n");
	finish_file(fd);

	if (!*config_list[KEY_DNS])
		return;
	fd = create("/etc/resolv.conf", "/run/resolv.conf");
	write_all(fd, "nameserver ", KEY_DNS, "\n");
	put("search");
	write_all(fd, " ", KEY_SEARCH, "");
	put("\n");
	finish_file(fd);
}
