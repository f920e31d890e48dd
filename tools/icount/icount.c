/*
 * Counts the instructions a guest executes from power-on until a program in
 * it starts: a plugin for QEMU's emulator (plugin API 1, QEMU 6.0 to 8.x).
 *
 * Arguments, each `key=value`:
 *   addr     guest virtual address to stop at: the entry point of the program
 *   bytes    hexadecimal bytes found there. Programs linked at the same address
 *            (the shim and a static workload, both at 0x401000) differ in these
 *   nth      stop at the n-th execution that fits, 1 when absent
 *   profile  file that gets a line for each translated block that ran: address
 *            in hexadecimal, instructions in it, times executed, and the
 *            count of all instructions when it ran first
 *
 * Prints `ICOUNT <n>` on stderr and ends QEMU with status 0 at that
 * instruction, which itself is not counted. A guest that ends first is
 * reported as `ICOUNT-END <n>`, so that it is never taken for a measurement.
 * One vCPU only: the counters are not atomic. The memory held for a profile
 * is left to the end of the process.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is used of qemu-plugin.h, which Debian does not ship. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(
	qemu_plugin_id_t id,
	void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb,
					      enum qemu_plugin_op op,
					      void *counter, uint64_t by);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
						enum qemu_plugin_op op,
						void *counter, uint64_t by);
void qemu_plugin_register_vcpu_insn_exec_cb(
	struct qemu_plugin_insn *insn, void (*cb)(unsigned int, void *),
	enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id,
				    void (*cb)(qemu_plugin_id_t, void *),
				    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))
#define BYTES_MAX 32
#define BLOCK_CHUNK 4096

extern EXPORT int qemu_plugin_version;
int qemu_plugin_version = 1;

struct block {
	uint64_t address;
	uint64_t instructions;
	uint64_t executions;
	uint64_t first;
};

/* Blocks are never moved: translated code holds the address of a counter. */
struct chunk {
	struct chunk *next;
	size_t used;
	struct block blocks[BLOCK_CHUNK];
};

static uint64_t executed;
static uint64_t stop_address;
static uint64_t hits_left = 1;
static uint8_t stop_bytes[BYTES_MAX];
static size_t stop_bytes_length;
static const char *profile_path;
static struct chunk *chunks;

static struct block *new_block(void)
{
	if (chunks == NULL || chunks->used == BLOCK_CHUNK) {
		struct chunk *chunk = calloc(1, sizeof(*chunk));
		if (chunk == NULL) {
			fprintf(stderr, "icount: no memory for a profile\n");
			_exit(1);
		}
		chunk->next = chunks;
		chunks = chunk;
	}
	return &chunks->blocks[chunks->used++];
}

static void write_profile(void)
{
	FILE *file = fopen(profile_path, "w");
	if (file == NULL) {
		fprintf(stderr, "icount: cannot write %s: %s\n", profile_path,
			strerror(errno));
		_exit(1);
	}
	for (struct chunk *c = chunks; c != NULL; c = c->next)
		for (size_t i = 0; i < c->used; i++)
			if (c->blocks[i].executions > 0)
				fprintf(file,
					"%" PRIx64 " %" PRIu64 " %" PRIu64
					" %" PRIu64 "\n",
					c->blocks[i].address,
					c->blocks[i].instructions,
					c->blocks[i].executions,
					c->blocks[i].first);
	if (fclose(file) != 0) {
		fprintf(stderr, "icount: cannot write %s: %s\n", profile_path,
			strerror(errno));
		_exit(1);
	}
}

static void report(const char *word, uint64_t count)
{
	fprintf(stderr, "%s %" PRIu64 "\n", word, count);
	if (profile_path != NULL)
		write_profile();
}

static void at_stop_address(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (--hits_left > 0) {
		executed++;
		return;
	}
	report("ICOUNT", executed);
	/* Not exit(): QEMU's own handlers would wait for this very thread. */
	_exit(0);
}

/* Whether the code from instruction `index` on begins with the bytes asked for. */
static bool has_stop_bytes(const struct qemu_plugin_tb *tb, size_t index)
{
	size_t compared = 0;
	for (size_t i = index; compared < stop_bytes_length; i++) {
		if (i == qemu_plugin_tb_n_insns(tb))
			break;
		const struct qemu_plugin_insn *insn =
			qemu_plugin_tb_get_insn(tb, i);
		size_t size = qemu_plugin_insn_size(insn);
		if (size > stop_bytes_length - compared)
			size = stop_bytes_length - compared;
		if (memcmp(qemu_plugin_insn_data(insn), stop_bytes + compared,
			   size) != 0)
			return false;
		compared += size;
	}
	return true;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	size_t count = qemu_plugin_tb_n_insns(tb);
	/* One by one: a fault in mid-block must not count what never ran. */
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		/* The callback counts its own: which of the two would come
		 * first on one instruction is for QEMU to decide. */
		if (stop_address != 0 &&
		    qemu_plugin_insn_vaddr(insn) == stop_address &&
		    has_stop_bytes(tb, i))
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, at_stop_address, QEMU_PLUGIN_CB_NO_REGS,
				NULL);
		else
			qemu_plugin_register_vcpu_insn_exec_inline(
				insn, QEMU_PLUGIN_INLINE_ADD_U64, &executed, 1);
	}
	if (profile_path != NULL) {
		struct block *block = new_block();
		block->address = qemu_plugin_tb_vaddr(tb);
		block->instructions = count;
		/* QEMU translates a block when it is about to run it. */
		block->first = executed;
		qemu_plugin_register_vcpu_tb_exec_inline(
			tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->executions, 1);
	}
}

static void on_exit_of_qemu(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	report("ICOUNT-END", executed);
}

static int parse_number(const char *text, uint64_t *number)
{
	char *end;
	errno = 0;
	*number = strtoull(text, &end, 0);
	return (errno == 0 && end != text && *end == '\0') ? 0 : -1;
}

static int parse_bytes(const char *text)
{
	size_t digits = strlen(text);
	if (digits == 0 || digits % 2 != 0 || digits / 2 > BYTES_MAX)
		return -1;
	for (size_t i = 0; i < digits / 2; i++) {
		char pair[3] = { text[2 * i], text[2 * i + 1], '\0' };
		char *end;
		stop_bytes[i] = (uint8_t)strtoul(pair, &end, 16);
		if (end != pair + 2)
			return -1;
	}
	stop_bytes_length = digits / 2;
	return 0;
}

static int parse_argument(const char *argument)
{
	if (strncmp(argument, "addr=", 5) == 0)
		return parse_number(argument + 5, &stop_address);
	if (strncmp(argument, "bytes=", 6) == 0)
		return parse_bytes(argument + 6);
	if (strncmp(argument, "nth=", 4) == 0)
		return parse_number(argument + 4, &hits_left) == 0 &&
				       hits_left > 0 ?
			       0 :
			       -1;
	if (strncmp(argument, "profile=", 8) == 0) {
		profile_path = strdup(argument + 8);
		return profile_path != NULL && *profile_path != '\0' ? 0 : -1;
	}
	return -1;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
			       const struct qemu_info_t *info, int argc,
			       char **argv);

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info,
			int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (parse_argument(argv[i]) != 0) {
			fprintf(stderr, "icount: cannot use argument \"%s\"\n",
				argv[i]);
			return -1;
		}
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
	return 0;
}
