/*
 * Unpacks the shim into its place and goes there. The file of the shim is kept small by packing; what runs is as if it
 * had been loaded from an ordinary file, its code not writable.
 *
 * The packed bytes (pack.ts writes them): the size of the shim in two bytes, then bits, lowest first, in a byte that stands
 * where its first bit is needed, with whole bytes between them. A 0 and a byte: that byte. A 1, a number and, unless the
 * number is 1, a byte: go back so far (1: as far as last time), then a number: take so many bytes from there. Numbers are
 * in Elias' gamma code: 1, then for as long as a 1 follows, one bit more.
 */
typedef unsigned char u8;
typedef unsigned u32;

struct reader {
	const u8 *next;
	/* The bits left, and a 1 above them. */
	u32 bits;
};

extern const u8 packed[];
extern u8 shim[];

long sys_mprotect(void *start, unsigned long size, long protection);

#define READ_AND_EXECUTE 5

static u32 bit(struct reader *reader)
{
	u32 value;
	if (reader->bits == 1)
		reader->bits = *reader->next++ | 0x100U;
	value = reader->bits & 1;
	reader->bits >>= 1;
	return value;
}

static u32 number(struct reader *reader)
{
	u32 value = 1;
	while (bit(reader))
		value = value * 2 + bit(reader);
	return value;
}

/* Nothing is checked: a shim that is not as it was made cannot be helped, and the kernel says that it died. */
__attribute__((used, externally_visible)) void unpack(void)
{
	struct reader reader = { packed + 2, 1 };
	const u32 size = packed[0] | (u32)packed[1] << 8;
	u8 *to = shim;
	u32 distance = 0;
	while (to < shim + size) {
		u32 count = 0;
		u32 high;
		if (!bit(&reader)) {
			*to++ = *reader.next++;
			continue;
		}
		high = number(&reader);
		if (high > 1) {
			distance = ((high - 2) << 8 | *reader.next++) + 1;
			count = 1;
		}
		for (count += number(&reader); count > 0; count--, to++)
			*to = *(to - distance);
	}
	sys_mprotect(shim, size, READ_AND_EXECUTE);
}
