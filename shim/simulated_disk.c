// The one number a simulated guest keeps: two slots in the first two sectors of its writable disk, which ext4 and btrfs leave
// to others. Each write goes to the slot that does not hold the latest number, so one that is broken off costs nothing that was
// acknowledged before.

#include "simulated.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 2, SLOT_BYTES = 512 };

// The sum comes last, so that the first half of a slot is never a whole one.
struct slot {
	char magic[8];
	uint64_t serial, number;
	unsigned char zeros[SLOT_BYTES - 32];
	uint64_t sum;
};

_Static_assert(sizeof(struct slot) == SLOT_BYTES, "a slot is a sector");

static const char magic[8] = "VSIMKEPT";

static uint64_t sum_of(const struct slot *slot)
{
	uint64_t sum = 0xcbf29ce484222325;
	const unsigned char *bytes = (const unsigned char *)slot;
	for (size_t i = 0; i < offsetof(struct slot, sum); i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	return sum;
}

static bool is_whole(const struct slot *slot)
{
	return memcmp(slot->magic, magic, sizeof magic) == 0 && slot->sum == sum_of(slot);
}

// Whether nobody else has written there: all zero, or the beginning is ours.
static bool is_ours(const struct slot *slot)
{
	const char *bytes = (const char *)slot;
	if (memcmp(bytes, magic, sizeof magic) == 0)
		return true;
	for (size_t i = 0; i < sizeof *slot; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static bool read_slots(int disk, struct slot slots[SLOTS])
{
	const size_t size = SLOTS * sizeof *slots;
	return pread(disk, slots, size, 0) == (ssize_t)size;
}

// Number of the slot with the latest number; -1: none was ever written.
static int latest(const struct slot slots[SLOTS])
{
	int found = -1;
	for (int i = 0; i < SLOTS; i++)
		if (is_whole(&slots[i]) && (found < 0 || slots[i].serial > slots[found].serial))
			found = i;
	return found;
}

// What the disk holds; 0: nothing, or there is no disk.
uint64_t disk_kept(const struct simulated *s)
{
	struct slot slots[SLOTS];
	if (s->writable_disk < 0 || !read_slots(s->writable_disk, slots))
		return 0;
	int at = latest(slots);
	return at < 0 ? 0 : slots[at].number;
}

// Writes the number so that it lasts, or only the first half of what that takes; NULL, or why it could not be done.
const char *disk_put(const struct simulated *s, uint64_t number, bool half)
{
	struct slot slots[SLOTS], slot = { .number = number };
	if (s->writable_disk < 0)
		return "it has no writable disk";
	if (!read_slots(s->writable_disk, slots))
		return "its disk cannot be read";
	if (!is_ours(&slots[0]) || !is_ours(&slots[1]))
		return "the first sectors of its disk are in use";
	int at = latest(slots);
	memcpy(slot.magic, magic, sizeof magic);
	slot.serial = at < 0 ? 1 : slots[at].serial + 1;
	slot.sum = sum_of(&slot);
	const size_t size = half ? sizeof slot / 2 : sizeof slot;
	const off_t offset = at == 0 ? SLOT_BYTES : 0;
	if (pwrite(s->writable_disk, &slot, size, offset) != (ssize_t)size)
		return errno == 0 ? "its disk takes no more" : strerror(errno);
	return fsync(s->writable_disk) == 0 ? NULL : strerror(errno);
}
