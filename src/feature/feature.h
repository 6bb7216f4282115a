/* SPDX-License-Identifier: MIT */
/*
 * Floor 4: what is optional or particular to a format, a file each: decompression, and
 * what a module in the kernel's format says of itself.
 *
 * Back ends are other people's libraries, loaded at their first use by umod itself into
 * one private namespace, through the public interface as any user's library is: the only
 * upward call of this floor. A back end that was built off or cannot be loaded answers
 * -ENOTSUP with a message that names its package.
 *
 * Any thread may call, each with its own structs.
 */
#ifndef UMOD_FEATURE_H
#define UMOD_FEATURE_H

#include "base/base.h"
#include "elf/object.h"

/* ---- back ends (backend.c) ---- */

enum feature_backend {
	FEATURE_ZLIB,
	FEATURE_LZMA,
	FEATURE_ZSTD,
	FEATURE_CRYPTO,
	FEATURE_DW,
	FEATURE_BACKEND_COUNT,
};

/*
 * Loads back end @which, once in the process, and looks up @names (ended by NULL) in it,
 * storing their addresses in @out. Returns 0, or -ENOTSUP with the reason in @error; a
 * failure is not remembered. The library is never unloaded.
 */
int feature_backend_symbols(enum feature_backend which, const char *const *names,
	void **out, struct umod_error *error);
/* The namespace of all of them, to which no policy applies; NULL: none was needed yet. */
struct umod_namespace;
const struct umod_namespace *feature_backend_space(void);
/* "zlib", "liblzma", "libzstd", "libcrypto", "libdw", and the Debian package; static. */
const char *feature_backend_name(enum feature_backend which);
const char *feature_backend_package(enum feature_backend which);
/* Whether it was built in; that it can be loaded is another matter. */
bool feature_backend_built(enum feature_backend which);

/* ---- decompression (decompress.c) ---- */

enum feature_compression {
	FEATURE_PLAIN,
	FEATURE_GZIP,
	FEATURE_XZ,
	FEATURE_ZSTANDARD,
};
#define FEATURE_MAGIC_BYTES 6
/* The most that a module may unpack to. */
#define FEATURE_LIMIT_BYTES ((uint64_t)1 << 30)

/* By magic; too few bytes are FEATURE_PLAIN. */
enum feature_compression feature_compression_of(const void *bytes, size_t count);

/* A buffer that grows and is used again. Zeroed: empty. The caller frees it. */
struct feature_buffer {
	uint8_t *bytes; /* mapped, page-aligned */
	size_t count, capacity;
};
void feature_buffer_free(struct feature_buffer *buffer);
/* Makes room for @capacity bytes; keeps what is there. 0 or -ENOMEM. */
int feature_buffer_reserve(struct feature_buffer *buffer, size_t capacity);
/* Gives pages past @bytes back to the system: after one large module among small ones. */
void feature_buffer_trim(struct feature_buffer *buffer, size_t bytes);

/*
 * Reads the rest of @fd into @out from its beginning, unpacked if its magic says so;
 * *@packing (may be NULL) tells how. Packed input is streamed. -EFBIG: more than @limit;
 * -EBADMSG: damaged; -ENOTSUP: no back end. *@out then holds nothing.
 */
int feature_read(int fd, const char *name, uint64_t limit, struct feature_buffer *out,
	enum feature_compression *packing, struct umod_error *error);
/* The same of all of @fd, whose position does not matter and stays. */
int feature_read_whole(int fd, const char *name, uint64_t limit,
	struct feature_buffer *out, enum feature_compression *packing,
	struct umod_error *error);
/* The same from memory. */
int feature_unpack(const void *bytes, size_t count, const char *name, uint64_t limit,
	struct feature_buffer *out, enum feature_compression *packing,
	struct umod_error *error);
/* Opens @path, relative to @directory (AT_FDCWD, or a descriptor), and feature_read. */
int feature_read_path(int directory, const char *path, uint64_t limit,
	struct feature_buffer *out, enum feature_compression *packing,
	struct umod_error *error);

/* ---- a file in parts (partial.c) ---- */

/*
 * Which parts of a file were read, in order and apart. No byte is to be read twice: what
 * was checked would be another then, if somebody writes the file meanwhile.
 */
#define FEATURE_PARTS 16
struct feature_parts {
	struct {
		uint64_t start, end;
	} items[FEATURE_PARTS];
	unsigned count;
};
/*
 * The first stretch of [*@start, *@end) that was not read, in *@start and *@end; counted
 * as read from then on. False: all of it was.
 */
bool feature_parts_next(struct feature_parts *parts, uint64_t *start, uint64_t *end);
/*
 * What to read for [offset, offset + count) of a file of @total bytes, in *@start and
 * *@end: more on both sides, that is likely asked for next. False: nothing.
 */
bool feature_parts_want(const struct feature_parts *parts, uint64_t offset,
	uint64_t count, uint64_t total, uint64_t *start, uint64_t *end);

/* Zeroed: closed. Its buffer is used again from one file to the next; the caller frees
 * that. */
struct feature_partial {
	struct feature_buffer buffer;
	int fd;
	uint64_t count;
	struct feature_parts parts;
};
/*
 * Makes *@out the bytes of @fd, which must stay open while they are asked for: unpacked
 * if they are packed; read now if they are @whole, packed, or fewer than @first_bytes;
 * else piece by piece, as `fetch` is asked. What `feature_read` returns.
 */
int feature_partial_open(struct feature_partial *partial, int fd, const char *name,
	bool whole, size_t first_bytes, struct elf_bytes *out, struct umod_error *error);

/* ---- what a module says of itself (module_info.c) ---- */

/* .modinfo: "key=value" strings. Lengths without the NUL, which is there. */
struct feature_field {
	const char *key; /* key_bytes of it; not ended */
	size_t key_bytes;
	const char *value; /* ended; "" for a string without '=' */
	size_t value_bytes;
};
struct feature_info {
	const char *bytes; /* of the section; NULL: none */
	size_t count;      /* up to and with the last NUL */
};
/* Finds .modinfo. An object without it has no fields: no error. */
int feature_info_open(const struct elf_object *object, struct feature_info *out,
	struct umod_error *error);
/* The next field; *@cursor starts at 0. False: no more. */
bool feature_info_next(
	const struct feature_info *info, size_t *cursor, struct feature_field *out);
/* The first value of @key, or NULL. */
const char *feature_info_get(const struct feature_info *info, const char *key);
bool feature_field_is(const struct feature_field *field, const char *key);

/* What a module offers. Names are in the object. */
struct feature_export {
	const char *name;
	const char *space; /* export namespace; NULL or "": none */
	uint64_t crc;
	bool has_crc, gpl_only;
};
/* What it needs: undefined symbols, in the order of the symbol table. */
struct feature_import {
	const char *name;
	uint64_t crc; /* from __version_ext_*, else from __versions */
	bool has_crc, weak;
};
/* Arrays that are filled anew by each call. Zeroed: empty. The caller frees them. */
struct feature_exports {
	struct feature_export *items;
	unsigned count, capacity;
	char *words; /* that names may point into */
};
struct feature_imports {
	struct feature_import *items;
	unsigned count, capacity;
};
/*
 * Reads what the object exports from __ksymtab and __ksymtab_gpl through their
 * relocations, __kcrctab*, __kflagstab; both layouts (relative and absolute). In the
 * order of the tables. An object without them may be a module of umod's own, whose
 * fields export, export_gpl, export_ns and export_gpl_ns say it. -ELIBBAD: damaged.
 */
int feature_exports_read(const struct elf_object *object, struct feature_exports *out,
	struct umod_error *error);
/* CRCs are looked up only if @want_crcs: it costs an index of them. */
int feature_imports_read(const struct elf_object *object, bool want_crcs,
	struct feature_imports *out, struct umod_error *error);
void feature_exports_free(struct feature_exports *exports);
void feature_imports_free(struct feature_imports *imports);

#define FEATURE_VERSION_NAME_BYTES 56 /* of a name in __versions; it may fill them */
/* Versions of imports as stored: walks __version_ext_* if there, else __versions. */
struct feature_version {
	const char *name; /* name_bytes of it; perhaps not ended */
	size_t name_bytes;
	uint64_t crc;
};
struct feature_versions {
	const uint8_t *entries;   /* __versions: 64 bytes each; or NULL */
	const uint8_t *crcs;      /* __version_ext_crcs: 4 bytes each; or NULL */
	const char *names;        /* __version_ext_names, ended */
	size_t count, name_bytes; /* of entries or crcs */
};
int feature_versions_open(const struct elf_object *object, struct feature_versions *out,
	struct umod_error *error);
/* The same of its exports, as umod abi writes them: __export_ext_crcs and _names. */
int feature_export_versions_open(const struct elf_object *object,
	struct feature_versions *out, struct umod_error *error);
/* *@index and *@offset start at 0. False: no more. */
bool feature_versions_next(const struct feature_versions *versions, size_t *index,
	size_t *offset, struct feature_version *out);

/* ---- the signature's place (module_info.c); its worth is another file's matter ---- */

#define FEATURE_SIGNATURE_MAGIC       "~Module signature appended~\n"
#define FEATURE_SIGNATURE_MAGIC_BYTES 28
struct feature_signature {
	uint64_t body_bytes;    /* of the file that are signed: from its start */
	uint64_t offset, bytes; /* of the signature (PKCS#7 DER) */
	uint8_t algo, hash, id_type, signer_bytes, key_id_bytes;
};
/*
 * Finds the trailer at the end of @file. Returns 0; -ENODATA when there is none; -EBADMSG
 * when it is damaged; or what `fetch` returned.
 */
int feature_signature_find(const struct elf_bytes *file, const char *name,
	struct feature_signature *out, struct umod_error *error);

#endif
