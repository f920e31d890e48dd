/*
 * The root file system on a device, for a guest that does not live in its initramfs: mounted read-write, or as the
 * read-only lower layer of an overlay whose upper layer is a tmpfs (forgotten at the end) or a state disk (kept).
 * The initramfs stays beneath, out of reach.
 */
#include "shim.h"
#include "text.h"

#define ROOT "/root"
#define LOWER "/lower"
#define UPPER "/upper"

/* Where the state disk is mounted, kept because no path leads there any more; or 0. */
static long state;

static void mount_at(const char *what, const char *where, const char *fs, unsigned long flags, const char *options)
{
	long result;
	make_directory(where);
	result = sys_mount(what, where, fs, flags, options);
	if (result < 0) {
		put(SENTENCE "mount ");
		put(what);
		put(" on ");
		put(where);
		put(" as ");
		put(fs);
		fault(-result);
	}
}

static void mount_overlay(const char *device, const char *fs)
{
	const char *disk = config_text[KEY_STATE];
	/* What is shared and read-only cannot be repaired here: a journal left in it is not replayed. */
	mount_at(device, LOWER, fs, MS_RDONLY,
		 text_after(fs, "ext4") ? "noload" : text_after(fs, "xfs") ? "norecovery" : 0);
	if (*disk) {
		/* What the guest removes is given back to the host, whose file is sparse. */
		mount_at(disk, UPPER, "ext4", 0, "discard");
		state = must(open_file(UPPER, O_PATH), "open ", UPPER);
	} else {
		mount_at("tmpfs", UPPER, "tmpfs", 0, 0);
	}
	make_directory(UPPER "/data");
	make_directory(UPPER "/work");
	mount_at("overlay", ROOT, "overlay", 0, "lowerdir=" LOWER ",upperdir=" UPPER "/data,workdir=" UPPER "/work");
}

void root_enter(void)
{
	const char *device = config_text[KEY_ROOT];
	const char *fs = config_text[KEY_ROOT_FS];
	const char *mode = config_text[KEY_ROOT_MODE];
	if (!*device)
		return;
	/* Read-only file systems (erofs, squashfs) get an overlay unless something else is asked for. */
	if (*mode ? *mode == 'o' : text_after(fs, "erofs") || text_after(fs, "squashfs"))
		mount_overlay(device, fs);
	else
		mount_at(device, ROOT, fs, 0, 0);
	mount_at("/dev", ROOT "/dev", "", MS_MOVE, 0);
	mount_at("/proc", ROOT "/proc", "", MS_MOVE, 0);
	mount_at("/sys", ROOT "/sys", "", MS_MOVE, 0);
	must(sys_chdir(ROOT), "enter ", ROOT);
	mount_at(".", "/", "root", MS_MOVE, 0);
	must(sys_chroot("."), "enter ", ROOT);
}

void root_leave(void)
{
	sys_sync();
	sys_mount(0, "/", 0, MS_REMOUNT | MS_RDONLY, 0);
	if (state && sys_fchdir(state) == 0)
		sys_mount(0, ".", 0, MS_REMOUNT | MS_RDONLY, 0);
}
