/* arm64, for sys_calls.S and pack/start.S. The kernel takes the arguments where C has them, and enters with an aligned stack. */
.macro stub name number
	.globl \name
\name:	mov	x8, #\number
	svc	#0
	ret
.endm

.macro stubs_end
.endm

/* No register but x0 is changed by the kernel. */
.macro spawn number
	mov	x8, #\number
	svc	#0
	cbz	x0, 1f
	ret
1:	blr	x2
	brk	#0
.endm

/* Calls `first`, then jumps to `then`. */
.macro enter_after first then
	bl	\first
	ldr	x0, =\then
	br	x0
.endm

.macro entry main
	mov	x29, #0
	mov	x30, #0
	bl	\main
	brk	#0
.endm
