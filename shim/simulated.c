// A VMM without a machine: it takes the place of QEMU under the real monitor, opens what it is given, and plays a guest with the
// shim. So everything but guest and hypervisor can be tried by the thousand, and be made to delay, die and lie.
//
//     simulated name=NAME console=FD output=FD [control=FD] kernel=FILE [initramfs=FILE] [disk=ro:FILE | disk=rw:FILE ...]
//               [nic=FD] cmdline=WORDS

#include "simulated.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_CONTROL, AT_CONSOLE, AT_OUTPUT, POLLED };

static struct simulated simulated;

// As a VMM that cannot use its command line or a file of it.
_Noreturn void cannot(const char *verb, const char *what, const char *why)
{
	char bytes[512];
	struct text line = { bytes, sizeof bytes, 0 };
	text_add(&line, "simulated: cannot ");
	text_add(&line, verb);
	text_add(&line, " ");
	text_add(&line, what);
	text_add(&line, ": ");
	text_add(&line, why);
	text_add(&line, "\n");
	(void)!write(STDERR_FILENO, bytes, line.length);  // There is nobody else to tell.
	_exit(1);
}

static int number_word(const char *word, const char *value)
{
	uint64_t number;
	if (!number_parse(value, FD_MAX, &number) || fcntl((int)number, F_GETFD) < 0)
		cannot("use", word, "there is no such descriptor");
	return (int)number;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		cannot("open", path, strerror(errno));
	return fd;
}

static void check_kernel(const char *path)
{
	char magic[4];
	int fd = open_file(path, O_RDONLY);
	if (read(fd, magic, sizeof magic) != sizeof magic || memcmp(magic, "\177ELF", sizeof magic) != 0)
		cannot("boot", path, "it is not an ELF file");
	(void)close(fd);
}

static void add_disk(struct simulated *s, const char *value)
{
	bool writable = strncmp(value, "rw:", 3) == 0;
	if (!writable && strncmp(value, "ro:", 3) != 0)
		cannot("use disk", value, "it is neither ro: nor rw:");
	if (s->disk_count == DISKS_MAX)
		cannot("use disk", value, "there are too many");
	int fd = open_file(value + 3, writable ? O_RDWR : O_RDONLY);
	if (writable && s->writable_disk < 0)
		s->writable_disk = fd;
	s->disks[s->disk_count++] = fd;
}

// The disk that the kernel command line names, as the guest would find it.
static void find_config(struct simulated *s, const char *cmdline)
{
	static const char key[] = "volant.config=/dev/vd";
	for (const char *at = strstr(cmdline, key); at != NULL; at = strstr(at + 1, key)) {
		size_t index = (size_t)(at[sizeof key - 1] - 'a');
		bool begins = at == cmdline || at[-1] == ' ';
		if (!begins)
			continue;
		char path[] = "/dev/vda";
		path[sizeof path - 2] = at[sizeof key - 1];
		if (index >= s->disk_count)
			guest_fault(s, "cannot open boot config: there is no such disk");
		config_read(s, s->disks[index], path);
		return;
	}
}

static const char *value_of(const char *word, const char *key)
{
	size_t length = strlen(key);
	return strncmp(word, key, length) == 0 ? word + length : NULL;
}

// Returns the kernel command line.
static const char *take_words(struct simulated *s, char **words)
{
	const char *cmdline = "", *value;
	for (; *words != NULL; words++) {
		if ((value = value_of(*words, "name=")) != NULL)
			s->name = value;
		else if ((value = value_of(*words, "console=")) != NULL)
			s->fds[CONSOLE] = number_word(*words, value);
		else if ((value = value_of(*words, "output=")) != NULL)
			s->fds[OUTPUT] = number_word(*words, value);
		else if ((value = value_of(*words, "control=")) != NULL)
			s->fds[CONTROL] = number_word(*words, value);
		else if ((value = value_of(*words, "nic=")) != NULL)
			(void)number_word(*words, value);  // It stays open, and is not listened to.
		else if ((value = value_of(*words, "kernel=")) != NULL)
			check_kernel(value);
		else if ((value = value_of(*words, "initramfs=")) != NULL)
			(void)close(open_file(value, O_RDONLY));
		else if ((value = value_of(*words, "disk=")) != NULL)
			add_disk(s, value);
		else if ((value = value_of(*words, "cmdline=")) != NULL)
			cmdline = value;
		else
			cannot("use", *words, "there is no such word");
	}
	if (s->fds[CONSOLE] < 0)
		cannot("use", "the command line", "it names no console");
	return cmdline;
}

// False when there is nothing to read now. A stream that has ended is closed.
static bool read_byte(struct simulated *s, int which, char *byte)
{
	ssize_t count = recv(s->fds[which], byte, 1, MSG_DONTWAIT);
	if (count == 0) {
		(void)close(s->fds[which]);
		s->fds[which] = -1;
	}
	return count == 1;
}

static void hear(struct simulated *s)
{
	char byte;
	while (s->fds[CONTROL] >= 0 && read_byte(s, CONTROL, &byte)) {
		// What comes before the guest has opened its port is lost, as on a UART.
		if (s->boot_ms == 0 && line_takes(&s->heard, byte))
			guest_obeys(s, s->heard.bytes);
	}
}

static bool may_type(const struct simulated *s)
{
	return s->fds[CONSOLE] >= 0 && !burst_goes_on(&s->flood) && !burst_goes_on(&s->count) &&
	       s->typed_resume_ms <= now_ms();
}

static void obey_typed(struct simulated *s)
{
	char byte;
	while (may_type(s) && read_byte(s, CONSOLE, &byte)) {
		// As a terminal does: who types sees it, and so does every other viewer.
		if (byte == '\n' || byte == '\r')
			write_all(s->fds[CONSOLE], "\r\n", 2);
		else
			write_all(s->fds[CONSOLE], &byte, 1);
		if (line_takes(&s->typed, byte))
			command_obey(s, s->typed.bytes, true);
	}
}

// The truth follows the last of it.
static void send_flood(struct simulated *s)
{
	burst_send(&s->flood, s->fds[CONTROL]);
	if (!burst_goes_on(&s->flood))
		guest_state(s);
}

static _Noreturn void loop(struct simulated *s)
{
	for (;;) {
		uint64_t next_ms = 0;
		guest_deadlines(s, &next_ms);
		commands_of_script(s, &next_ms);
		// A command may have moved a deadline.
		guest_deadlines(s, &next_ms);
		if (s->typed_resume_ms > now_ms())
			sooner(&next_ms, s->typed_resume_ms);
		struct pollfd set[POLLED] = {
			[AT_CONTROL] = { .fd = s->fds[CONTROL], .events = POLLIN },
			[AT_CONSOLE] = { .fd = may_type(s) ? s->fds[CONSOLE] : -1, .events = POLLIN },
			[AT_OUTPUT] = { .fd = burst_goes_on(&s->count) ? s->fds[OUTPUT] : -1, .events = POLLOUT },
		};
		if (burst_goes_on(&s->flood))
			set[AT_CONTROL].events |= POLLOUT;
		uint64_t now = now_ms();
		int timeout = next_ms == 0 ? -1 : next_ms <= now ? 0 : next_ms - now > 60000 ? 60000 : (int)(next_ms - now);
		if (poll(set, POLLED, timeout) <= 0)
			continue;
		if (set[AT_CONTROL].revents & ~POLLOUT)
			hear(s);
		if (set[AT_CONTROL].revents & POLLOUT)
			send_flood(s);
		if (set[AT_OUTPUT].revents != 0)
			burst_send(&s->count, s->fds[OUTPUT]);
		if (set[AT_CONSOLE].revents != 0)
			obey_typed(s);
	}
}

int main(int argc, char **argv)
{
	struct simulated *s = &simulated;
	if (argc < 2)
		cannot("use", "the command line", "it is empty");
	s->name = "";
	s->restart = "no";
	s->backoff_ms = 1000;
	s->backoff_limit_ms = 60000;
	s->grace_ms = 10000;
	s->writable_disk = -1;
	for (int i = 0; i < STREAMS; i++)
		s->fds[i] = -1;
	const char *cmdline = take_words(s, argv + 1);
	find_config(s, cmdline);
	guest_boots(s);
	loop(s);
}
