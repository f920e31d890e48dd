// Reads RUNDIR/monitor.conf: NUL-ended `key=value` records, one table of keys. The words stay where they were read, so the
// buffer lives as long as the monitor. Everything is checked here, so that no later file has to doubt a value.

#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char words[CONF_BYTES_MAX + 1];

static const char *add_word(char **list, size_t *count, size_t max, char *value)
{
	if (*count == max)
		return "too many of them";
	list[(*count)++] = value;
	return NULL;
}

static const char *take_arg(struct conf *conf, char *value)
{
	if (conf->arg_count == 0 && value[0] != '/')
		return "the first one is not an absolute path";
	return add_word(conf->args, &conf->arg_count, ARGS_MAX, value);
}

static const char *take_companion(struct conf *conf, char *value)
{
	if (conf->companion_count == 0 && value[0] != '/')
		return "the first one is not an absolute path";
	return add_word(conf->companion, &conf->companion_count, COMPANION_ARGS_MAX, value);
}

static const char *take_env(struct conf *conf, char *value)
{
	const char *equals = strchr(value, '=');
	if (equals == NULL || equals == value)
		return "it is not NAME=value";
	return add_word(conf->env, &conf->env_count, ENV_MAX, value);
}

static bool parse_fd(const char *value, int *fd)
{
	uint64_t number;
	if (!number_parse(value, FD_MAX, &number) || number < FD_MIN)
		return false;
	*fd = (int)number;
	return true;
}

static bool vmm_fd_used(const struct conf *conf, int fd)
{
	for (int i = 0; i < STREAMS; i++)
		if (conf->stream_fd[i] == fd)
			return true;
	for (size_t i = 0; i < conf->link_count; i++)
		if (conf->links[i].vmm == fd)
			return true;
	for (size_t i = 0; i < conf->tap_count; i++)
		if (conf->taps[i].vmm == fd)
			return true;
	return false;
}

static const char *take_stream(struct conf *conf, char *value)
{
	static const char *const names[STREAMS] = { "control", "console", "output" };
	char *space = strchr(value, ' ');
	if (space == NULL)
		return "it is not NAME FD";
	for (int i = 0; i < STREAMS; i++) {
		int fd;
		if ((size_t)(space - value) != strlen(names[i]) || strncmp(value, names[i], strlen(names[i])) != 0)
			continue;
		if (!parse_fd(space + 1, &fd))
			return "its descriptor is not a number from 3 to 255";
		if (conf->stream_fd[i] >= 0 || vmm_fd_used(conf, fd))
			return "the stream or the descriptor is given twice";
		conf->stream_fd[i] = fd;
		return NULL;
	}
	return "it is none of control, console and output";
}

static const char *take_link(struct conf *conf, char *value)
{
	int vmm, companion;
	char *space = strchr(value, ' ');
	if (space == NULL)
		return "it is not FD FD2";
	*space = '\0';
	if (!parse_fd(value, &vmm) || !parse_fd(space + 1, &companion))
		return "a descriptor is not a number from 3 to 255";
	if (vmm_fd_used(conf, vmm))
		return "the VMM's descriptor is given twice";
	for (size_t i = 0; i < conf->link_count; i++)
		if (conf->links[i].companion == companion)
			return "the companion's descriptor is given twice";
	if (conf->link_count == LINKS_MAX)
		return "too many of them";
	conf->links[conf->link_count].vmm = vmm;
	conf->links[conf->link_count++].companion = companion;
	return NULL;
}

static const char *take_tap(struct conf *conf, char *value)
{
	int fd;
	char *space = strchr(value, ' ');
	if (space == NULL)
		return "it is not FD NAME";
	*space = '\0';
	if (!parse_fd(value, &fd))
		return "its descriptor is not a number from 3 to 255";
	if (space[1] == '\0' || strlen(space + 1) > TAP_NAME_MAX)
		return "its device has no name of 1 to 15 bytes";
	if (vmm_fd_used(conf, fd))
		return "the descriptor is given twice";
	if (conf->tap_count == TAPS_MAX)
		return "too many of them";
	conf->taps[conf->tap_count].vmm = fd;
	conf->taps[conf->tap_count++].name = space + 1;
	return NULL;
}

static const char *take_id(const char *value, uint32_t *id)
{
	uint64_t number;
	// The highest id means "unchanged" to the kernel, which is the last thing wanted here.
	if (!number_parse(value, UINT32_MAX - 1, &number))
		return "it is not a numeric id";
	*id = (uint32_t)number;
	return NULL;
}

static const char *take_uid(struct conf *conf, char *value)
{
	conf->has_uid = true;
	return take_id(value, &conf->uid);
}

static const char *take_gid(struct conf *conf, char *value)
{
	conf->has_gid = true;
	return take_id(value, &conf->gid);
}

static const char *take_group(struct conf *conf, char *value)
{
	if (conf->group_count == GROUPS_MAX)
		return "too many of them";
	return take_id(value, &conf->groups[conf->group_count++]);
}

static const char *take_path(struct conf *conf, int which, const char *value)
{
	// Rotation appends a dot and two digits.
	if (value[0] != '/' || strlen(value) > PATH_BYTES_MAX - 8)
		return "it is not an absolute path of sensible length";
	conf->log_path[which] = value;
	return NULL;
}

static const char *take_log_output(struct conf *conf, char *value)
{
	return take_path(conf, LOG_OUTPUT, value);
}

static const char *take_log_console(struct conf *conf, char *value)
{
	return take_path(conf, LOG_CONSOLE, value);
}

static const char *take_log_vmm(struct conf *conf, char *value)
{
	return take_path(conf, LOG_VMM, value);
}

static const char *take_log_max(struct conf *conf, char *value)
{
	// At least two blocks of what is written at a time, or a log could outgrow its limit.
	if (!number_parse(value, (uint64_t)1 << 40, &conf->log_max) || conf->log_max < 2 * READ_BYTES)
		return "it is not a number of bytes from 16384 to 1099511627776";
	return NULL;
}

static const char *take_log_keep(struct conf *conf, char *value)
{
	uint64_t number;
	if (!number_parse(value, 99, &number))
		return "it is not a number from 0 to 99";
	conf->log_keep = (unsigned)number;
	return NULL;
}

static const char *take_grace_ms(struct conf *conf, char *value)
{
	uint64_t number;
	if (!number_parse(value, GRACE_MS_MAX, &number))
		return "it is not a number of milliseconds of at most a day";
	conf->grace_ms = (uint32_t)number;
	return NULL;
}

static const char *take_version(struct conf *conf, char *value)
{
	(void)conf;
	return strcmp(value, "1") == 0 ? NULL : "this monitor knows version 1";
}

static const struct {
	const char *key;
	const char *(*take)(struct conf *conf, char *value);  // Says what is wrong, or NULL.
} keys[] = {
	{ "version", take_version },         { "arg", take_arg },
	{ "env", take_env },                 { "stream", take_stream },
	{ "companion", take_companion },     { "link", take_link },
	{ "tap", take_tap },
	{ "uid", take_uid },                 { "gid", take_gid },
	{ "group", take_group },             { "log_output", take_log_output },
	{ "log_console", take_log_console }, { "log_vmm", take_log_vmm },
	{ "log_max", take_log_max },         { "log_keep", take_log_keep },
	{ "grace_ms", take_grace_ms },
};

static size_t read_words(struct monitor *m, const char *run_dir)
{
	size_t length = 0;
	int fd = openat(m->run_dir, "monitor.conf", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		start_fail(m, "read monitor.conf in", run_dir, strerror(errno));
	for (;;) {
		ssize_t count = read(fd, words + length, sizeof words - length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			start_fail(m, "read monitor.conf in", run_dir, strerror(errno));
		if (count == 0)
			break;
		length += (size_t)count;
		if (length == sizeof words)
			start_fail(m, "read monitor.conf in", run_dir, "it is longer than 65536 bytes");
	}
	(void)close(fd);  // Only read from: nothing can be lost.
	if (length == 0 || words[length - 1] != '\0')
		start_fail(m, "read monitor.conf in", run_dir, "its last record is not ended by a NUL byte");
	return length;
}

static void take_record(struct monitor *m, char *record)
{
	char *equals = strchr(record, '=');
	if (equals == NULL)
		start_fail(m, "use the record of monitor.conf", record, "it is not key=value");
	*equals = '\0';
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if (strcmp(record, keys[i].key) != 0)
			continue;
		const char *wrong = keys[i].take(&m->conf, equals + 1);
		if (wrong != NULL)
			start_fail(m, "use the key of monitor.conf", record, wrong);
		return;
	}
	start_fail(m, "use the key of monitor.conf", record, "it is unknown");
}

static void check_whole(struct monitor *m)
{
	const struct conf *conf = &m->conf;
	if (conf->arg_count == 0)
		start_fail(m, "use the key of monitor.conf", "arg", "it is missing");
	if (conf->link_count > 0 && conf->companion_count == 0)
		start_fail(m, "use the key of monitor.conf", "link", "there is no companion");
	if (conf->has_uid != conf->has_gid)
		start_fail(m, "use the key of monitor.conf", conf->has_uid ? "uid" : "gid", "uid and gid go together");
	if (conf->group_count > 0 && !conf->has_uid)
		start_fail(m, "use the key of monitor.conf", "group", "there is no uid");
}

void conf_read(struct monitor *m, const char *run_dir)
{
	struct conf *conf = &m->conf;
	for (int i = 0; i < STREAMS; i++)
		conf->stream_fd[i] = -1;
	conf->log_max = 10485760;
	conf->log_keep = 2;
	conf->grace_ms = 10000;

	size_t length = read_words(m, run_dir);
	if (strncmp(words, "version=", 8) != 0)
		start_fail(m, "read monitor.conf in", run_dir, "its first record is not the version");
	for (size_t at = 0; at < length;) {
		// The record is cut at its `=` when it is taken: step over it first.
		char *record = words + at;
		at += strlen(record) + 1;
		take_record(m, record);
	}
	check_whole(m);
}
