/* SPDX-License-Identifier: MIT */
/*
 * umod/image.h: an ELF file that describes itself. Public functions on the elf floor; the
 * tree of needs is tree.c's. The bytes are copied from the file, so that strings stay
 * good whatever happens to the file afterwards. Loads nothing.
 */
#include "api/api.h"

#include <sys/mman.h>

struct umod_image {
	struct elf_view view;
	char *name;
	void *copy; /* mapped, or NULL: the caller's buffer is used */
	uint64_t copy_bytes, file_bytes;
	/* Found once, so that asking for the n-th takes no search. */
	struct image_need {
		const char *name;
		enum umod_need_kind kind;
	} * needs;
	unsigned need_count;
	uint16_t *versions; /* indices in view.versions that are in use */
	unsigned version_count;
	char *build_id, *interpreter;
	uint64_t exports, imports, relr_addresses;
};

#define fail(code, ...) base_error(error, UMOD_STAGE_OPEN, code, image->name, __VA_ARGS__)

/* ---- bytes ---- */

/* Makes image->copy hold at least the first @bytes of @fd. */
static int read_to(
	struct umod_image *image, int fd, uint64_t bytes, struct umod_error *error)
{
	void *copy;

	if (bytes <= image->copy_bytes)
		return 0;
	int result = base_sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, &copy);
	if (result)
		return fail(result, "no memory for %lu bytes of the file",
			(unsigned long)bytes);
	int64_t got = base_sys_pread(fd, copy, bytes, 0);
	if (got < 0 || (uint64_t)got < bytes) {
		base_sys_munmap(copy, bytes);
		if (got < 0)
			return fail((int)got, "cannot be read: %s", strerror((int)-got));
		return fail(-EBUSY, "was cut short while it was read");
	}
	if (image->copy)
		base_sys_munmap(image->copy, image->copy_bytes);
	image->copy = copy;
	image->copy_bytes = bytes;
	return 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Where the last byte ends that a description needs: debug sections lie behind it. */
static uint64_t described_bytes(const struct elf_view *view, uint64_t file_bytes)
{
	uint64_t end = view->interpreter_offset + view->interpreter_bytes;

	for (unsigned i = 0; i < view->segment_count; i++)
		end = larger(
			end, view->segments[i].offset + view->segments[i].file_bytes);
	for (unsigned i = 0; i < view->phdr_count; i++) {
		const Elf64_Phdr *p = &view->phdrs[i];
		if (p->p_type == PT_NOTE &&
			base_range_fits(p->p_offset, p->p_filesz, file_bytes))
			end = larger(end, p->p_offset + p->p_filesz);
	}
	return end;
}

static int open_regular(struct umod_image *image, int *fd, struct umod_error *error)
{
	struct stat st;
	/* First, for opening a pipe or a device may wait or do something. */
	int result = base_sys_stat(image->name, &st);

	if (result)
		return fail(result, "%s", strerror(-result));
	if (S_ISDIR(st.st_mode))
		return fail(-EISDIR, "is a directory");
	if (!S_ISREG(st.st_mode))
		return fail(-ENOEXEC, "is not a regular file");
	*fd = base_sys_open(image->name);
	if (*fd < 0)
		return fail(*fd, "%s", strerror(-*fd));
	result = base_sys_fstat(*fd, &st);
	if (result)
		return fail(result, "%s", strerror(-result));
	image->file_bytes = (uint64_t)st.st_size;
	return 0;
}

static int read_file(struct umod_image *image, struct umod_error *error)
{
	BASE_AUTO_CLOSE int fd = -1;
	int result = open_regular(image, &fd, error);
	uint64_t need = image->file_bytes < 4096 ? image->file_bytes : 4096;

	if (result)
		return result;
	do {
		result = read_to(image, fd, need, error);
		if (!result)
			result = elf_view_headers(&image->view, image->name, image->copy,
				image->copy_bytes, image->file_bytes, &need, error);
	} while (result == -EAGAIN);
	if (!result)
		result = read_to(image, fd,
			described_bytes(&image->view, image->file_bytes), error);
	return result;
}

/* ---- what is found once, at the opening ---- */

static int find_needs(struct umod_image *image)
{
	const struct elf_view *view = &image->view;
	unsigned capacity = 0;

	for (unsigned i = 0; i < view->dynamic_count; i++) {
		int64_t tag = view->dynamic[i].d_tag;
		if (tag != DT_NEEDED && tag != DT_FILTER && tag != DT_AUXILIARY)
			continue;
		if (base_grow(&image->needs, image->need_count, &capacity,
			    sizeof(*image->needs)))
			return -ENOMEM;
		struct image_need *need = &image->needs[image->need_count++];
		need->name = elf_view_string(view, view->dynamic[i].d_un.d_val);
		need->kind = tag == DT_NEEDED   ? UMOD_NEED_NEEDED
			     : tag == DT_FILTER ? UMOD_NEED_FILTER
						: UMOD_NEED_AUXILIARY;
	}
	return 0;
}

static int find_versions(struct umod_image *image)
{
	const struct elf_view *view = &image->view;

	if (view->version_count == 0)
		return 0;
	image->versions = base_array(view->version_count, sizeof(*image->versions));
	if (!image->versions)
		return -ENOMEM;
	for (unsigned i = 0; i < view->version_count; i++) {
		if (view->versions[i].id && view->versions[i].name)
			image->versions[image->version_count++] = (uint16_t)i;
	}
	return 0;
}

/* The description of GNU's build-id note in @bytes of notes, as hexadecimal. */
static char *read_build_id(const uint8_t *notes, uint64_t bytes)
{
	Elf64_Nhdr note;
	uint64_t at = 0;

	while (base_range_fits(at, sizeof(note), bytes)) {
		memcpy(&note, notes + at, sizeof(note));
		uint64_t name = at + sizeof(note);
		uint64_t data = name + base_align_up(note.n_namesz, 4);
		if (!base_range_fits(data, note.n_descsz, bytes))
			return NULL;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
			memcmp(notes + name, "GNU", 4) == 0 && note.n_descsz <= 64) {
			char *text = base_zalloc(note.n_descsz * 2 + 1);
			for (unsigned i = 0; text && i < note.n_descsz; i++) {
				text[2 * i] = "0123456789abcdef"[notes[data + i] >> 4];
				text[2 * i + 1] =
					"0123456789abcdef"[notes[data + i] & 15];
			}
			return text;
		}
		at = data + base_align_up(note.n_descsz, 4);
	}
	return NULL;
}

static void find_notes(struct umod_image *image, const uint8_t *bytes, uint64_t count)
{
	const struct elf_view *view = &image->view;

	for (unsigned i = 0; i < view->phdr_count && !image->build_id; i++) {
		const Elf64_Phdr *p = &view->phdrs[i];
		if (p->p_type == PT_NOTE &&
			base_range_fits(p->p_offset, p->p_filesz, count))
			image->build_id = read_build_id(bytes + p->p_offset, p->p_filesz);
	}
	if (view->interpreter_bytes &&
		base_range_fits(view->interpreter_offset, view->interpreter_bytes, count))
		image->interpreter =
			base_strndup((const char *)bytes + view->interpreter_offset,
				view->interpreter_bytes);
}

static void count_entries(struct umod_image *image)
{
	const struct elf_view *view = &image->view;

	for (uint64_t i = 1; i < view->symbol_count; i++) {
		const Elf64_Sym *symbol = &view->symbols[i];
		if (elf_symbol_is_definition(symbol))
			image->exports++;
		else if (symbol->st_shndx == SHN_UNDEF && symbol->st_name)
			image->imports++;
	}
	/* An even word is an address, an odd one a bit for each of the 63 after it. */
	for (uint64_t i = 0; i < view->relr_count; i++)
		image->relr_addresses +=
			view->relr[i] & 1
				? (uint64_t)__builtin_popcountl(view->relr[i] >> 1)
				: 1;
}

static int describe(struct umod_image *image, const uint8_t *bytes, uint64_t count,
	struct umod_error *error)
{
	/* A description needs no code of the file: any machine's will do. */
	int result = elf_view_tables(&image->view, bytes, count, true, error);

	if (result)
		return result;
	if (image->view.symbol_count > image->view.symbol_limit)
		image->view.symbol_count = image->view.symbol_limit;
	find_notes(image, bytes, count);
	count_entries(image);
	result = find_needs(image);
	if (!result)
		result = find_versions(image);
	if (result)
		base_error(error, UMOD_STAGE_DESCRIBE, result, image->name,
			"no memory to describe it");
	return result;
}

/* ---- open and close ---- */

static struct umod_image *image_new(const char *name, struct umod_error *error)
{
	struct umod_image *image = base_zalloc(sizeof(*image));

	if (image)
		image->name = base_strdup(name);
	if (image && image->name)
		return image;
	base_free(image);
	base_error(error, UMOD_STAGE_OPEN, -ENOMEM, name, "no memory for an image");
	return NULL;
}

UMOD_EXPORT int umod_image_open(
	const char *path, struct umod_image **out, struct umod_error *error)
{
	umod_error_clear(error);
	if (!out)
		return base_error(
			error, UMOD_STAGE_NONE, -EINVAL, path, "out must not be NULL");
	*out = NULL;
	if (!path)
		return base_error(
			error, UMOD_STAGE_NONE, -EINVAL, NULL, "path must not be NULL");
	struct umod_image *image = image_new(path, error);
	if (!image)
		return -ENOMEM;
	int result = read_file(image, error);
	if (!result)
		result = describe(image, image->copy, image->copy_bytes, error);
	if (result)
		umod_image_close(image);
	else
		*out = image;
	return result;
}

/* The tables are read in place, as words: they must lie at multiples of 8. */
static int align_buffer(struct umod_image *image, const void **bytes, uint64_t count,
	struct umod_error *error)
{
	if ((uintptr_t)*bytes % 8 == 0 || count == 0)
		return 0;
	int result = base_sys_mmap(NULL, count, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &image->copy);
	if (result) {
		image->copy = NULL;
		return fail(result, "no memory for %lu bytes", (unsigned long)count);
	}
	image->copy_bytes = count;
	memcpy(image->copy, *bytes, count);
	*bytes = image->copy;
	return 0;
}

UMOD_EXPORT int umod_image_open_buffer(const char *name, const void *bytes,
	size_t byte_count, struct umod_image **out, struct umod_error *error)
{
	uint64_t need = 0;

	umod_error_clear(error);
	if (!out || (!bytes && byte_count))
		return base_error(error, UMOD_STAGE_NONE, -EINVAL, name,
			"out and bytes must not be NULL");
	*out = NULL;
	struct umod_image *image = image_new(name ? name : "(buffer)", error);
	if (!image)
		return -ENOMEM;
	image->file_bytes = byte_count;
	int result = align_buffer(image, &bytes, byte_count, error);
	if (!result)
		result = elf_view_headers(&image->view, image->name, bytes, byte_count,
			byte_count, &need, error);
	if (!result)
		result = describe(image, bytes, byte_count, error);
	if (result)
		umod_image_close(image);
	else
		*out = image;
	return result;
}

UMOD_EXPORT void umod_image_close(struct umod_image *image)
{
	if (!image)
		return;
	elf_view_clear(&image->view);
	if (image->copy)
		base_sys_munmap(image->copy, image->copy_bytes);
	base_free(image->needs);
	base_free(image->versions);
	base_free(image->build_id);
	base_free(image->interpreter);
	base_free(image->name);
	base_free(image);
}

/* ---- questions ---- */

UMOD_EXPORT void umod_image_info_get(
	const struct umod_image *image, struct umod_image_info *out)
{
	const struct elf_view *view = &image->view;
	struct umod_image_info info = {
		.file_bytes = image->file_bytes,
		.type = view->flags_1 & DF_1_PIE ? "executable" : "shared object",
		.machine = elf_machine_name(view->machine),
		.soname = view->soname,
		.runpath = view->runpath,
		.rpath = view->rpath,
		.interpreter = image->interpreter,
		.build_id = image->build_id,
		.span_bytes = view->span_end - view->span_start,
		.segments = view->segment_count,
		.max_align_bytes = view->max_align,
		.tls_bytes = view->tls_memory_bytes,
		.tls_align_bytes = view->tls_memory_bytes ? view->tls_align : 0,
		.relro_bytes = view->relro_bytes,
		.relocations = view->rela_count + view->plt_count + image->relr_addresses,
		.relative = view->relative_count + image->relr_addresses,
		.plt = view->plt_count,
		.symbols = view->symbol_count,
		.exports = image->exports,
		.imports = image->imports,
		.flags = view->flags,
		.flags_1 = view->flags_1,
		.init_functions = view->init_array_count + (view->init_vaddr != 0),
		.fini_functions = view->fini_array_count + (view->fini_vaddr != 0),
		.gnu_hash = view->has_gnu_hash,
		.sysv_hash = view->has_sysv_hash,
		.text_relocations = view->text_relocations,
		.executable_stack = view->executable_stack,
		.static_tls = view->flags & DF_STATIC_TLS,
		.relr = view->relr_count != 0,
	};

	api_fill(out, out->size_bytes, &info, sizeof(info));
}

UMOD_EXPORT int umod_image_segment(
	const struct umod_image *image, unsigned index, struct umod_segment *out)
{
	if (index >= image->view.segment_count)
		return -ENOENT;
	const struct elf_segment *segment = &image->view.segments[index];
	*out = (struct umod_segment){
		.vaddr = segment->vaddr,
		.memory_bytes = segment->memory_bytes,
		.offset = segment->offset,
		.file_bytes = segment->file_bytes,
		.align_bytes = segment->align,
		.flags = segment->flags,
	};
	return 0;
}

UMOD_EXPORT const char *umod_image_need(
	const struct umod_image *image, unsigned index, enum umod_need_kind *kind)
{
	if (index >= image->need_count)
		return NULL;
	if (kind)
		*kind = image->needs[index].kind;
	return image->needs[index].name;
}

UMOD_EXPORT int umod_image_symbol(
	const struct umod_image *image, uint64_t index, struct umod_symbol *out)
{
	const struct elf_view *view = &image->view;
	bool hidden = false;

	if (index >= view->symbol_count)
		return -ENOENT;
	const Elf64_Sym *symbol = &view->symbols[index];
	const struct elf_version *version = elf_view_symbol_version(view, index, &hidden);
	const char *name = elf_view_string(view, symbol->st_name);
	*out = (struct umod_symbol){
		.name = name ? name : "",
		.version = version ? version->name : NULL,
		.version_file = version ? version->file : NULL,
		.defined = symbol->st_shndx != SHN_UNDEF,
		.value = symbol->st_value,
		.bytes = symbol->st_size,
		.type = ELF64_ST_TYPE(symbol->st_info),
		.bind = ELF64_ST_BIND(symbol->st_info),
		.visibility = ELF64_ST_VISIBILITY(symbol->st_other),
	};
	out->version_default = out->defined && version && !version->file && !hidden;
	return 0;
}

UMOD_EXPORT int umod_image_version(
	const struct umod_image *image, unsigned index, struct umod_version *out)
{
	if (index >= image->version_count)
		return -ENOENT;
	const struct elf_version *version = &image->view.versions[image->versions[index]];
	*out = (struct umod_version){
		.name = version->name,
		.file = version->file,
		.weak = version->weak,
		.base = version->base,
	};
	return 0;
}
