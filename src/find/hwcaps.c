/* SPDX-License-Identifier: MIT */
/*
 * What the processor can run, in the words of library directories: the glibc-hwcaps
 * levels of the x86-64 psABI, and the subdirectories that glibc searched up to 2.36.
 * Asks the processor itself, as ld.so does; the environment has no say here.
 */
#include "find/internal.h"

#include <stdio.h>
#include <sys/auxv.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <sys/platform/x86.h>
#endif

static struct {
	const char *names[4]; /* glibc-hwcaps, best first */
	unsigned level;
	uint64_t legacy;
	const char *platform;
	struct find_subdir subdirs[FIND_SUBDIRS_MAX];
	unsigned count;
} facts;

#ifdef __x86_64__
/* CPUID leaf 1, ECX. */
#define SSE3       (1u << 0)
#define SSSE3      (1u << 9)
#define FMA        (1u << 12)
#define CMPXCHG16B (1u << 13)
#define SSE4_1     (1u << 19)
#define SSE4_2     (1u << 20)
#define MOVBE      (1u << 22)
#define POPCNT     (1u << 23)
#define OSXSAVE    (1u << 27)
#define AVX        (1u << 28)
#define F16C       (1u << 29)
/* CPUID leaf 7, EBX. */
#define BMI1     (1u << 3)
#define AVX2     (1u << 5)
#define BMI2     (1u << 8)
#define AVX512F  (1u << 16)
#define AVX512DQ (1u << 17)
#define AVX512PF (1u << 26)
#define AVX512ER (1u << 27)
#define AVX512CD (1u << 28)
#define AVX512BW (1u << 30)
#define AVX512VL (1u << 31)
/* All that the wide registers carry. */
#define AVX512 (AVX512F | AVX512DQ | AVX512PF | AVX512ER | AVX512CD | AVX512BW | AVX512VL)
/* CPUID leaf 0x80000001, ECX. */
#define LAHF64 (1u << 0)
#define LZCNT  (1u << 5)
/* XCR0: what the kernel saves. */
#define XCR0_AVX    0x06u
#define XCR0_AVX512 0xe0u

struct cpu {
	uint32_t leaf_1, leaf_7, extended; /* of these, what the kernel lets be used */
	bool is_intel;
};

static uint32_t xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

static bool has(uint32_t bits, uint32_t wanted)
{
	return (bits & wanted) == wanted;
}

static uint32_t ldso_leaf(unsigned leaf, unsigned word)
{
	return __x86_get_cpuid_feature_leaf(leaf)->cpuid_array[word];
}

static void ask_cpu(struct cpu *cpu)
{
	unsigned a, b, c, d, state = 0;

	/* ld.so has asked: in a virtual machine each cpuid is a trap of microseconds. */
	memset(cpu, 0, sizeof(*cpu));
	__cpuid(0, a, b, c, d);
	cpu->is_intel = b == signature_INTEL_ebx && c == signature_INTEL_ecx &&
			d == signature_INTEL_edx;
	cpu->leaf_1 = ldso_leaf(CPUID_INDEX_1, cpuid_register_index_ecx);
	cpu->leaf_7 = ldso_leaf(CPUID_INDEX_7, cpuid_register_index_ebx);
	cpu->extended = ldso_leaf(CPUID_INDEX_80000001, cpuid_register_index_ecx);
	if (cpu->leaf_1 & OSXSAVE)
		state = xcr0();
	if (!has(state, XCR0_AVX) || !(cpu->leaf_1 & AVX)) {
		cpu->leaf_1 &= ~(AVX | FMA | F16C);
		cpu->leaf_7 &= ~(AVX2 | AVX512);
	}
	if (!has(state, XCR0_AVX | XCR0_AVX512) || !(cpu->leaf_7 & AVX512F))
		cpu->leaf_7 &= ~AVX512;
}

static unsigned level_of(const struct cpu *cpu)
{
	if (!has(cpu->leaf_1, CMPXCHG16B | POPCNT | SSE3 | SSE4_1 | SSE4_2 | SSSE3) ||
		!has(cpu->extended, LAHF64))
		return 0;
	if (!has(cpu->leaf_1, AVX | F16C | FMA | MOVBE) ||
		!has(cpu->leaf_7, AVX2 | BMI1 | BMI2) || !has(cpu->extended, LZCNT))
		return 1;
	return has(cpu->leaf_7, AVX512F | AVX512BW | AVX512CD | AVX512DQ | AVX512VL) ? 3
										     : 2;
}

/* glibc gives the names below to Intel's processors alone. */
static void set_legacy(const struct cpu *cpu)
{
	facts.legacy = FIND_HWCAP_X86_64;
	if (!cpu->is_intel)
		return;
	if (has(cpu->leaf_7, AVX512CD | AVX512ER | AVX512PF)) {
		facts.platform = "xeon_phi";
		facts.legacy |= FIND_HWCAP_XEON_PHI;
		return;
	}
	if (has(cpu->leaf_7, AVX512CD | AVX512BW | AVX512DQ | AVX512VL) &&
		!(cpu->leaf_7 & AVX512ER))
		facts.legacy |= FIND_HWCAP_AVX512_1;
	if (has(cpu->leaf_7, AVX2 | BMI1 | BMI2) && has(cpu->extended, LZCNT) &&
		has(cpu->leaf_1, MOVBE | POPCNT)) {
		facts.platform = "haswell";
		facts.legacy |= FIND_HWCAP_HASWELL;
	}
}

static void set_processor(void)
{
	struct cpu cpu;

	ask_cpu(&cpu);
	facts.level = level_of(&cpu);
	set_legacy(&cpu);
}
#else
static void set_processor(void)
{
}
#endif

/* Adds a subdirectory, unless it is there: what was not found there is not there now. */
static void add_subdir(const char *text)
{
	struct find_subdir *new = &facts.subdirs[facts.count];
	unsigned top = 0;

	for (unsigned i = 0; i < facts.count; i++) {
		const struct find_subdir *old = &facts.subdirs[i];
		if (strcmp(old->text, text) == 0)
			return;
		if (old->top >= top)
			top = old->top + 1;
	}
	size_t length = strlen(text);
	if (facts.count == FIND_SUBDIRS_MAX || length >= sizeof(new->text))
		return;
	memcpy(new->text, text, length + 1);
	new->length = (unsigned)length;
	new->top_length = (unsigned)strcspn(text, "/");
	new->top = top;
	for (unsigned i = 0; i < facts.count; i++) {
		const struct find_subdir *old = &facts.subdirs[i];
		if (old->top_length == new->top_length &&
			memcmp(old->text, text, new->top_length) == 0)
			new->top = old->top;
	}
	facts.count++;
}

/*
 * Legacy subdirectories are every subset of the words that hold here, as paths: from all
 * of them to none, the last word counting most and standing first.
 */
static void add_legacy(void)
{
	const char *words[4];
	unsigned count = 0;
	char text[64];

	if (facts.legacy & FIND_HWCAP_X86_64)
		words[count++] = "x86_64";
	if (facts.legacy & FIND_HWCAP_AVX512_1)
		words[count++] = "avx512_1";
	/* The kernel's word; one that is longer than any it has is left out. */
	if (facts.platform && strlen(facts.platform) < 16 && !strchr(facts.platform, '/'))
		words[count++] = facts.platform;
	words[count++] = "tls";
	for (unsigned set = 1u << count; set-- > 0;) {
		size_t used = 0;
		text[0] = '\0';
		for (unsigned i = count; i-- > 0;) {
			if (set & 1u << i)
				used += (size_t)snprintf(text + used, sizeof(text) - used,
					"%s/", words[i]);
		}
		add_subdir(text);
	}
}

static void learn(void)
{
	static const char *const levels[] = { "x86-64-v2", "x86-64-v3", "x86-64-v4" };
	char text[64];

	facts.platform = (const char *)base_auxval(AT_PLATFORM);
	set_processor();
	for (unsigned i = facts.level; i-- > 0;) {
		facts.names[facts.level - 1 - i] = levels[i];
		snprintf(text, sizeof(text), "glibc-hwcaps/%s/", levels[i]);
		add_subdir(text);
	}
	add_legacy();
}

static void learn_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, learn);
}

const char *const *find_hwcaps(void)
{
	learn_once();
	return facts.names;
}

const char *find_platform(void)
{
	learn_once();
	return facts.platform;
}

unsigned find_isa_level(void)
{
	learn_once();
	return facts.level;
}

uint64_t find_legacy_hwcap(void)
{
	learn_once();
	return facts.legacy;
}

const struct find_subdir *find_subdirs(unsigned *count)
{
	learn_once();
	*count = facts.count;
	return facts.subdirs;
}
