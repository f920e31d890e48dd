/*
 * Maps an ELF image that lies somewhere inside an open file, as the kernel
 * would map a program or its dynamic loader.
 */
#ifndef VOLANT_PACK_IMAGE_H
#define VOLANT_PACK_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* The longest path of a dynamic loader that is accepted, with its NUL. */
#define IMAGE_LOADER_MAX 256

struct image {
	uint64_t base;    /* where address 0 of the image ended up */
	uint64_t entry;   /* address of its first instruction */
	uint64_t headers; /* address of its program headers */
	uint64_t header_count;
	char loader[IMAGE_LOADER_MAX]; /* path of its dynamic loader, or empty */
};

/* Maps the image at `offset` of `fd`; `name` is for the sentence if it fails. */
void image_map(struct image *image, long fd, uint64_t offset,
               uint64_t page_size, const char *name);

#endif
