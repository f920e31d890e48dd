/*
 * The file systems every Linux program expects. A directory that is missing is made; that it could not be is not
 * looked at, because the mount that follows says so better.
 */
#include "shim.h"
#include "text.h"

struct mount_point {
	u8 flags;
	char fs[9];
	char where[15];
	char options[29];
};

_Static_assert((MS_NOSUID | MS_NODEV | MS_NOEXEC) < 256, "the flags of a mount point fit in a byte");

static void mount_all(const struct mount_point *mounts, unsigned count)
{
	for (; count > 0; count--, mounts++) {
		long result;
		make_directory(mounts->where);
		result = sys_mount(mounts->fs, mounts->where, mounts->fs, mounts->flags, mounts->options);
		/* The kernel may have mounted /dev by itself. */
		if (result != -EBUSY)
			must(result, "mount ", mounts->where);
	}
}

/*
 * On the console, or on /dev/null where the machine has none. Descriptors 0 to 2 are taken for good, so that no file
 * opened later is mistaken for one of them. Non-blocking: a console nobody reads must not stop the machine.
 */
static void open_console(void)
{
	long fd = open_file("/dev/console", O_RDWR | O_NOCTTY | O_NONBLOCK);
	long copy;
	if (fd < 0)
		fd = open_file("/dev/null", O_RDWR);
	for (copy = 0; copy <= 2; copy++)
		sys_dup3(fd, copy, 0);
	if (fd > 2)
		sys_close(fd);
}

void mounts_first(void)
{
	static const struct mount_point mounts[] = {
		{ MS_NOSUID, "devtmpfs", "/dev", "mode=755" },
		{ MS_NOSUID | MS_NODEV | MS_NOEXEC, "proc", "/proc", "" },
		{ MS_NOSUID | MS_NODEV | MS_NOEXEC, "sysfs", "/sys", "" },
	};
	mount_all(mounts, 1);
	open_console();
	mount_all(mounts + 1, 2);
}

void mounts_rest(void)
{
	static const struct mount_point mounts[] = {
		{ MS_NOSUID | MS_NOEXEC, "devpts", "/dev/pts", "mode=620,gid=5,ptmxmode=666" },
		{ MS_NOSUID | MS_NODEV, "tmpfs", "/dev/shm", "mode=1777" },
		{ MS_NOSUID | MS_NODEV | MS_NOEXEC, "cgroup2", "/sys/fs/cgroup", "" },
		/* An image may bring folders of its own there, which its programs need: these only where there is none. */
		{ MS_NOSUID | MS_NODEV, "tmpfs", "/tmp", "mode=1777" },
		{ MS_NOSUID | MS_NODEV, "tmpfs", "/run", "mode=755" },
	};
	mount_all(mounts, *config_text[KEY_ROOT] ? 3 : 5);
	/* What is there already stays. */
	sys_symlinkat("/proc/self/fd", AT_FDCWD, "/dev/fd");
	sys_symlinkat("fd/0", AT_FDCWD, "/dev/stdin");
	sys_symlinkat("fd/1", AT_FDCWD, "/dev/stdout");
	sys_symlinkat("fd/2", AT_FDCWD, "/dev/stderr");
}
