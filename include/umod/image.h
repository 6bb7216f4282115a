/* SPDX-License-Identifier: MIT */
/*
 * umod/image.h: read an ELF file without loading it.
 *
 * An image is opened, validated as a load would validate it, and then describes itself:
 * segments, dynamic section, needs, symbols and versions. Nothing of it is mapped for
 * execution. An image belongs to one thread at a time.
 */
#ifndef UMOD_IMAGE_H
#define UMOD_IMAGE_H

#include <umod/context.h>

#ifdef __cplusplus
extern "C" {
#endif

struct umod_image;
struct umod_source;

/*
 * Opens and validates @path (a file, not searched for). On success 0 and *@out is the
 * caller's, to be closed; on failure a negative errno as umod_load gives, with the stage
 * and the field in @error, and *@out is NULL. Since 0.1.
 */
int umod_image_open(const char *path, struct umod_image **out, struct umod_error *error);

/* As above, from bytes in memory that must stay until the image is closed. Since 0.1. */
int umod_image_open_buffer(const char *name, const void *bytes, size_t byte_count,
	struct umod_image **out, struct umod_error *error);

/* NULL is ignored. Since 0.1. */
void umod_image_close(struct umod_image *image);

/* What the headers and the dynamic section say. Strings are borrowed. Set @size_bytes. */
struct umod_image_info {
	size_t size_bytes;
	uint64_t file_bytes;
	const char *type;    /* "shared object", "executable", "relocatable" */
	const char *machine; /* "x86-64", "aarch64", "riscv64", ... */
	const char *soname, *runpath, *rpath, *interpreter; /* NULL if none */
	const char *build_id;                               /* hexadecimal, or NULL */
	uint64_t span_bytes;                                /* address space needed */
	unsigned segments;
	uint64_t max_align_bytes;
	uint64_t tls_bytes, tls_align_bytes;
	uint64_t relro_bytes;
	uint64_t relocations, relative, plt; /* entries; RELR counted by address */
	uint64_t symbols, exports, imports;
	unsigned flags, flags_1; /* DT_FLAGS, DT_FLAGS_1 */
	uint64_t init_functions, fini_functions;
	bool gnu_hash, sysv_hash, text_relocations, executable_stack, static_tls, relr;
};
/* Fills as much of *@out as its size_bytes says. Since 0.1. */
void umod_image_info_get(const struct umod_image *image, struct umod_image_info *out);

/* One PT_LOAD segment. */
struct umod_segment {
	uint64_t vaddr, memory_bytes, offset, file_bytes, align_bytes;
	unsigned flags; /* PF_R | PF_W | PF_X */
};
/* 0, or -ENOENT past the last. Since 0.1. */
int umod_image_segment(
	const struct umod_image *image, unsigned index, struct umod_segment *out);

enum umod_need_kind {
	UMOD_NEED_NEEDED,
	UMOD_NEED_FILTER,
	UMOD_NEED_AUXILIARY,
};
/* The @index-th need, borrowed; NULL past the last. @kind may be NULL. Since 0.1. */
const char *umod_image_need(
	const struct umod_image *image, unsigned index, enum umod_need_kind *kind);

/* A symbol of the dynamic symbol table. Strings are borrowed. */
struct umod_symbol {
	const char *name;
	const char *version;      /* NULL if it has none */
	const char *version_file; /* for an import: the file that must have it, or NULL */
	bool version_default;     /* name@@version */
	bool defined;
	uint64_t value, bytes;
	unsigned char type, bind, visibility; /* STT_*, STB_*, STV_* */
};
/* The @index-th symbol (0 is the null symbol); -ENOENT past the last. Since 0.1. */
int umod_image_symbol(
	const struct umod_image *image, uint64_t index, struct umod_symbol *out);

/* A version: defined by the image (file NULL) or needed of a file. */
struct umod_version {
	const char *name, *file;
	bool weak, base;
};
/* 0, or -ENOENT past the last. Since 0.1. */
int umod_image_version(
	const struct umod_image *image, unsigned index, struct umod_version *out);

/*
 * Where a load of an image would find its needs, breadth first, without running anything.
 * @visit is called for each: @depth from 0 for the image itself, @name as needed, @path
 * where found or NULL, @how ("runpath", "cache", "default", "host", "seen before", ...)
 * or, if not found, the places searched. Returns what @visit returned last if not 0.
 * Since 0.1.
 */
int umod_image_tree(struct umod_context *context, const char *path,
	int (*visit)(unsigned depth, const char *name, const char *path, const char *how,
		void *data),
	void *data, struct umod_error *error);

#ifdef __cplusplus
}
#endif
#endif
