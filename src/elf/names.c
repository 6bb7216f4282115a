/* SPDX-License-Identifier: MIT */
/* Names of the numbers that ELF uses, for messages and listings. */
#include "elf/view.h"

#include <stdio.h>

struct name {
	int64_t value;
	const char *name;
};

static const char *find_name(const struct name *names, size_t count, int64_t value)
{
	static __thread char number[24];
	for (size_t i = 0; i < count; i++)
		if (names[i].value == value)
			return names[i].name;
	snprintf(number, sizeof(number), "%#lx", (unsigned long)value);
	return number;
}

const char *elf_dynamic_tag_name(int64_t tag)
{
#define TAG(t)        \
	{             \
		t, #t \
	}
	static const struct name names[] = { TAG(DT_NULL), TAG(DT_NEEDED),
		TAG(DT_PLTRELSZ), TAG(DT_PLTGOT), TAG(DT_HASH), TAG(DT_STRTAB),
		TAG(DT_SYMTAB), TAG(DT_RELA), TAG(DT_RELASZ), TAG(DT_RELAENT),
		TAG(DT_STRSZ), TAG(DT_SYMENT), TAG(DT_INIT), TAG(DT_FINI), TAG(DT_SONAME),
		TAG(DT_RPATH), TAG(DT_SYMBOLIC), TAG(DT_REL), TAG(DT_RELSZ),
		TAG(DT_RELENT), TAG(DT_PLTREL), TAG(DT_DEBUG), TAG(DT_TEXTREL),
		TAG(DT_JMPREL), TAG(DT_BIND_NOW), TAG(DT_INIT_ARRAY), TAG(DT_FINI_ARRAY),
		TAG(DT_INIT_ARRAYSZ), TAG(DT_FINI_ARRAYSZ), TAG(DT_RUNPATH),
		TAG(DT_FLAGS), TAG(DT_PREINIT_ARRAY), TAG(DT_PREINIT_ARRAYSZ),
		TAG(DT_RELRSZ), TAG(DT_RELR), TAG(DT_RELRENT), TAG(DT_GNU_HASH),
		TAG(DT_VERSYM), TAG(DT_RELACOUNT), TAG(DT_FLAGS_1), TAG(DT_VERDEF),
		TAG(DT_VERDEFNUM), TAG(DT_VERNEED), TAG(DT_VERNEEDNUM), TAG(DT_AUXILIARY),
		TAG(DT_FILTER), TAG(DT_TLSDESC_PLT), TAG(DT_TLSDESC_GOT) };
#undef TAG
	return find_name(names, base_array_count(names), tag);
}

const char *elf_machine_name(uint16_t machine)
{
	static const struct name names[] = { { EM_X86_64, "x86-64" }, { EM_386, "i386" },
		{ EM_AARCH64, "aarch64" }, { EM_ARM, "arm" }, { EM_RISCV, "riscv" },
		{ EM_PPC64, "ppc64" }, { EM_S390, "s390" }, { EM_MIPS, "mips" },
		{ EM_SPARCV9, "sparc64" }, { EM_LOONGARCH, "loongarch" },
		{ EM_BPF, "bpf" }, { EM_NONE, "no machine" } };
	return find_name(names, base_array_count(names), machine);
}
