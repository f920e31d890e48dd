/*
 * The first code of the one executable. The file is this stub, then an
 * unchanged deno, then Volant's assets and JavaScript; the packer writes into
 * LAYOUT where each begins. The stub does what execve would do for
 *
 *     deno run <flags> /proc/self/fd/N ARGUMENTS...
 *
 * but on the deno inside its own file: it puts the start script into a memory
 * file, builds new argument and environment vectors, maps deno and its dynamic
 * loader, and enters the loader. Nothing the caller can say is in front of
 * `run` or the script, and no DENO_* or NODE_* variable of the caller's passes,
 * so there is no way to plain deno through it. What the kernel knows of the
 * process (its name, its command line, /proc/self/exe) stays the caller's.
 */
#include <elf.h>

#include "image.h"
#include "sys.h"

#define SCRIPT_FD_MIN 100
#define PATH_SIZE 4096
#define OTHERS_MODE 077

struct layout {
	char magic[16];
	uint64_t file_size;
	uint64_t deno_offset;
	uint64_t script_offset;
	uint64_t script_size;
};

/* Filled in by the packer, which finds it by the magic. */
static const volatile struct layout LAYOUT = { .magic = "volant-layout-1" };

static const char *const FLAGS[] = {
	"run",           "-A",          "--no-config", "--no-lock",
	"--no-npm",      "--no-remote", "--cached-only", "--no-prompt",
	"--quiet",       "--ext=js",    "--unstable-vsock",
	/* A request's signal tells that the client went, and nothing else. */
	"--unstable-no-legacy-abort",
};
#define FLAG_COUNT (sizeof(FLAGS) / sizeof(FLAGS[0]))

/* What deno is told beside the caller's variables. */
static char deno_dir[PATH_SIZE + 16];
static char script_path[64];
static char *const OWN_VARIABLES[] = {
	deno_dir,
	(char *)(uintptr_t)"DENO_NO_UPDATE_CHECK=1",
	/* Or else a "node" that is this file gets into PATH. */
	(char *)(uintptr_t)"DENO_DISABLE_NODE_SHIM=1",
	(char *)(uintptr_t)"DENO_NO_PACKAGE_JSON=1",
	(char *)(uintptr_t)"DENO_TLS_CA_STORE=system,mozilla",
};
#define OWN_COUNT (sizeof(OWN_VARIABLES) / sizeof(OWN_VARIABLES[0]))

/* The vectors the kernel has laid on the stack. */
struct start {
	uint64_t argc;
	char **argv;
	char **envp;
	uint64_t envc;
	Elf64_auxv_t *auxv;
	uint64_t auxc; /* with the AT_NULL at its end */
};

static struct start read_start(uint64_t *stack)
{
	struct start start = { .argc = stack[0], .argv = (char **)(stack + 1) };
	start.envp = start.argv + start.argc + 1;
	while (start.envp[start.envc] != NULL)
		start.envc++;
	start.auxv = (Elf64_auxv_t *)(void *)(start.envp + start.envc + 1);
	while (start.auxv[start.auxc].a_type != AT_NULL)
		start.auxc++;
	start.auxc++;
	return start;
}

static uint64_t aux_value(const struct start *start, uint64_t type)
{
	for (uint64_t i = 0; i < start->auxc; i++) {
		if (start->auxv[i].a_type == type)
			return start->auxv[i].a_un.a_val;
	}
	return 0;
}

static const char *variable(const struct start *start, const char *prefix)
{
	for (uint64_t i = 0; i < start->envc; i++) {
		const char *value = text_after(start->envp[i], prefix);
		if (value != NULL)
			return value;
	}
	return NULL;
}

/* A name of deno's or Node's, which is the caller's for other programs. */
static bool is_foreign(const char *entry)
{
	return text_after(entry, "DENO_") != NULL ||
	       text_after(entry, "NODE_") != NULL;
}

static long open_self(void)
{
	long fd = sys_openat("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("cannot open /proc/self/exe; is /proc mounted?", "", fd);

	struct stat info;
	long result = sys_fstat(fd, &info);
	if (result < 0)
		die("cannot look at ", "/proc/self/exe", result);
	if ((uint64_t)info.st_size != LAYOUT.file_size)
		die("the executable was cut short or changed; copy it again",
		    "", 0);
	return fd;
}

/* The start script as a memory file that nobody can write any more. */
static void place_script(long self)
{
	long made = sys_memfd_create("volant", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (made < 0)
		die("cannot make a memory file", "", made);
	/* A high number keeps 3, 4, ... for what a caller hands over. */
	long fd = sys_fcntl(made, F_DUPFD_CLOEXEC, SCRIPT_FD_MIN);
	if (fd < 0)
		fd = made;
	else
		sys_close(made);

	uint64_t offset = LAYOUT.script_offset;
	uint64_t end = offset + LAYOUT.script_size;
	while (offset < end) {
		long sent = sys_sendfile(fd, self, &offset, end - offset);
		if (sent <= 0)
			die("cannot fill a memory file", "", sent);
	}
	long sealed = sys_fcntl(fd, F_ADD_SEALS,
	                        F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_SHRINK |
	                                F_SEAL_GROW);
	if (sealed < 0)
		die("cannot seal a memory file", "", sealed);

	text_append(script_path, sizeof(script_path), "/proc/self/fd/");
	text_append_number(script_path, sizeof(script_path), (uint64_t)fd);
}

/* The state directory's `deno`, into `path`; false when there is no such place. */
static bool cache_path(const struct start *start, char *path)
{
	const char *state = variable(start, "VOLANT_STATE_DIR=");
	const char *tail = "/deno";
	if (state == NULL && sys_geteuid() == 0)
		state = "/var/lib/volant";
	if (state == NULL) {
		state = variable(start, "XDG_STATE_HOME=");
		tail = "/volant/deno";
	}
	if (state == NULL || *state == '\0') {
		state = variable(start, "HOME=");
		tail = "/.local/state/volant/deno";
	}
	path[0] = '\0';
	return state != NULL && *state == '/' &&
	       text_append(path, PATH_SIZE, state) &&
	       text_append(path, PATH_SIZE, tail);
}

/*
 * Deno keeps compiled code in DENO_DIR, and runs what it finds there: so it is
 * used only when it is ours alone, and lies in a state directory that exists
 * already. Otherwise deno gets a path that can never be made, and does without.
 */
static void choose_deno_dir(const struct start *start)
{
	static char path[PATH_SIZE];
	struct stat info;
	bool ours = false;

	if (cache_path(start, path)) {
		sys_mkdirat(path, 0700); /* what matters is what is there now */
		long fd = sys_openat(path,
		                     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) {
			ours = sys_fstat(fd, &info) == 0 &&
			       info.st_uid == sys_geteuid() &&
			       (info.st_mode & OTHERS_MODE) == 0;
			sys_close(fd);
		}
	}
	text_append(deno_dir, sizeof(deno_dir), "DENO_DIR=");
	text_append(deno_dir, sizeof(deno_dir), ours ? path : script_path);
	if (!ours)
		text_append(deno_dir, sizeof(deno_dir), "/none");
}

/* Points one entry of the auxiliary vector at what was mapped by hand. */
static Elf64_auxv_t adapt_aux(Elf64_auxv_t entry, const struct image *deno,
                              const struct image *loader)
{
	switch (entry.a_type) {
	case AT_PHDR:
		entry.a_un.a_val = deno->headers;
		break;
	case AT_PHNUM:
		entry.a_un.a_val = deno->header_count;
		break;
	case AT_ENTRY:
		entry.a_un.a_val = deno->entry;
		break;
	case AT_BASE:
		entry.a_un.a_val = loader->base;
		break;
	default:
		break;
	}
	return entry;
}

/* Lays argc, argv, envp and auxv out at `stack`, in the kernel's order. */
static void write_vectors(uint64_t *stack, const struct start *start,
                          const struct image *deno, const struct image *loader)
{
	uint64_t *argc = stack++;
	uint64_t *first = stack;
	*stack++ = (uint64_t)"volant";
	for (size_t i = 0; i < FLAG_COUNT; i++)
		*stack++ = (uint64_t)FLAGS[i];
	*stack++ = (uint64_t)script_path;
	for (uint64_t i = 1; i < start->argc; i++)
		*stack++ = (uint64_t)start->argv[i];
	*argc = (uint64_t)(stack - first);
	*stack++ = 0;

	for (size_t i = 0; i < OWN_COUNT; i++)
		*stack++ = (uint64_t)OWN_VARIABLES[i];
	for (uint64_t i = 0; i < start->envc; i++) {
		if (!is_foreign(start->envp[i]))
			*stack++ = (uint64_t)start->envp[i];
	}
	*stack++ = 0;

	Elf64_auxv_t *aux = (Elf64_auxv_t *)(void *)stack;
	for (uint64_t i = 0; i < start->auxc; i++)
		aux[i] = adapt_aux(start->auxv[i], deno, loader);
}

_Noreturn void stub_main(uint64_t *stack);

_Noreturn void stub_main(uint64_t *stack)
{
	struct start start = read_start(stack);
	if (aux_value(&start, AT_SECURE) != 0)
		die("it must not be set-uid or carry capabilities", "", 0);

	long self = open_self();
	place_script(self);
	choose_deno_dir(&start);

	uint64_t page_size = aux_value(&start, AT_PAGESZ);
	struct image deno;
	image_map(&deno, self, LAYOUT.deno_offset, page_size, "deno");
	sys_close(self);

	struct image loader;
	long loader_fd = sys_openat(deno.loader, O_RDONLY | O_CLOEXEC);
	if (loader_fd < 0)
		die("this host has no glibc, or not where it belongs: cannot open ",
		    deno.loader, loader_fd);
	image_map(&loader, loader_fd, 0, page_size, deno.loader);
	sys_close(loader_fd);

	/*
	 * argc, name, flags, script, arguments, NULL; variables, NULL; auxv. The
	 * pointers are as many as the kernel has limited them to, plus a few,
	 * and the new vectors stay on the stack, where glibc looks for its end.
	 */
	size_t words = 1 + 1 + FLAG_COUNT + 1 + start.argc + 1 + OWN_COUNT +
	               start.envc + 1 + 2 * start.auxc;
	uint64_t *vectors = __builtin_alloca_with_align(
		words * sizeof(uint64_t), 128);
	write_vectors(vectors, &start, &deno, &loader);
	arch_enter(loader.entry, vectors);
}
