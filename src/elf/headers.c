/* SPDX-License-Identifier: MIT */
/*
 * The ELF header and the program headers: everything that says what is to be mapped.
 * Tables inside the image are tables.c's.
 */
#include "elf/view.h"

#include <stdlib.h>

#define ADDRESS_LIMIT \
	((uint64_t)1 << 46) /* no image is larger than half the user space */
#define ALIGN_LIMIT ((uint64_t)1 << 30)

#define fail(view, code, ...) \
	base_error(error, UMOD_STAGE_VALIDATE, code, (view)->name, __VA_ARGS__)

static int check_identity(
	const struct elf_view *view, const Elf64_Ehdr *header, struct umod_error *error)
{
	const unsigned char *id = header->e_ident;
	if (memcmp(id, ELFMAG, SELFMAG) != 0)
		return fail(view, -ENOEXEC,
			"e_ident: not an ELF file (it starts with %02x %02x %02x %02x)",
			id[0], id[1], id[2], id[3]);
	if (id[EI_CLASS] != ELFCLASS64)
		return fail(view, -ENOEXEC, "EI_CLASS: %u, not ELFCLASS64", id[EI_CLASS]);
	if (id[EI_DATA] != ELFDATA2LSB)
		return fail(
			view, -ENOEXEC, "EI_DATA: %u, not little-endian", id[EI_DATA]);
	if (id[EI_VERSION] != EV_CURRENT)
		return fail(view, -ENOEXEC, "EI_VERSION: %u, not 1", id[EI_VERSION]);
	if (id[EI_OSABI] != ELFOSABI_SYSV && id[EI_OSABI] != ELFOSABI_GNU)
		return fail(view, -ENOEXEC, "EI_OSABI: %u is neither System V nor GNU",
			id[EI_OSABI]);
	if (id[EI_ABIVERSION] > (id[EI_OSABI] == ELFOSABI_GNU ? 4 : 0))
		return fail(view, -ENOEXEC, "EI_ABIVERSION: %u is not known",
			id[EI_ABIVERSION]);
	return 0;
}

static int check_header(const struct elf_view *view, const Elf64_Ehdr *header,
	uint64_t file_bytes, struct umod_error *error)
{
	int result = check_identity(view, header, error);
	if (result)
		return result;
	if (header->e_version != EV_CURRENT)
		return fail(view, -ENOEXEC, "e_version: %u, not 1", header->e_version);
	if (header->e_type == ET_REL)
		return fail(view, -ENOTSUP,
			"e_type: a relocatable object, which has no segments");
	if (header->e_type != ET_DYN)
		return fail(view, -ENOEXEC, "e_type: %u, not a shared object (ET_DYN)%s",
			header->e_type,
			header->e_type == ET_EXEC ? ": an executable with fixed addresses"
			: header->e_type == ET_CORE ? ": a core dump"
						    : "");
	if (header->e_phentsize != sizeof(Elf64_Phdr))
		return fail(view, -ENOEXEC, "e_phentsize: %u, not %zu",
			header->e_phentsize, sizeof(Elf64_Phdr));
	if (header->e_phnum == 0 || header->e_phnum > ELF_MAX_SEGMENTS)
		return fail(
			view, -ENOEXEC, "e_phnum: %u program headers", header->e_phnum);
	if (!base_range_fits(
		    header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), file_bytes))
		return fail(view, -ELIBBAD,
			"e_phoff: %u program headers at %#lx lie outside the file's %lu "
			"bytes",
			header->e_phnum, header->e_phoff, file_bytes);
	return 0;
}

static int check_load(const struct elf_view *view, unsigned index, const Elf64_Phdr *p,
	uint64_t file_bytes, struct umod_error *error)
{
	if (p->p_filesz > p->p_memsz)
		return fail(view, -ELIBBAD,
			"p_filesz of PT_LOAD %u: %#lx exceeds p_memsz %#lx", index,
			p->p_filesz, p->p_memsz);
	if (p->p_filesz < p->p_memsz && !(p->p_flags & PF_W))
		return fail(view, -ELIBBAD,
			"p_memsz of PT_LOAD %u: %#lx exceeds p_filesz %#lx, but nothing "
			"can "
			"be written there",
			index, p->p_memsz, p->p_filesz);
	if (!base_range_fits(p->p_offset, p->p_filesz, file_bytes))
		return fail(view, -ELIBBAD,
			"p_offset of PT_LOAD %u: %#lx + %#lx lies outside the file's %lu "
			"bytes "
			"(is it cut short?)",
			index, p->p_offset, p->p_filesz, file_bytes);
	if (!base_range_fits(p->p_vaddr, p->p_memsz, ADDRESS_LIMIT))
		return fail(view, -ELIBBAD,
			"p_vaddr of PT_LOAD %u: %#lx + p_memsz %#lx is beyond any "
			"address",
			index, p->p_vaddr, p->p_memsz);
	if (p->p_align > 1 && (p->p_align & (p->p_align - 1) || p->p_align > ALIGN_LIMIT))
		return fail(view, -ELIBBAD,
			"p_align of PT_LOAD %u: %#lx is no power of two up to 1 GiB",
			index, p->p_align);
	uint64_t align = p->p_align > BASE_PAGE_BYTES ? p->p_align : BASE_PAGE_BYTES;
	if ((p->p_vaddr ^ p->p_offset) & (align - 1))
		return fail(view, -ELIBBAD,
			"p_vaddr of PT_LOAD %u: %#lx and p_offset %#lx differ modulo "
			"%#lx",
			index, p->p_vaddr, p->p_offset, align);
	if (p->p_flags & ~(uint32_t)(PF_R | PF_W | PF_X | PF_MASKOS | PF_MASKPROC))
		return fail(view, -ELIBBAD, "p_flags of PT_LOAD %u: %#x is not known",
			index, p->p_flags);
	if ((p->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
		return fail(view, -EPERM,
			"p_flags of PT_LOAD %u: writable and executable at once", index);
	return 0;
}

static int add_segment(struct elf_view *view, const Elf64_Phdr *p, uint64_t file_bytes,
	struct umod_error *error)
{
	unsigned index = view->segment_count;
	int result = check_load(view, index, p, file_bytes, error);
	if (result || p->p_memsz == 0)
		return result;
	struct elf_segment *segment = &view->segments[index];
	*segment = (struct elf_segment){
		.vaddr = p->p_vaddr,
		.memory_bytes = p->p_memsz,
		.offset = p->p_offset,
		.file_bytes = p->p_filesz,
		.align = p->p_align > BASE_PAGE_BYTES ? p->p_align : BASE_PAGE_BYTES,
		.flags = p->p_flags & (PF_R | PF_W | PF_X),
	};
	if (index > 0) {
		const struct elf_segment *before = segment - 1;
		uint64_t before_end = base_align_up(
			before->vaddr + before->memory_bytes, BASE_PAGE_BYTES);
		if (segment->vaddr < before->vaddr)
			return fail(view, -ELIBBAD,
				"p_vaddr of PT_LOAD %u: %#lx is below that of the one "
				"before",
				index, p->p_vaddr);
		if (base_align_down(segment->vaddr, BASE_PAGE_BYTES) < before_end)
			return fail(view, -ELIBBAD,
				"p_vaddr of PT_LOAD %u: %#lx shares a page with the one "
				"before",
				index, p->p_vaddr);
	}
	if (segment->align > view->max_align)
		view->max_align = segment->align;
	view->segment_count++;
	return 0;
}

static int set_tls(struct elf_view *view, const Elf64_Phdr *p, struct umod_error *error)
{
	uint64_t align = p->p_align ? p->p_align : 1;
	if (p->p_memsz == 0)
		return 0;
	if (view->tls_memory_bytes)
		return fail(view, -ELIBBAD, "PT_TLS: there is more than one");
	if (p->p_filesz > p->p_memsz)
		return fail(view, -ELIBBAD,
			"p_filesz of PT_TLS: %#lx exceeds p_memsz %#lx", p->p_filesz,
			p->p_memsz);
	if (p->p_memsz > ALIGN_LIMIT)
		return fail(view, -ELIBBAD,
			"p_memsz of PT_TLS: %#lx bytes for each thread", p->p_memsz);
	if (align & (align - 1) || align > (1u << 24))
		return fail(view, -ELIBBAD,
			"p_align of PT_TLS: %#lx is no power of two up to 16 MiB",
			p->p_align);
	if (p->p_filesz && !elf_view_in_memory(view, p->p_vaddr, p->p_filesz, NULL))
		return fail(view, -ELIBBAD,
			"p_vaddr of PT_TLS: %#lx + %#lx is in no segment", p->p_vaddr,
			p->p_filesz);
	view->tls_vaddr = p->p_vaddr;
	view->tls_file_bytes = p->p_filesz;
	view->tls_memory_bytes = p->p_memsz;
	view->tls_align = align;
	return 0;
}

static int set_relro(struct elf_view *view, const Elf64_Phdr *p, struct umod_error *error)
{
	unsigned at;
	if (p->p_memsz == 0)
		return 0;
	if (p->p_vaddr + p->p_memsz < p->p_vaddr || view->segment_count == 0)
		return fail(view, -ELIBBAD, "p_memsz of PT_GNU_RELRO: %#lx", p->p_memsz);
	uint64_t start = base_align_down(p->p_vaddr, BASE_PAGE_BYTES);
	uint64_t end = base_align_down(p->p_vaddr + p->p_memsz, BASE_PAGE_BYTES);
	if (!elf_view_in_memory(view, p->p_vaddr, 1, &at) || start < view->span_start)
		return fail(view, -ELIBBAD,
			"p_vaddr of PT_GNU_RELRO: %#lx is in no segment", p->p_vaddr);
	const struct elf_segment *segment = &view->segments[at];
	if (end > base_align_up(segment->vaddr + segment->memory_bytes, BASE_PAGE_BYTES))
		return fail(view, -ELIBBAD,
			"p_memsz of PT_GNU_RELRO: %#lx reaches past its segment",
			p->p_memsz);
	if (!(segment->flags & PF_W))
		return 0; /* nothing to take away */
	if (end > start) {
		view->relro_vaddr = start;
		view->relro_bytes = end - start;
	}
	return 0;
}

static int set_other(struct elf_view *view, const Elf64_Phdr *p, uint64_t file_bytes,
	struct umod_error *error)
{
	switch (p->p_type) {
	case PT_DYNAMIC:
		if (view->dynamic_bytes)
			return fail(view, -ELIBBAD, "PT_DYNAMIC: there is more than one");
		if (!elf_view_in_file(view, p->p_vaddr, p->p_filesz) || p->p_vaddr % 8)
			return fail(view, -ELIBBAD,
				"p_vaddr of PT_DYNAMIC: %#lx + p_filesz %#lx is in no "
				"segment's "
				"file part, or not aligned to 8",
				p->p_vaddr, p->p_filesz);
		view->dynamic_vaddr = p->p_vaddr;
		view->dynamic_bytes = p->p_filesz;
		return 0;
	case PT_TLS:
		return set_tls(view, p, error);
	case PT_GNU_RELRO:
		return set_relro(view, p, error);
	case PT_GNU_EH_FRAME:
		if (p->p_memsz && !elf_view_in_file(view, p->p_vaddr, p->p_memsz))
			return fail(view, -ELIBBAD,
				"p_vaddr of PT_GNU_EH_FRAME: %#lx + p_memsz %#lx is in "
				"no "
				"segment's file part",
				p->p_vaddr, p->p_memsz);
		view->eh_frame_hdr_vaddr = p->p_vaddr;
		view->eh_frame_hdr_bytes = p->p_memsz;
		return 0;
	case PT_GNU_STACK:
		view->has_stack_header = true;
		view->executable_stack = p->p_flags & PF_X;
		return 0;
	case PT_INTERP:
		if (!base_range_fits(p->p_offset, p->p_filesz, file_bytes))
			return fail(view, -ELIBBAD,
				"p_offset of PT_INTERP: %#lx lies outside the file",
				p->p_offset);
		view->interpreter_offset = p->p_offset;
		view->interpreter_bytes = p->p_filesz;
		return 0;
	default:
		return 0;
	}
}

/* PT_LOAD first: the others are checked against the segments. */
static int read_program_headers(
	struct elf_view *view, uint64_t file_bytes, struct umod_error *error)
{
	int result;
	view->max_align = BASE_PAGE_BYTES;
	for (unsigned i = 0; i < view->phdr_count; i++)
		if (view->phdrs[i].p_type == PT_LOAD) {
			result = add_segment(view, &view->phdrs[i], file_bytes, error);
			if (result)
				return result;
		}
	if (view->segment_count == 0)
		return fail(view, -ELIBBAD, "PT_LOAD: there is none");
	const struct elf_segment *last = &view->segments[view->segment_count - 1];
	view->span_start = base_align_down(view->segments[0].vaddr, BASE_PAGE_BYTES);
	view->span_end = base_align_up(last->vaddr + last->memory_bytes, BASE_PAGE_BYTES);
	for (unsigned i = 0; i < view->phdr_count; i++)
		if (view->phdrs[i].p_type != PT_LOAD) {
			result = set_other(view, &view->phdrs[i], file_bytes, error);
			if (result)
				return result;
		}
	if (view->dynamic_bytes == 0)
		return fail(view, -ENOEXEC,
			"PT_DYNAMIC: there is none; is it a separate "
			"debug file, or statically linked?");
	return 0;
}

static int allocate(struct elf_view *view, unsigned count, struct umod_error *error)
{
	/* One block for both arrays: an image is loaded often. */
	view->phdrs =
		base_alloc(count * (sizeof(Elf64_Phdr) + sizeof(struct elf_segment)));
	if (!view->phdrs)
		return fail(view, -ENOMEM, "no memory for %u program headers", count);
	view->segments = (void *)(view->phdrs + count);
	view->phdr_count = count;
	return 0;
}

int elf_view_headers(struct elf_view *view, const char *name, const uint8_t *bytes,
	uint64_t have, uint64_t file_bytes, uint64_t *need, struct umod_error *error)
{
	Elf64_Ehdr header;
	memset(view, 0, sizeof(*view));
	view->name = name;
	if (file_bytes < sizeof(header))
		return fail(view, -ENOEXEC,
			"e_ident: the file has %lu bytes, an ELF header needs %zu",
			file_bytes, sizeof(header));
	if (have < sizeof(header)) {
		*need = sizeof(header);
		return -EAGAIN;
	}
	memcpy(&header, bytes, sizeof(header));
	int result = check_header(view, &header, file_bytes, error);
	if (result)
		return result;
	uint64_t end = header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr);
	if (have < end) {
		*need = end;
		return -EAGAIN;
	}
	result = allocate(view, header.e_phnum, error);
	if (result)
		return result;
	memcpy(view->phdrs, bytes + header.e_phoff, header.e_phnum * sizeof(Elf64_Phdr));
	view->type = header.e_type;
	view->machine = header.e_machine;
	view->entry = header.e_entry;
	result = read_program_headers(view, file_bytes, error);
	if (result) {
		elf_view_clear(view);
		return result;
	}
	for (unsigned i = 0; i < view->segment_count; i++) {
		const struct elf_segment *s = &view->segments[i];
		if (header.e_phoff >= s->offset && end - s->offset <= s->file_bytes)
			view->phdr_vaddr = s->vaddr + (header.e_phoff - s->offset);
	}
	return 0;
}

int elf_view_host_headers(struct elf_view *view, const char *name, uintptr_t bias,
	const Elf64_Phdr *phdrs, unsigned phdr_count, struct umod_error *error)
{
	memset(view, 0, sizeof(*view));
	view->name = name;
	view->type = ET_DYN;
	view->bias = bias;
	int result = allocate(view, phdr_count, error);
	if (result)
		return result;
	memcpy(view->phdrs, phdrs, phdr_count * sizeof(*phdrs));
	view->max_align = BASE_PAGE_BYTES;
	view->span_start = UINT64_MAX;
	for (unsigned i = 0; i < phdr_count; i++) {
		const Elf64_Phdr *p = &phdrs[i];
		if (p->p_type == PT_LOAD && p->p_memsz) {
			uint64_t end =
				base_align_up(p->p_vaddr + p->p_memsz, BASE_PAGE_BYTES);
			view->segments[view->segment_count++] =
				(struct elf_segment){ p->p_vaddr, p->p_memsz, p->p_offset,
					p->p_filesz, BASE_PAGE_BYTES,
					p->p_flags & (PF_R | PF_W | PF_X) };
			if (base_align_down(p->p_vaddr, BASE_PAGE_BYTES) <
				view->span_start)
				view->span_start =
					base_align_down(p->p_vaddr, BASE_PAGE_BYTES);
			if (end > view->span_end)
				view->span_end = end;
		} else if (p->p_type == PT_DYNAMIC) {
			view->dynamic_vaddr = p->p_vaddr;
			view->dynamic_bytes = p->p_memsz;
		} else if (p->p_type == PT_GNU_EH_FRAME) {
			view->eh_frame_hdr_vaddr = p->p_vaddr;
			view->eh_frame_hdr_bytes = p->p_memsz;
		} else if (p->p_type == PT_TLS) {
			view->tls_vaddr = p->p_vaddr;
			view->tls_file_bytes = p->p_filesz;
			view->tls_memory_bytes = p->p_memsz;
			view->tls_align = p->p_align ? p->p_align : 1;
		}
	}
	if (view->segment_count == 0 || view->dynamic_bytes == 0) {
		elf_view_clear(view);
		return fail(view, -ENOEXEC, "the host's object has no dynamic section");
	}
	return 0;
}

bool elf_view_in_file(const struct elf_view *view, uint64_t vaddr, uint64_t bytes)
{
	for (unsigned i = 0; i < view->segment_count; i++) {
		const struct elf_segment *s = &view->segments[i];
		if (vaddr >= s->vaddr &&
			base_range_fits(vaddr - s->vaddr, bytes, s->file_bytes))
			return true;
	}
	return false;
}

bool elf_view_in_memory(
	const struct elf_view *view, uint64_t vaddr, uint64_t bytes, unsigned *segment)
{
	for (unsigned i = 0; i < view->segment_count; i++) {
		const struct elf_segment *s = &view->segments[i];
		if (vaddr < s->vaddr ||
			!base_range_fits(vaddr - s->vaddr, bytes, s->memory_bytes))
			continue;
		if (segment)
			*segment = i;
		return true;
	}
	return false;
}

bool elf_view_is_code(const struct elf_view *view, uint64_t vaddr)
{
	unsigned at;
	return elf_view_in_memory(view, vaddr, 1, &at) && view->segments[at].flags & PF_X;
}

void elf_view_clear(struct elf_view *view)
{
	const char *name = view->name;
	base_free(view->phdrs);
	base_free(view->versions);
	memset(view, 0, sizeof(*view));
	view->name = name;
}
