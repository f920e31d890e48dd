// Reads the boot config as the shim does (docs/boot.md): all of it is checked before any of it is used. Of most keys only the
// name matters here; a key that the shim would refuse is refused.

#include "simulated.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct header {
	char magic[8];
	uint32_t version, records_length, manifest_length, records_hash, manifest_hash, zero;
};

_Static_assert(sizeof(struct header) == 32, "the header is as docs/boot.md has it");

static const char *const known_keys[] = {
	"hostname", "ip",  "gateway", "mtu",    "dns",     "search",     "host",     "arg",              "env",
	"cwd",      "uid", "gid",     "group",  "rlimit",  "restart",    "grace_ms", "backoff_ms",       "stop_signal",
	"control",  "off", "output",  "root",   "root_fs", "root_mode",  "state",    "backoff_limit_ms",
};

static uint32_t hash(const char *bytes, size_t length)
{
	uint32_t value = 0x811c9dc5;
	for (size_t i = 0; i < length; i++)
		value = (value ^ (unsigned char)bytes[i]) * 0x01000193;
	return value;
}

// What stands behind `key=` at the beginning of the record; NULL: it is another record.
static const char *value_of(const char *record, const char *key)
{
	size_t length = strlen(key);
	return strncmp(record, key, length) == 0 && record[length] == '=' ? record + length + 1 : NULL;
}

static bool is_known(const char *record)
{
	for (size_t i = 0; i < sizeof known_keys / sizeof known_keys[0]; i++)
		if (value_of(record, known_keys[i]) != NULL)
			return true;
	return false;
}

static const char *take_number(const char *record, const char *key, uint64_t *number)
{
	const char *value = value_of(record, key);
	return value == NULL || number_parse(value, UINT32_MAX, number) ? NULL : "not a number";
}

// NULL, or what is wrong with the record.
static const char *take_record(struct simulated *s, const char *record)
{
	const char *value, *script, *wrong = NULL;
	if (!is_known(record))
		return "it has a key that this shim does not know";
	if ((value = value_of(record, "restart")) != NULL)
		s->restart = value[0] == 'a' ? "always" : value[0] == 'o' ? "on-failure" : "no";
	if ((value = value_of(record, "env")) != NULL && (script = value_of(value, "SIMULATE")) != NULL) {
		if (strlen(script) >= sizeof s->script)
			return "SIMULATE is too long";
		memcpy(s->script, script, strlen(script) + 1);
	}
	if (wrong == NULL)
		wrong = take_number(record, "backoff_ms", &s->backoff_ms);
	if (wrong == NULL)
		wrong = take_number(record, "backoff_limit_ms", &s->backoff_limit_ms);
	if (wrong == NULL)
		wrong = take_number(record, "stop_signal", &s->stop_signal);
	if (wrong == NULL)
		wrong = take_number(record, "grace_ms", &s->grace_ms);
	return wrong;
}

static const char *take_all(struct simulated *s, const char *bytes, size_t size)
{
	struct header header;
	bool has_command = false;
	if (size < sizeof header)
		return "it ends too early";
	memcpy(&header, bytes, sizeof header);
	if (memcmp(header.magic, "VOLANTBC", sizeof header.magic) != 0)
		return "it does not begin with VOLANTBC";
	if (header.version != 1 || header.zero != 0)
		return "its version is not 1";
	const char *record = bytes + sizeof header, *end = record + header.records_length;
	if (header.records_length > size - sizeof header)
		return "it ends too early";
	if (hash(record, header.records_length) != header.records_hash)
		return "its checksum does not match";
	if (header.records_length > 0 && end[-1] != '\0')
		return "its last record has no end";
	for (; record < end; record += strlen(record) + 1) {
		const char *wrong = take_record(s, record);
		if (wrong != NULL)
			return wrong;
		has_command = has_command || value_of(record, "arg") != NULL;
	}
	return has_command ? NULL : "it names no command";
}

// `disk` is open on it; `path` is what the guest calls it.
void config_read(struct simulated *s, int disk, const char *path)
{
	char bytes[256];
	struct text sentence = { bytes, sizeof bytes, 0 };
	struct stat info;
	const char *wrong = "it cannot be read";
	void *mapped = MAP_FAILED;
	if (fstat(disk, &info) == 0 && info.st_size > 0)
		mapped = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, disk, 0);
	if (mapped != MAP_FAILED) {
		wrong = take_all(s, mapped, (size_t)info.st_size);
		(void)munmap(mapped, (size_t)info.st_size);  // Nothing of it is used any more.
	}
	s->has_config = true;
	if (wrong == NULL)
		return;
	// The shim learns of its control port from this file: without it, there is only the console to say so.
	s->fds[CONTROL] = -1;
	text_add(&sentence, "cannot use boot config ");
	text_add(&sentence, path);
	text_add(&sentence, ": ");
	text_add(&sentence, wrong);
	guest_fault(s, text_end(&sentence));
}
