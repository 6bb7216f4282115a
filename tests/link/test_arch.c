/* SPDX-License-Identifier: MIT */
/*
 * The trampolines of x86-64 by themselves: that they keep every register that a caller
 * may use, with each instruction that saves them, and that frames unwind through them.
 * What they call is played here and destroys all that it may.
 */
#include "link/tls.h"
#include "test.h"

#include <stdarg.h>
#include <unwind.h>

/* ---- what the trampolines call and read ---- */

static const struct tls_vector no_vector;
__thread struct tls_vector *link_tls_vector __attribute__((tls_model("initial-exec"))) =
	(struct tls_vector *)&no_vector;

static void *target;
static struct link_image *seen_image;
static uint64_t seen_index, seen_packed;
static uintptr_t seen_frames[16];
static int seen_frame_count;
static bool has_avx, has_avx512;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *data)
{
	if (seen_frame_count < 16)
		seen_frames[seen_frame_count++] =
			(uintptr_t)_Unwind_FindEnclosingFunction(
				(void *)_Unwind_GetIP(context));
	return _URC_NO_REASON;
}

__attribute__((target("avx512f"))) static void destroy_512(void)
{
	__asm__ volatile("vpternlogd $0xff, %%zmm0, %%zmm0, %%zmm0\n"
			 "vmovaps %%zmm0, %%zmm7\n vmovaps %%zmm0, %%zmm15\n"
			 "vmovaps %%zmm0, %%zmm1\n vmovaps %%zmm0, %%zmm31\n"
			 "kxnorw %%k0, %%k0, %%k1\n kxnorw %%k0, %%k0, %%k7\n" ::
				 : "xmm0", "xmm1", "xmm7", "xmm15");
}

static void destroy(void)
{
	if (link_arch_save_kind != LINK_ARCH_FXSAVE && has_avx512)
		destroy_512();
	else if (link_arch_save_kind != LINK_ARCH_FXSAVE && has_avx)
		__asm__ volatile("vzeroall" ::: "memory");
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n movaps %%xmm0, %%xmm1\n"
			 "movaps %%xmm0, %%xmm2\n movaps %%xmm0, %%xmm3\n"
			 "movaps %%xmm0, %%xmm4\n movaps %%xmm0, %%xmm5\n"
			 "movaps %%xmm0, %%xmm6\n movaps %%xmm0, %%xmm7\n"
			 "mov $-1, %%rax\n mov %%rax, %%rcx\n mov %%rax, %%rdx\n"
			 "mov %%rax, %%rsi\n mov %%rax, %%rdi\n mov %%rax, %%r8\n"
			 "mov %%rax, %%r9\n mov %%rax, %%r10\n mov %%rax, %%r11\n" ::
				 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
			 "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			 "xmm7", "memory");
}

void *link_bind_lazily(struct link_image *image, uint64_t index)
{
	seen_image = image;
	seen_index = index;
	seen_frame_count = 0;
	_Unwind_Backtrace(note_frame, NULL);
	destroy();
	return target;
}

static char block[64];

void *link_tls_descriptor_slow(uint64_t packed)
{
	seen_packed = packed;
	seen_frame_count = 0;
	_Unwind_Backtrace(note_frame, NULL);
	destroy();
	return block + (int32_t)packed;
}

/* ---- the procedure linkage table ---- */

static struct link_image an_image;
struct link_image *arch_image __attribute__((used, visibility("hidden"))) = &an_image;

/* As PLT[n] and PLT0 do it. */
void arch_plt(void);
__asm__(".text\n"
	".type arch_plt, @function\n"
	"arch_plt: .cfi_startproc\n"
	"push $23\n .cfi_adjust_cfa_offset 8\n"
	"push arch_image(%rip)\n .cfi_adjust_cfa_offset 8\n"
	"jmp link_arch_plt_trampoline\n .cfi_endproc\n"
	".size arch_plt, . - arch_plt\n");

typedef float floats_16 __attribute__((vector_size(64)));
typedef float floats_8 __attribute__((vector_size(32)));

static double mixed(long a, long b, long c, long d, long e, long f, double g, double h,
	double i, double j, double k, double l, double m, double n, long o, double p,
	long double q)
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i +
	       10 * j + 11 * k + 12 * l + 13 * m + 14 * n + 15 * o + 16 * p +
	       17 * (double)q;
}

static double variadic(int count, ...)
{
	va_list list;
	double sum = 0;
	va_start(list, count);
	for (int i = 0; i < count; i++)
		sum = sum * 2 + va_arg(list, double);
	va_end(list);
	return sum;
}

__attribute__((target("avx"))) static float take_8(floats_8 a, floats_8 b, floats_8 c,
	floats_8 d, floats_8 e, floats_8 f, floats_8 g, floats_8 h, long i, long j)
{
	floats_8 s = a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
	float sum = (float)(i * 10 + j);
	for (int n = 0; n < 8; n++)
		sum += s[n] * (float)(n + 1);
	return sum;
}

__attribute__((target("avx512f"))) static float take_16(floats_16 a, floats_16 b,
	floats_16 c, floats_16 d, floats_16 e, floats_16 f, floats_16 g, floats_16 h,
	long i, long j)
{
	floats_16 s = a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
	float sum = (float)(i * 10 + j);
	for (int n = 0; n < 16; n++)
		sum += s[n] * (float)(n + 1);
	return sum;
}

__attribute__((target("avx"))) static void call_8(void)
{
	floats_8 v[8];
	for (int i = 0; i < 64; i++)
		v[i / 8][i % 8] = (float)(i * i);
	float (*volatile direct)(floats_8, floats_8, floats_8, floats_8, floats_8,
		floats_8, floats_8, floats_8, long, long) = take_8;
	__typeof__(take_8) *volatile lazy = (__typeof__(take_8) *)arch_plt;
	target = (void *)take_8;
	float should = direct(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], 3, 4);
	float is = lazy(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], 3, 4);
	CHECK(is == should);
}

__attribute__((target("avx512f"))) static void call_16(void)
{
	floats_16 v[8];
	for (int i = 0; i < 128; i++)
		v[i / 16][i % 16] = (float)(i * 3 + 1);
	__typeof__(take_16) *volatile direct = take_16;
	__typeof__(take_16) *volatile lazy = (__typeof__(take_16) *)arch_plt;
	target = (void *)take_16;
	float should = direct(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], 3, 4);
	float is = lazy(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], 3, 4);
	CHECK(is == should);
}

static void call_lazily(enum link_arch_save kind)
{
	__typeof__(mixed) *volatile lazy_mixed = (__typeof__(mixed) *)arch_plt;
	__typeof__(variadic) *volatile lazy_variadic = (__typeof__(variadic) *)arch_plt;
	link_arch_set_save(kind);
	target = (void *)mixed;
	double is = lazy_mixed(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17);
	CHECK(is == 1785);
	CHECK(seen_image == &an_image);
	CHECK_INT(seen_index, 23);
	target = (void *)variadic;
	CHECK(lazy_variadic(3, 1.0, 2.0, 3.0) == 11);
	if (has_avx && kind != LINK_ARCH_FXSAVE)
		call_8();
	if (has_avx512 && kind != LINK_ARCH_FXSAVE)
		call_16();
}

/* Which ways to save this processor has. */
static enum link_arch_save best;
static void find_features(void)
{
	best = link_arch_best_save();
	__builtin_cpu_init();
	has_avx = __builtin_cpu_supports("avx");
	has_avx512 = __builtin_cpu_supports("avx512f");
}

TEST(plt_trampoline_keeps_arguments)
{
	find_features();
	for (int kind = LINK_ARCH_FXSAVE; kind <= (int)best; kind++)
		call_lazily((enum link_arch_save)kind);
	printf("# best save: %d, %lu bytes, avx %d, avx512 %d\n", best,
		link_arch_save_bytes, has_avx, has_avx512);
}

/* Not inlined and not the last call, so that it has a frame. */
__attribute__((noinline)) static double call_and_add(void)
{
	__typeof__(variadic) *volatile lazy = (__typeof__(variadic) *)arch_plt;
	return lazy(1, 4.0) + 1;
}

static bool has_frame(void *function)
{
	for (int i = 0; i < seen_frame_count; i++)
		if (seen_frames[i] == (uintptr_t)function)
			return true;
	return false;
}

TEST(frames_unwind_through_the_plt_trampoline)
{
	find_features();
	link_arch_set_save(best);
	target = (void *)variadic;
	CHECK(call_and_add() == 5);
	CHECK(has_frame((void *)link_arch_plt_trampoline));
	CHECK(has_frame((void *)call_and_add));
}

/* ---- TLS descriptors ---- */

/* Every register before and after a call; the order is the assembler's below. */
struct registers {
	uint64_t general[16]; /* rcx rdx rbx rsi rdi r8-r15, rax, and room */
	uint8_t vectors[32][64];
	uint64_t masks[8];
} __attribute__((aligned(64)));

void arch_call_descriptor(struct registers *r, uint64_t *descriptor, long kind);
/* kind: 0 SSE, 1 AVX, 2 AVX-512 */
__asm__(".text\n"
	".type arch_call_descriptor, @function\n"
	"arch_call_descriptor: .cfi_startproc\n"
	"push %rbp\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset rbp, 0\n"
	"push %rbx\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset rbx, 0\n"
	"push %r12\n .cfi_adjust_cfa_offset 8\n"
	"push %r13\n .cfi_adjust_cfa_offset 8\n"
	"push %r14\n .cfi_adjust_cfa_offset 8\n"
	"push %r15\n .cfi_adjust_cfa_offset 8\n"
	"push %rdx\n .cfi_adjust_cfa_offset 8\n"
	"mov %rdi, %rbp\n mov %rsi, %rax\n"
	"cmp $1, %rdx\n jb 1f\n je 2f\n"
	".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,"
	"27,28,29,30,31\n vmovups 128+64*\\n(%rbp), %zmm\\n\n .endr\n"
	".irp n,0,1,2,3,4,5,6,7\n kmovw 128+2048+8*\\n(%rbp), %k\\n\n .endr\n"
	"jmp 3f\n"
	"1: .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"movups 128+64*\\n(%rbp), %xmm\\n\n .endr\n jmp 3f\n"
	"2: .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"vmovups 128+64*\\n(%rbp), %ymm\\n\n .endr\n"
	"3: mov 0(%rbp), %rcx\n mov 8(%rbp), %rdx\n mov 16(%rbp), %rbx\n"
	"mov 24(%rbp), %rsi\n mov 32(%rbp), %rdi\n mov 40(%rbp), %r8\n"
	"mov 48(%rbp), %r9\n mov 56(%rbp), %r10\n mov 64(%rbp), %r11\n"
	"mov 72(%rbp), %r12\n mov 80(%rbp), %r13\n mov 88(%rbp), %r14\n"
	"mov 96(%rbp), %r15\n"
	"call *(%rax)\n"
	"mov %rcx, 0(%rbp)\n mov %rdx, 8(%rbp)\n mov %rbx, 16(%rbp)\n"
	"mov %rsi, 24(%rbp)\n mov %rdi, 32(%rbp)\n mov %r8, 40(%rbp)\n"
	"mov %r9, 48(%rbp)\n mov %r10, 56(%rbp)\n mov %r11, 64(%rbp)\n"
	"mov %r12, 72(%rbp)\n mov %r13, 80(%rbp)\n mov %r14, 88(%rbp)\n"
	"mov %r15, 96(%rbp)\n mov %rax, 104(%rbp)\n"
	"cmpq $1, (%rsp)\n jb 4f\n je 5f\n"
	".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,"
	"27,28,29,30,31\n vmovups %zmm\\n, 128+64*\\n(%rbp)\n .endr\n"
	".irp n,0,1,2,3,4,5,6,7\n kmovw %k\\n, 128+2048+8*\\n(%rbp)\n .endr\n"
	"vzeroupper\n jmp 6f\n"
	"4: .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"movups %xmm\\n, 128+64*\\n(%rbp)\n .endr\n jmp 6f\n"
	"5: .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"vmovups %ymm\\n, 128+64*\\n(%rbp)\n .endr\n vzeroupper\n"
	"6: pop %rdx\n .cfi_adjust_cfa_offset -8\n"
	"pop %r15\n .cfi_adjust_cfa_offset -8\n"
	"pop %r14\n .cfi_adjust_cfa_offset -8\n"
	"pop %r13\n .cfi_adjust_cfa_offset -8\n"
	"pop %r12\n .cfi_adjust_cfa_offset -8\n"
	"pop %rbx\n .cfi_adjust_cfa_offset -8\n .cfi_restore rbx\n"
	"pop %rbp\n .cfi_adjust_cfa_offset -8\n .cfi_restore rbp\n"
	"ret\n .cfi_endproc\n"
	".size arch_call_descriptor, . - arch_call_descriptor\n");

/* Returns the address that the descriptor gave. */
static uintptr_t call_descriptor(uint64_t *descriptor, int kind)
{
	static struct registers before, after;
	_Static_assert(offsetof(struct registers, vectors) == 128, "as above");
	uint8_t *bytes = (uint8_t *)&before;
	for (size_t i = 0; i < sizeof(before); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	for (int i = 0; i < 8; i++)
		before.masks[i] &= 0xffff;
	after = before;
	arch_call_descriptor(&after, descriptor, kind);
	uintptr_t result = after.general[13];
	after.general[13] = before.general[13];
	CHECK(memcmp(&before, &after, sizeof(before)) == 0);
	return result + link_arch_thread_pointer();
}

TEST(descriptors_keep_every_register)
{
	find_features();
	uint64_t fixed[2] = { (uint64_t)link_arch_tlsdesc_static,
		(uint64_t)block - link_arch_thread_pointer() };
	uint64_t none[2] = { (uint64_t)link_arch_tlsdesc_undefined, 0x1234 };
	uint64_t dynamic[2] = { (uint64_t)link_arch_tlsdesc_dynamic,
		(uint64_t)3 << 32 | 40 };
	for (int kind = LINK_ARCH_FXSAVE; kind <= (int)best; kind++) {
		link_arch_set_save((enum link_arch_save)kind);
		for (int vectors = 0; vectors < 3; vectors++) {
			if ((vectors && kind == LINK_ARCH_FXSAVE) ||
				(vectors == 1 && !has_avx) ||
				(vectors == 2 && !has_avx512))
				continue;
			CHECK(call_descriptor(fixed, vectors) == (uintptr_t)block);
			CHECK(call_descriptor(none, vectors) == 0x1234);
			seen_packed = 0;
			CHECK(call_descriptor(dynamic, vectors) == (uintptr_t)block + 40);
			CHECK_INT(seen_packed, dynamic[1]);
			CHECK(has_frame((void *)link_arch_tlsdesc_dynamic));
			CHECK(has_frame((void *)arch_call_descriptor));
		}
	}
}

TEST(descriptors_read_the_vector)
{
	static uint64_t words[2 + 4] = { 4 };
	struct tls_vector *mine = (struct tls_vector *)words;
	uint64_t descriptor[2] = { (uint64_t)link_arch_tlsdesc_dynamic,
		(uint64_t)3 << 32 | (uint32_t)-8 };
	static char other[64];
	atomic_store(&mine->blocks[3], other + 16);
	link_tls_vector = mine;
	seen_packed = 0;
	CHECK(call_descriptor(descriptor, 0) == (uintptr_t)other + 8);
	CHECK_INT(seen_packed, 0);
	/* Past the end, and a place that is empty. */
	descriptor[1] = (uint64_t)4 << 32;
	CHECK(call_descriptor(descriptor, 0) == (uintptr_t)block);
	CHECK_INT(seen_packed, descriptor[1]);
	descriptor[1] = (uint64_t)2 << 32;
	CHECK(call_descriptor(descriptor, 0) == (uintptr_t)block);
	CHECK_INT(seen_packed, descriptor[1]);
	link_tls_vector = (struct tls_vector *)&no_vector;
}

/* ---- relocations ---- */

TEST(relocations_have_the_names_of_the_psabi)
{
	CHECK_STR(link_reloc_name(R_X86_64_GLOB_DAT), "R_X86_64_GLOB_DAT");
	CHECK_STR(link_reloc_name(R_X86_64_TLSDESC), "R_X86_64_TLSDESC");
	CHECK_STR(link_reloc_name(R_X86_64_REX_GOTPCRELX), "R_X86_64_REX_GOTPCRELX");
	CHECK_STR(link_reloc_name(0), "R_X86_64_NONE");
	CHECK_STR(link_reloc_name(4711), "relocation type 4711");
	for (unsigned i = 0; i < link_arch_reloc_count; i++)
		CHECK(link_arch_reloc_names[i] != NULL);
	CHECK_INT(link_arch_relocs[link_arch_relative_type], LINK_RELOC_RELATIVE);
	CHECK_INT(link_arch_relocs[R_X86_64_PLT32], LINK_RELOC_UNKNOWN);
}
