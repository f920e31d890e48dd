/*
 * x86-64: system calls and the jump to the dynamic loader. The entry point is in
 * entry_x86_64.S.
 */
#ifndef VOLANT_PACK_ARCH_X86_64_H
#define VOLANT_PACK_ARCH_X86_64_H

#define ARCH_ELF_MACHINE EM_X86_64

static inline long sys_call6(long number, long a, long b, long c, long d,
                             long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10),
	                   "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

/*
 * Enters a program as the kernel would: `stack` at argc, and no function for
 * it to register with atexit (rdx).
 */
static inline _Noreturn void arch_enter(unsigned long entry,
                                        const unsigned long *stack)
{
	__asm__ volatile("mov %0, %%rsp\n"
	                 "xor %%edx, %%edx\n"
	                 "xor %%ebp, %%ebp\n"
	                 "jmp *%1\n"
	                 :
	                 : "r"(stack), "r"(entry)
	                 : "memory");
	__builtin_unreachable();
}

#endif
