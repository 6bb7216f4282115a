/* SPDX-License-Identifier: MIT */
/*
 * The exported functions whose answer depends on who calls. Each asks its C part, which
 * says what the answer is or which function of ld.so's is to be asked: that one is jumped
 * to, with the arguments as they came, so that it sees the same caller.
 */

	.text

/* A C part takes up to three arguments and, as the fourth, the caller's address. */
.macro ASK name, part
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	endbr64
	push	%rdi
	.cfi_adjust_cfa_offset 8
	push	%rsi
	.cfi_adjust_cfa_offset 8
	push	%rdx
	.cfi_adjust_cfa_offset 8
	mov	24(%rsp), %rcx
	call	\part
	mov	%rdx, %r11
	pop	%rdx
	.cfi_adjust_cfa_offset -8
	pop	%rsi
	.cfi_adjust_cfa_offset -8
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	test	%r11, %r11
	jne	1f
	ret
1:	jmp	*%r11
	.cfi_endproc
	.size	\name, . - \name
.endm

	ASK	dlopen, answer_open
	ASK	dlmopen, answer_open_in
	ASK	dlsym, answer_symbol
	ASK	dlvsym, answer_versioned

	.section .note.GNU-stack, "", @progbits
