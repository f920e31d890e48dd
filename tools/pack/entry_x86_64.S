/* The kernel enters with the stack pointer at argc; C wants it as an argument. */
	.globl	_start
	.text
_start:
	xor	%ebp, %ebp
	mov	%rsp, %rdi
	and	$-16, %rsp
	call	stub_main
	hlt
	.section .note.GNU-stack,"",@progbits
