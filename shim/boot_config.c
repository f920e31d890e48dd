/*
 * Reads the boot config: header, checksum, records. All of that is checked before any of it is used, so that a damaged
 * one starts nothing; what a value means is looked at by who uses it. The manifest behind the records is the agent's.
 */
#include "shim.h"
#include "text.h"

#define COMMAND_LINE_SIZE 4096
#define NUMBER_MAX 0xfffffffeU

struct header {
	char magic[8];
	u32 version;
	u32 records_length;
	u32 manifest_length;
	u32 records_hash;
	u32 manifest_hash;
	u32 zero;
};

_Static_assert(sizeof(struct header) == 32, "the header is as docs/boot.md has it");

/* Every key with the value that holds when there is none, in the order of enum key. */
static const char names[] = "hostname=volant\0"
			    "arg=\0"
			    "env=\0"
			    "host=\0"
			    "dns=\0"
			    "search=\0"
			    "group=\0"
			    "rlimit=\0"
			    "ip=\0"
			    "gateway=\0"
			    "cwd=/\0"
			    "restart=no\0"
			    "control=\0"
			    "output=\0"
			    "off=\0"
			    "root=\0"
			    "root_fs=\0"
			    "root_mode=\0"
			    "state=\0"
			    "mtu=0\0"
			    "uid=0\0"
			    "gid=0\0"
			    "stop_signal=15\0"
			    "grace_ms=10000\0"
			    "backoff_ms=1000\0"
			    "backoff_limit_ms=60000\0";

const char *config_text[KEYS];
const char **config_list[KEYS];
u32 config_number[KEYS - KEY_NUMBERS];

static const char *source;

static _Noreturn void refuse(const char *why, const char *what)
{
	put(SENTENCE "use boot config ");
	put(source);
	put(": ");
	put(why);
	put(what);
	fault(0);
}

/* The disk that the word volant.config= of the kernel command line names, or the file of the initramfs. */
static void find_source(void)
{
	static char words[COMMAND_LINE_SIZE];
	char *word = words;
	long fd = must(open_file("/proc/cmdline", O_RDONLY), "open ", "/proc/cmdline");
	sys_read(fd, words, sizeof(words) - 1);
	sys_close(fd);
	source = "/etc/volant/boot.conf";
	while (*word) {
		const char *value = text_after(word, "volant.config=");
		while ((u8)*word > ' ')
			word++;
		if (*word)
			*word++ = 0;
		if (value)
			source = value;
	}
}

/* A device gives less than was asked for only at its end. */
static void read_exactly(long fd, void *into, unsigned long size)
{
	if (sys_read(fd, into, size) != (long)size)
		refuse("it ends too early", "");
}

/* FNV-1a. */
static u32 hash(const char *bytes, u32 length)
{
	u32 value = 0x811c9dc5;
	while (length-- > 0)
		value = (value ^ (u8)*bytes++) * 0x01000193;
	return value;
}

/* What stands behind the name, if the record has that name. */
static const char *value_of(const char *record, const char *name)
{
	for (; *record == *name; record++, name++)
		if (*name == '=')
			return record + 1;
	return 0;
}

/* Files the value of a record; those of one key stand together, so that each list grows in place. */
static const char **add_record(char *record, const char **slots)
{
	/* Of key 0 nobody wants the list. */
	static enum key previous;
	const char *name = names;
	const char *value;
	enum key key;
	for (key = 0; !(value = value_of(record, name)); key++) {
		name += text_length(name) + 1;
		if (!*name) {
			/* What stands behind the `=` may be a secret. */
			char *end = record;
			while (*end && *end != '=')
				end++;
			*end = 0;
			refuse("it has a key that this shim does not know: ", record);
		}
	}
	/* Between lists are a NULL, the end, and room for one value more. */
	if (key != previous) {
		slots += 2;
		previous = key;
		config_list[key] = slots;
	}
	*slots = value;
	config_text[key] = value;
	return slots + 1;
}

static void set_defaults(void)
{
	static const char *none;
	/* The environment gets a PATH where it has none: the one list that grows. */
	static const char *environment[2];
	const char *name = names;
	unsigned key;
	for (key = 0; key < KEYS; key++) {
		while (*name++ != '=')
			;
		config_text[key] = name;
		config_list[key] = key == KEY_ENV ? environment : &none;
		name += text_length(name);
	}
}

static void read_numbers(void)
{
	unsigned key;
	for (key = KEY_NUMBERS; key < KEYS; key++) {
		u64 number;
		if (!text_is_number(config_text[key], NUMBER_MAX, &number))
			refuse("not a number: ", config_text[key]);
		config_number[key - KEY_NUMBERS] = (u32)number;
	}
}

void config_read(void)
{
	struct header header;
	unsigned long slots;
	const char **slot;
	char *record;
	char *end;
	long fd;

	find_source();
	fd = must(open_file(source, O_RDONLY), "open boot config ", source);
	read_exactly(fd, &header, sizeof(header));
	if (!text_after(header.magic, "VOLANTBC"))
		refuse("it does not begin with VOLANTBC", "");
	if (header.version != 1 || header.zero != 0)
		refuse("its version is not 1", "");
	/* A list of values, then the records and a NUL; memory that is not used is not there. */
	slots = header.records_length + 3 * KEYS;
	slot = (const char **)must(sys_mmap(0, slots * sizeof(*slot) + header.records_length + 1,
					    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
				   "take memory for boot config ", source);
	record = (char *)(slot + slots);
	end = record + header.records_length;
	read_exactly(fd, record, header.records_length);
	sys_close(fd);
	if (hash(record, header.records_length) != header.records_hash)
		refuse("its checksum does not match", "");
	set_defaults();
	for (; record < end; record += text_length(record) + 1)
		slot = add_record(record, slot);
	if (!*config_list[KEY_ARG])
		refuse("it names no command", "");
	read_numbers();
}
