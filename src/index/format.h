/* SPDX-License-Identifier: MIT */
/*
 * Floor 4: what the index files of a module tree are made of, for who writes and who
 * reads them, and the rules of names. Facts of kmod's format: big-endian, a Patricia trie
 * of nodes, each {prefix NUL}? {first, last, child offsets}? {count, {priority, value
 * NUL}}? in this order, as the flags in the high nibble of the offset that leads to it
 * say.
 */
#ifndef UMOD_INDEX_FORMAT_H
#define UMOD_INDEX_FORMAT_H

#include "base/base.h"

#define INDEX_MAGIC         0xB007F457u
#define INDEX_VERSION       0x00020001u /* 2.1 */
#define INDEX_HEADER_BYTES  12u         /* magic, version, offset of the root */
#define INDEX_NODE_PREFIX   0x80000000u
#define INDEX_NODE_VALUES   0x40000000u
#define INDEX_NODE_CHILDREN 0x20000000u
#define INDEX_NODE_OFFSET   0x0FFFFFFFu
#define INDEX_CHARACTERS    128u /* keys and values are ASCII */

/* kmod's limit for a module's name and its path, with the NUL. */
#define INDEX_NAME_BYTES 4096u

/*
 * The module's name of the file @path: its last part, up to ".ko", ".ko.gz", ".ko.xz" or
 * ".ko.zst", '-' folded to '_'. Returns its length, or 0 when @path is no module's file
 * or @bytes are too few; @out then is "".
 */
size_t index_name_of_path(const char *path, char *out, size_t bytes);
/* Whether a file called @name, of @length, is a module's. */
bool index_is_module_file(const char *name, size_t length);
/* Folds '-' to '_' in a module's name. The length, or 0 if it does not fit. */
size_t index_fold_name(const char *name, char *out, size_t bytes);
/*
 * The same for an alias or a pattern: what stands in brackets stays. The length, or
 * -EINVAL for brackets without a partner, -ENAMETOOLONG.
 */
int index_fold_alias(const char *alias, char *out, size_t bytes);
/* Paul Hsieh's SuperFastHash, by which kmod's tables are ordered. */
uint32_t index_kmod_hash(const char *key, size_t length);

#endif
