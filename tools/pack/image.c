/*
 * Maps an ELF image. Only what deno and glibc's loader are made of is taken:
 * position independent, 64 bit, at most IMAGE_HEADERS_MAX program headers that
 * lie within the first loaded segment.
 */
#include <elf.h>

#include "image.h"
#include "sys.h"

#define IMAGE_HEADERS_MAX 32

static uint64_t round_down(uint64_t value, uint64_t unit)
{
	return value & ~(unit - 1);
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return round_down(value + unit - 1, unit);
}

static void read_exactly(long fd, void *into, size_t size, uint64_t offset,
                         const char *name)
{
	long got = sys_pread(fd, into, size, offset);
	if (got < 0)
		die("cannot read ", name, got);
	if ((size_t)got != size)
		die("the file ends too early: ", name, 0);
}

static void check_header(const Elf64_Ehdr *header, const char *name)
{
	bool magic = header->e_ident[0] == ELFMAG0 &&
	             header->e_ident[1] == ELFMAG1 &&
	             header->e_ident[2] == ELFMAG2 &&
	             header->e_ident[3] == ELFMAG3;
	if (!magic || header->e_machine != ARCH_ELF_MACHINE ||
	    header->e_type != ET_DYN ||
	    header->e_phentsize != sizeof(Elf64_Phdr) ||
	    header->e_phnum > IMAGE_HEADERS_MAX)
		die("not a program for this machine: ", name, 0);
}

static int protection_of(const Elf64_Phdr *segment)
{
	int protection = 0;
	if ((segment->p_flags & PF_R) != 0)
		protection |= PROT_READ;
	if ((segment->p_flags & PF_W) != 0)
		protection |= PROT_WRITE;
	if ((segment->p_flags & PF_X) != 0)
		protection |= PROT_EXEC;
	return protection;
}

static void map_at(uint64_t address, uint64_t size, int protection, long fd,
                   uint64_t offset, const char *name)
{
	int flags = MAP_PRIVATE | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0);
	long result = sys_mmap(address, size, protection, flags, fd, offset);
	if (sys_failed(result))
		die("cannot map ", name, result);
}

/* The file's part of a segment, then zeros up to its size in memory. */
static void map_segment(const Elf64_Phdr *segment, uint64_t base, long fd,
                        uint64_t offset, uint64_t page_size, const char *name)
{
	uint64_t start = round_down(base + segment->p_vaddr, page_size);
	uint64_t lead = base + segment->p_vaddr - start;
	uint64_t file_end = base + segment->p_vaddr + segment->p_filesz;
	uint64_t end = round_up(base + segment->p_vaddr + segment->p_memsz,
	                        page_size);
	uint64_t mapped_end = start;
	int protection = protection_of(segment);

	if (segment->p_filesz != 0) {
		map_at(start, file_end - start, protection, fd,
		       offset + segment->p_offset - lead, name);
		mapped_end = round_up(file_end, page_size);
	}
	if (end > mapped_end)
		map_at(mapped_end, end - mapped_end, protection, -1, 0, name);
	if (segment->p_memsz > segment->p_filesz) {
		/* The page the file's part ends in holds what follows it there. */
		volatile char *byte = (volatile char *)file_end;
		while ((uint64_t)byte < mapped_end)
			*byte++ = 0;
	}
}

/* Where the highest segment ends, counted from address 0 of the image. */
static uint64_t end_of(const Elf64_Phdr *segments, size_t count)
{
	uint64_t end = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t here = segments[i].p_vaddr + segments[i].p_memsz;
		if (segments[i].p_type == PT_LOAD && here > end)
			end = here;
	}
	return end;
}

void image_map(struct image *image, long fd, uint64_t offset,
               uint64_t page_size, const char *name)
{
	Elf64_Ehdr header;
	Elf64_Phdr segments[IMAGE_HEADERS_MAX];

	read_exactly(fd, &header, sizeof(header), offset, name);
	check_header(&header, name);
	size_t count = header.e_phnum;
	read_exactly(fd, segments, count * sizeof(segments[0]),
	             offset + header.e_phoff, name);

	/* One reservation keeps the segments at their distances. */
	uint64_t size = round_up(end_of(segments, count), page_size);
	long base = sys_mmap(0, size, PROT_NONE,
	                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(base))
		die("no address space for ", name, base);

	image->base = (uint64_t)base;
	image->entry = image->base + header.e_entry;
	image->headers = image->base + header.e_phoff;
	image->header_count = count;
	image->loader[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const Elf64_Phdr *segment = &segments[i];
		if (segment->p_type == PT_LOAD)
			map_segment(segment, image->base, fd, offset, page_size,
			            name);
		if (segment->p_type == PT_INTERP) {
			if (segment->p_filesz > IMAGE_LOADER_MAX)
				die("the loader's path is too long in ", name, 0);
			read_exactly(fd, image->loader, segment->p_filesz,
			             offset + segment->p_offset, name);
			image->loader[IMAGE_LOADER_MAX - 1] = '\0';
		}
	}
}
