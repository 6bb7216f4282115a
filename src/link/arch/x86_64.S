/* SPDX-License-Identifier: MIT */
/*
 * x86-64: the PLT trampoline and the TLSDESC resolvers. They keep every register that
 * their callers may have in use, the vector registers among them, and decide nothing:
 * link_bind_lazily and link_tls_descriptor_slow do.
 */

/* From %rsp on: nine general registers, room up to 128 bytes, the vector state. */
#define SAVE_AREA 128
#define HEADER    (SAVE_AREA + 512)
#define XSAVE     1 /* of enum link_arch_save; below it FXSAVE, above it XSAVEC */

/*
 * %rbx holds the %rsp of before, and the frame's CFA is told from it. XSAVE and XSAVEC
 * leave most of the header as it is, and XRSTOR wants zeros there.
 */
.macro save_registers
	andq	$-64, %rsp
	subq	link_arch_save_bytes(%rip), %rsp
	subq	$SAVE_AREA, %rsp
	movq	%rax, 0(%rsp)
	movq	%rcx, 8(%rsp)
	movq	%rdx, 16(%rsp)
	movq	%rsi, 24(%rsp)
	movq	%rdi, 32(%rsp)
	movq	%r8, 40(%rsp)
	movq	%r9, 48(%rsp)
	movq	%r10, 56(%rsp)
	movq	%r11, 64(%rsp)
	cmpl	$XSAVE, link_arch_save_kind(%rip)
	jb	1f
	movl	$0, %eax /* not xor: the flags are still wanted */
	movq	%rax, HEADER(%rsp)
	movq	%rax, HEADER + 8(%rsp)
	movq	%rax, HEADER + 16(%rsp)
	movq	%rax, HEADER + 24(%rsp)
	movq	%rax, HEADER + 32(%rsp)
	movq	%rax, HEADER + 40(%rsp)
	movq	%rax, HEADER + 48(%rsp)
	movq	%rax, HEADER + 56(%rsp)
	movl	link_arch_save_mask(%rip), %eax
	movl	link_arch_save_mask + 4(%rip), %edx
	je	2f
	xsavec64 SAVE_AREA(%rsp)
	jmp	3f
1:	fxsave64 SAVE_AREA(%rsp)
	jmp	3f
2:	xsave64	SAVE_AREA(%rsp)
3:
.endm

.macro restore_registers
	cmpl	$XSAVE, link_arch_save_kind(%rip)
	jb	4f
	movl	link_arch_save_mask(%rip), %eax
	movl	link_arch_save_mask + 4(%rip), %edx
	xrstor64 SAVE_AREA(%rsp)
	jmp	5f
4:	fxrstor64 SAVE_AREA(%rsp)
5:	movq	0(%rsp), %rax
	movq	8(%rsp), %rcx
	movq	16(%rsp), %rdx
	movq	24(%rsp), %rsi
	movq	32(%rsp), %rdi
	movq	40(%rsp), %r8
	movq	48(%rsp), %r9
	movq	56(%rsp), %r10
	movq	64(%rsp), %r11
.endm

.macro begin name
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 5
\name:
	.cfi_startproc
	endbr64
.endm

.macro end name
	.cfi_endproc
	.size	\name, . - \name
.endm

	.hidden	link_arch_save_bytes
	.hidden	link_arch_save_mask
	.hidden	link_arch_save_kind
	.hidden	link_bind_lazily
	.hidden	link_tls_descriptor_slow
	.hidden	link_tls_vector

	.text

/*
 * From PLT0 (psABI, "Procedure Linkage Table"): GOT[1], which is the image, and the index
 * of the relocation are pushed on top of the return address. The function's address takes
 * the place of the image on the stack, so that no register is needed to jump through.
 */
begin link_arch_plt_trampoline
	.cfi_adjust_cfa_offset 16
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	movq	%rsp, %rbx
	.cfi_def_cfa_register rbx
	save_registers
	movq	8(%rbx), %rdi
	movq	16(%rbx), %rsi
	call	link_bind_lazily
	movq	%rax, 8(%rbx)
	restore_registers
	movq	%rbx, %rsp
	.cfi_def_cfa_register rsp
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	addq	$16, %rsp
	.cfi_adjust_cfa_offset -16
	/* Below the stack pointer, but in the red zone. */
	jmp	*-16(%rsp)
end link_arch_plt_trampoline

/*
 * TLSDESC: %rax leads to the descriptor, whose second word is the argument; the offset
 * from the thread pointer goes back in %rax. Flags need not be kept.
 */

/* The argument is the offset. */
begin link_arch_tlsdesc_static
	movq	8(%rax), %rax
	ret
end link_arch_tlsdesc_static

/* The argument is the address. */
begin link_arch_tlsdesc_undefined
	movq	8(%rax), %rax
	subq	%fs:0, %rax
	ret
end link_arch_tlsdesc_undefined

/*
 * The argument is an index of the vector in its upper half and an offset, with its sign,
 * in the lower: see tls.c for both and tls.h for what the vector looks like.
 */
begin link_arch_tlsdesc_dynamic
	pushq	%rcx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rcx, 0
	pushq	%rdx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rdx, 0
	movq	8(%rax), %rax
	movq	link_tls_vector@gottpoff(%rip), %rdx
	movq	%fs:(%rdx), %rdx
	movq	%rax, %rcx
	shrq	$32, %rcx
	cmpq	(%rdx), %rcx
	jae	7f
	movq	16(%rdx,%rcx,8), %rcx
	testq	%rcx, %rcx
	jz	7f
	movslq	%eax, %rax
	addq	%rcx, %rax
6:	subq	%fs:0, %rax
	popq	%rdx
	.cfi_def_cfa_offset 16
	.cfi_restore rdx
	popq	%rcx
	.cfi_def_cfa_offset 8
	.cfi_restore rcx
	ret
	/* Not by remember and restore: assemblers differ on offsets told after those. */
	.cfi_def_cfa_offset 24
	.cfi_offset rcx, -16
	.cfi_offset rdx, -24
7:	pushq	%rbx
	.cfi_def_cfa_offset 32
	.cfi_offset rbx, -32
	movq	%rsp, %rbx
	.cfi_def_cfa_register rbx
	save_registers
	movq	0(%rsp), %rdi
	call	link_tls_descriptor_slow
	movq	%rax, 0(%rsp)
	restore_registers
	movq	%rbx, %rsp
	.cfi_def_cfa_register rsp
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	jmp	6b
end link_arch_tlsdesc_dynamic

	.section .note.GNU-stack, "", @progbits
