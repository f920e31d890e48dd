/*
 * x86-64, for sys_calls.S and pack/start.S. The stubs share an end, which takes the number from the stack; the kernel has the fourth
 * argument elsewhere than C.
 */
.macro stub name number
	.globl \name
\name:	push	$\number
	jmp	call_kernel
.endm

.macro stubs_end
call_kernel:
	pop	%rax
	mov	%rcx, %r10
	syscall
	ret
.endm

/* No register but rax, rcx and r11 is changed by the kernel. */
.macro spawn number
	push	$\number
	pop	%rax
	syscall
	test	%eax, %eax
	jz	1f
	ret
1:	call	*%rdx
	ud2
.endm

/* Calls `first`, then jumps to `then`. */
.macro enter_after first then
	push	%rsp
	call	\first
	pop	%rsp
	mov	$\then, %eax
	jmp	*%rax
.endm

/* The kernel enters with the stack pointer at argc and no return address; C wants it aligned before a call. */
.macro entry main
	xor	%ebp, %ebp
	and	$-16, %rsp
	call	\main
	ud2
.endm
