/* SPDX-License-Identifier: MIT */
/*
 * x86-64: its relocations in neutral names, the thread pointer, and how large the
 * register save area of the trampolines is. The trampolines themselves are in x86_64.S.
 */
#include "link/tls.h"

#include <cpuid.h>
#include <stdio.h>
#include <sys/platform/x86.h>

const uint16_t link_arch_machine = EM_X86_64;
const uint32_t link_arch_relative_type = R_X86_64_RELATIVE;

/* psABI 1.0, table 4.9. Those that a linker alone meets stay unknown. */
const uint8_t link_arch_relocs[] = {
	[R_X86_64_NONE] = LINK_RELOC_NONE,
	[R_X86_64_64] = LINK_RELOC_WORD,
	[R_X86_64_PC32] = LINK_RELOC_PC32,
	[R_X86_64_COPY] = LINK_RELOC_COPY,
	[R_X86_64_GLOB_DAT] = LINK_RELOC_GOT,
	[R_X86_64_JUMP_SLOT] = LINK_RELOC_PLT,
	[R_X86_64_RELATIVE] = LINK_RELOC_RELATIVE,
	[R_X86_64_32] = LINK_RELOC_WORD32,
	[R_X86_64_32S] = LINK_RELOC_SWORD32,
	[R_X86_64_16] = LINK_RELOC_WORD16,
	[R_X86_64_PC16] = LINK_RELOC_PC16,
	[R_X86_64_8] = LINK_RELOC_WORD8,
	[R_X86_64_PC8] = LINK_RELOC_PC8,
	[R_X86_64_DTPMOD64] = LINK_RELOC_TLS_ID,
	[R_X86_64_DTPOFF64] = LINK_RELOC_TLS_OFFSET,
	[R_X86_64_TPOFF64] = LINK_RELOC_TP_OFFSET,
	[R_X86_64_DTPOFF32] = LINK_RELOC_TLS_OFFSET32,
	[R_X86_64_TPOFF32] = LINK_RELOC_TP_OFFSET32,
	[R_X86_64_PC64] = LINK_RELOC_PC64,
	[R_X86_64_SIZE32] = LINK_RELOC_SIZE32,
	[R_X86_64_SIZE64] = LINK_RELOC_SIZE64,
	[R_X86_64_TLSDESC] = LINK_RELOC_TLS_DESCRIPTOR,
	[R_X86_64_IRELATIVE] = LINK_RELOC_IRELATIVE,
	/* The same as RELATIVE where pointers have 64 bits. */
	[R_X86_64_RELATIVE64] = LINK_RELOC_RELATIVE,
	[R_X86_64_REX_GOTPCRELX] = LINK_RELOC_UNKNOWN,
};
const unsigned link_arch_reloc_count = base_array_count(link_arch_relocs);

#define NAME(n) [R_X86_64_##n] = "R_X86_64_" #n
const char *const link_arch_reloc_names[] = { NAME(NONE), NAME(64), NAME(PC32),
	NAME(GOT32), NAME(PLT32), NAME(COPY), NAME(GLOB_DAT), NAME(JUMP_SLOT),
	NAME(RELATIVE), NAME(GOTPCREL), NAME(32), NAME(32S), NAME(16), NAME(PC16),
	NAME(8), NAME(PC8), NAME(DTPMOD64), NAME(DTPOFF64), NAME(TPOFF64), NAME(TLSGD),
	NAME(TLSLD), NAME(DTPOFF32), NAME(GOTTPOFF), NAME(TPOFF32), NAME(PC64),
	NAME(GOTOFF64), NAME(GOTPC32), NAME(GOT64), NAME(GOTPCREL64), NAME(GOTPC64),
	NAME(GOTPLT64), NAME(PLTOFF64), NAME(SIZE32), NAME(SIZE64), NAME(GOTPC32_TLSDESC),
	NAME(TLSDESC_CALL), NAME(TLSDESC), NAME(IRELATIVE),
	NAME(RELATIVE64), [39] = "R_X86_64_PC32_BND", [40] = "R_X86_64_PLT32_BND",
	NAME(GOTPCRELX), NAME(REX_GOTPCRELX) };
#undef NAME
_Static_assert(
	base_array_count(link_arch_relocs) == base_array_count(link_arch_reloc_names),
	"a name for each relocation");

const char *link_reloc_name(uint32_t type)
{
	static __thread char number[32];
	if (type < base_array_count(link_arch_reloc_names) && link_arch_reloc_names[type])
		return link_arch_reloc_names[type];
	snprintf(number, sizeof(number), "relocation type %u", type);
	return number;
}

uintptr_t link_arch_thread_pointer(void)
{
	uintptr_t pointer;
	__asm__("mov %%fs:0, %0" : "=r"(pointer));
	return pointer;
}

/* glibc's thread descriptor is where the thread pointer leads. */
uintptr_t link_arch_descriptor_pointer(uintptr_t descriptor)
{
	return descriptor;
}

/*
 * What the trampolines read. Until link_arch_setup: FXSAVE, which every x86-64 has.
 * Saved are x87, SSE, AVX, AVX-512 and the further general registers of APX; neither
 * the tiles of AMX, of 8 KiB, nor bounds registers, which no code of today uses.
 */
#define STATES       ((uint64_t)1 << 19 | 0xe7)
#define LEGACY_BYTES 512u
#define HEADER_BYTES 64u

uint64_t link_arch_save_bytes = LEGACY_BYTES;
uint32_t link_arch_save_mask[2]; /* edx:eax of XSAVE, low half first */
enum link_arch_save link_arch_save_kind = LINK_ARCH_FXSAVE;

static uint64_t enabled_states(void)
{
	uint32_t low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

/*
 * The compact format by what SDM volume 1, 13.5, says of the sizes of the states above,
 * each aligned, rather than by asking: in a virtual machine each cpuid is a trap.
 */
static unsigned compact_bytes(uint64_t mask)
{
	static const uint16_t bytes[20] = {
		[2] = 256, [5] = 64, [6] = 512, [7] = 1024, [19] = 128
	};
	unsigned end = LEGACY_BYTES + HEADER_BYTES;
	for (unsigned i = 2; i < base_array_count(bytes); i++)
		end += mask >> i & 1 ? bytes[i] : 0;
	return end;
}

/* SDM volume 1, 13.4: where each state goes in the plain format. */
static unsigned area_bytes(uint64_t mask)
{
	unsigned end = LEGACY_BYTES + HEADER_BYTES;
	for (unsigned i = 2; i < 63; i++) {
		unsigned bytes, offset, flags, unused;
		if (!(mask >> i & 1))
			continue;
		__cpuid_count(0xd, i, bytes, offset, flags, unused);
		if (offset + bytes > end)
			end = offset + bytes;
	}
	return (unsigned)base_align_up(end, 64);
}

void link_arch_set_save(enum link_arch_save kind)
{
	uint64_t mask = kind == LINK_ARCH_FXSAVE ? 0 : enabled_states() & STATES;
	link_arch_save_bytes = kind == LINK_ARCH_FXSAVE   ? LEGACY_BYTES
			       : kind == LINK_ARCH_XSAVEC ? compact_bytes(mask)
							  : area_bytes(mask);
	link_arch_save_mask[0] = (uint32_t)mask;
	link_arch_save_mask[1] = (uint32_t)(mask >> 32);
	link_arch_save_kind = kind;
}

enum link_arch_save link_arch_best_save(void)
{
	/* As ld.so found, which had to know too. */
	if (!CPU_FEATURE_PRESENT(OSXSAVE))
		return LINK_ARCH_FXSAVE;
	return CPU_FEATURE_PRESENT(XSAVEC) ? LINK_ARCH_XSAVEC : LINK_ARCH_XSAVE;
}

void link_arch_setup(void)
{
	link_arch_set_save(link_arch_best_save());
}
