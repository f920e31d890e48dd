/*
 * Starts the user's process: born in a cgroup and a session of its own, with the descriptors, limits, ids and
 * directory that the boot config names.
 *
 * The child shares the shim's memory and the shim sleeps until the child has executed or ended (CLONE_VM|CLONE_VFORK):
 * no page table is copied, and what went wrong before execve is simply read by the shim when it wakes up.
 */
#include <linux/sched.h>

#include "shim.h"
#include "text.h"

#define CGROUPS "/sys/fs/cgroup"
#define CGROUP "workload"
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define STACK_SIZE 16384
#define NOT_EXECUTABLE 126
#define NOT_FOUND 127

#define GROUPS_MAX 64

long workload_output;

/* Of the cgroup file system, and of the workload's cgroup there: the workload may hide the paths. */
static long cgroups;
static long cgroup;

static u8 child_stack[STACK_SIZE] __attribute__((aligned(16)));

/* What the child could not do, for the shim to say; `what` is NULL when execve itself failed. */
static struct {
	const char *what;
	const char *whom;
	long error;
} failure;

static _Noreturn void child_exit(void)
{
	for (;;)
		sys_exit_group(NOT_EXECUTABLE);
}

/* As `must`, in the child. */
static void step(long result, const char *what, const char *whom)
{
	if (result >= 0)
		return;
	failure.what = what;
	failure.whom = whom;
	failure.error = -result;
	child_exit();
}

static void set_limit(const char *text)
{
	u64 resource;
	u64 limit[2];
	const char *end = text_char(text_number(text, RLIM_NLIMITS - 1, &resource), ' ');
	end = text_char(text_number(end, ~0ULL, &limit[0]), ' ');
	step(text_is_number(end, ~0ULL, &limit[1]) ? sys_prlimit64(0, resource, limit, 0) : -EINVAL,
	     "set resource limit ", text);
}

static void set_ids(void)
{
	u32 groups[GROUPS_MAX];
	u32 count = 0;
	const char **value;
	for (value = config_list[KEY_GROUP]; *value; value++) {
		u64 id;
		step(text_is_number(*value, ~0U, &id) && count < GROUPS_MAX ? 0 : -EINVAL, "set group ", *value);
		groups[count++] = (u32)id;
	}
	step(sys_setgroups(count, groups), "set groups", "");
	step(sys_setgid(CONFIG_NUMBER(KEY_GID)), "set gid ", config_text[KEY_GID]);
	step(sys_setuid(CONFIG_NUMBER(KEY_UID)), "set uid ", config_text[KEY_UID]);
}

static const char *search_path(void)
{
	const char **variable;
	for (variable = config_list[KEY_ENV]; *variable; variable++) {
		const char *path = text_after(*variable, "PATH=");
		if (path)
			return path;
	}
	*variable = DEFAULT_PATH;
	return DEFAULT_PATH + 5;
}

static long execute(const char *file)
{
	return sys_execve(file, config_list[KEY_ARG], config_list[KEY_ENV]);
}

/* As a shell looks a command up: the first that can be executed; if there is none, the first that was not allowed. */
static long execute_by_path(const char *name)
{
	const char *path = search_path();
	const char *end;
	long error = -ENOENT;

	for (end = name; *end; end++)
		if (*end == '/')
			return execute(name);
	for (;; path = end + 1) {
		long result;
		for (end = path; *end && *end != ':';)
			end++;
		line_length = 0;
		put_bytes(path, (unsigned long)(end - path));
		if (end > path)
			put("/");
		put(name);
		result = execute(line);
		if (result != -ENOENT && result != -ENOTDIR)
			error = result;
		if (!*end || (error != -ENOENT && error != -EACCES))
			return error;
	}
}

/* An image may name a directory it does not bring; container runtimes make it, and all above. */
static void make_directories(const char *path)
{
	line_length = 0;
	put("");
	for (; *path; path++) {
		if (*path == '/')
			make_directory(line);
		put_bytes(path, 1);
	}
	make_directory(line);
}

static _Noreturn void child(void)
{
	const signal_set none = 0;
	const char *cwd = config_text[KEY_CWD];
	const char **limit;

	step(sys_setsid(), "start a session", "");
	step(sys_dup3(open_file("/dev/null", O_RDONLY), 0, 0), "open /dev/null", "");
	sys_dup3(workload_output, 1, 0);
	sys_dup3(workload_output, 2, 0);
	for (limit = config_list[KEY_RLIMIT]; *limit; limit++)
		set_limit(*limit);
	if (*config_text[KEY_ROOT])
		make_directories(cwd);
	step(sys_chdir(cwd), "change to working directory ", cwd);
	set_ids();
	/* No signal has a handler or is ignored in the shim, so the mask is all there is to put back. */
	sys_rt_sigprocmask(SIG_SETMASK, &none, 0, sizeof(none));
	failure.error = -execute_by_path(config_list[KEY_ARG][0]);
	child_exit();
}

void workload_prepare(void)
{
	const char *path = config_text[KEY_OUTPUT];
	cgroups = must(open_file(CGROUPS, O_PATH), "open ", CGROUPS);
	/* Without a device of its own the workload has what the shim has: the console, or nothing. */
	workload_output = *path ? terminal_open(path, O_WRONLY) : open_file("/proc/self/fd/1", O_WRONLY | O_NOCTTY);
	must(workload_output, "open output ", path);
	/* A workload that is not root may open its own /dev/stdout, as programs that log there do. */
	sys_fchown(workload_output, CONFIG_NUMBER(KEY_UID), CONFIG_NUMBER(KEY_GID));
}

/*
 * A new cgroup for each start: what a run did to its own (controllers that admit no process, limits, a freeze) is gone.
 * Where the last one cannot be removed, because it has cgroups of its own, the new one has a number. Where none can be
 * made the last one serves again.
 */
static void renew_cgroup(void)
{
	u64 number = 0;
	long fd;
	put(CGROUP);
	while (sys_mkdirat(cgroups, line, 0755) == -EEXIST) {
		if (sys_unlinkat(cgroups, line, AT_REMOVEDIR) == 0)
			continue;
		line_length = 0;
		put(CGROUP ".");
		put_number(++number);
	}
	fd = sys_openat(cgroups, line, O_PATH | O_CLOEXEC, 0);
	line_length = 0;
	if (cgroup) {
		if (fd < 0)
			return;
		sys_close(cgroup);
	}
	cgroup = must(fd, "open cgroup ", CGROUP);
}

long workload_start(void)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.stack = (u64)child_stack,
		.stack_size = sizeof(child_stack),
	};
	long pid;
	renew_cgroup();
	args.cgroup = (u64)cgroup;
	failure.error = 0;
	pid = must(sys_spawn(&args, sizeof(args), child), "make a process", "");
	line_length = 0;
	if (!failure.error)
		return pid;
	sys_wait4(pid, 0, 0, 0);
	if (failure.what)
		must(-failure.error, failure.what, failure.whom);
	put(SENTENCE "execute ");
	put(config_list[KEY_ARG][0]);
	put(": errno ");
	put_number((u64)failure.error);
	console();
	line_length = 0;
	return failure.error == ENOENT ? -NOT_FOUND : -NOT_EXECUTABLE;
}

void workload_kill(void)
{
	long fd = sys_openat(cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC, 0);
	sys_write(fd, "1", 1);
	sys_close(fd);
}

/* The kernel counts what its OOM killer did since boot; reading that costs nothing until a workload ends. */
int workload_was_out_of_memory(void)
{
	static char text[16384];
	static u64 seen;
	const u64 before = seen;
	unsigned long length = 0;
	const char *line = text;
	long fd = open_file("/proc/vmstat", O_RDONLY);
	long count;
	while ((count = sys_read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (unsigned long)count;
	sys_close(fd);
	text[length] = 0;
	while (*line)
		text_number(text_after(line++, "\noom_kill "), ~0ULL, &seen);
	return seen != before;
}
