/* SPDX-License-Identifier: MIT */
/* What the files of the ELF floor share with one another and with nobody else. */
#ifndef UMOD_ELF_INTERNAL_H
#define UMOD_ELF_INTERNAL_H

#include "elf/view.h"

#define elf_fail(view, code, ...) \
	base_error(error, UMOD_STAGE_VALIDATE, code, (view)->name, __VA_ARGS__)

#if defined(__x86_64__)
#define ELF_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define ELF_MACHINE EM_AARCH64
#elif defined(__riscv)
#define ELF_MACHINE EM_RISCV
#endif

/* Bytes [vaddr, vaddr + bytes) as they are in the file, or NULL. */
const void *elf_locate(const struct elf_view *view, uint64_t vaddr, uint64_t bytes);

/* Where the version tables are: addresses, 0 for none, and their counts of entries. */
struct elf_version_tables {
	uint64_t versym, verdef, verdef_count, verneed, verneed_count;
};
int elf_set_versions(struct elf_view *view, const struct elf_version_tables *tables,
	struct umod_error *error);

#endif
