/*
 * What the stub needs of a processor: a system call, and the jump into the
 * program it has loaded. Each architecture is one more header and one more
 * entry_*.S beside those of x86-64; everything else of the stub is the same C.
 */
#ifndef VOLANT_PACK_ARCH_H
#define VOLANT_PACK_ARCH_H

#if defined(__x86_64__)
#include "arch_x86_64.h"
#else
#error "the stub has no entry code for this architecture yet"
#endif

#endif
