/* Where the kernel enters: unpacks the shim, then enters it as the kernel would have. */
#include <asm/unistd.h>

#if defined(__x86_64__)
#include "../arch/x86_64.h"
#elif defined(__aarch64__)
#include "../arch/aarch64.h"
#endif

	.section .note.GNU-stack, "", %progbits
	.section .text.start, "ax"

	.globl	_start
_start:	enter_after unpack, shim

	stub	sys_mprotect __NR_mprotect
	stubs_end
