/* SPDX-License-Identifier: MIT */
/*
 * /etc/ld.so.cache, as ldconfig(8) of glibc 2.36 writes it: format glibc-ld.so.cache1.1,
 * alone or behind a block of the older format ld.so-1.7.0, or that one alone. All numbers
 * and strings are checked once, when it is opened; a lookup then trusts offsets, but not
 * the order of the entries: a wrong order loses names, no more. The file is read, not
 * mapped, so that nobody who cuts it short can hurt the process.
 */
#include "find/internal.h"

#include <elf.h>
#include <stdio.h>
#include <sys/utsname.h>

#define OLD_MAGIC        "ld.so-1.7.0"
#define NEW_MAGIC        "glibc-ld.so.cache"
#define NEW_VERSION      "1.1"
#define OLD_HEADER_BYTES 16u
#define NEW_HEADER_BYTES 48u
#define OLD_ENTRY_BYTES  12u
#define NEW_ENTRY_BYTES  24u
#define EXTENSION_MAGIC  0xeaa42174u
#define EXTENSION_HWCAPS 1u
#define SECTION_BYTES    16u
#define ENDIAN_MASK      3u
#define ENDIAN_LITTLE    2u
#define HWCAP_EXTENSION  0x40000000u /* in the upper half of an entry's hwcap */
#define HWCAP_ISA_MASK   0x3ffu
#define CACHE_BYTES_MAX  ((off_t)256 << 20)
#if defined(__x86_64__)
#define WANTED_FLAGS 0x303u /* an ELF library for libc6, x86-64 */
#elif defined(__aarch64__)
#define WANTED_FLAGS 0xa03u
#else
#define WANTED_FLAGS 0x3u
#endif

struct find_cache {
	uint8_t *owned; /* the file's bytes; NULL: they are the caller's */
	char *path;     /* NULL: opened from a buffer */
	struct stat st; /* of the file as it was read */
	const uint8_t *entries;
	unsigned count, entry_bytes;
	const char *strings; /* the entries' offsets count from here */
	uint8_t *ranks;      /* of glibc-hwcaps names: 1 is best, 0 not for us */
	unsigned rank_count;
};

/* A cache that is being read, with what is known of its bounds. */
struct reading {
	const uint8_t *bytes;
	size_t count;
	struct find_cache *cache;
	uint64_t strings_at, strings_end; /* in the file */
	uint64_t base;                    /* of string offsets */
	const char *path;
	struct umod_error *error;
};

struct entry {
	uint32_t flags, key, value, os_version;
	uint32_t hwcap, hwcap_high;
};

/* Bytes may stand anywhere; x86-64 and AArch64 both have this byte order. */
static uint32_t read_32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void read_entry(const struct find_cache *cache, unsigned i, struct entry *out)
{
	const uint8_t *at = cache->entries + (size_t)i * cache->entry_bytes;

	memset(out, 0, sizeof(*out));
	memcpy(out, at, cache->entry_bytes);
}

static int damaged(const struct reading *r, const char *what, uint64_t value)
{
	return base_error(r->error, UMOD_STAGE_OPEN, -EINVAL, r->path,
		"the library cache is damaged: %s (%llu, of %zu bytes)", what,
		(unsigned long long)value, r->count);
}

static bool string_fits(const struct reading *r, uint32_t offset)
{
	uint64_t at = r->base + offset;

	/* The area ends with a NUL, so that every string in it ends. */
	return at >= r->strings_at && at < r->strings_end;
}

/* Headers: where the entries are, and which format they have. */
static int read_headers(struct reading *r)
{
	uint64_t at = 0, count = 0;
	struct find_cache *cache = r->cache;

	if (r->count >= OLD_HEADER_BYTES && memcmp(r->bytes, OLD_MAGIC, 11) == 0) {
		count = read_32(r->bytes + 12);
		if (count > (r->count - OLD_HEADER_BYTES) / OLD_ENTRY_BYTES)
			return damaged(r, "too many entries of the old format", count);
		at = base_align_up(OLD_HEADER_BYTES + count * OLD_ENTRY_BYTES, 8);
	}
	if (base_range_fits(at, NEW_HEADER_BYTES, r->count) &&
		memcmp(r->bytes + at, NEW_MAGIC, 17) == 0) {
		const uint8_t *head = r->bytes + at;
		if (memcmp(head + 17, NEW_VERSION, 3) != 0)
			return damaged(r, "its version is not 1.1", at);
		uint8_t order = head[28] & ENDIAN_MASK;
		if (order != 0 && order != ENDIAN_LITTLE)
			return damaged(r, "its byte order is not little-endian", order);
		count = read_32(head + 20);
		uint64_t rest = r->count - at - NEW_HEADER_BYTES;
		if (count > rest / NEW_ENTRY_BYTES || count > INT32_MAX)
			return damaged(r, "too many entries", count);
		rest -= count * NEW_ENTRY_BYTES;
		if (read_32(head + 24) > rest)
			return damaged(
				r, "its strings are longer than it", read_32(head + 24));
		cache->entries = head + NEW_HEADER_BYTES;
		cache->entry_bytes = NEW_ENTRY_BYTES;
		r->base = at;
		r->strings_at = at + NEW_HEADER_BYTES + count * NEW_ENTRY_BYTES;
		r->strings_end = r->strings_at + read_32(head + 24);
	} else if (at > 0) {
		cache->entries = r->bytes + OLD_HEADER_BYTES;
		cache->entry_bytes = OLD_ENTRY_BYTES;
		r->base = r->strings_at = OLD_HEADER_BYTES + count * OLD_ENTRY_BYTES;
		r->strings_end = r->count;
	} else {
		return damaged(r, "it does not start as one", 0);
	}
	cache->count = (unsigned)count;
	cache->strings = (const char *)r->bytes + r->base;
	return 0;
}

static int check_entries(struct reading *r)
{
	struct entry entry;

	if (r->strings_end > r->strings_at && r->bytes[r->strings_end - 1])
		return damaged(r, "its strings do not end with a NUL", r->strings_end);
	for (unsigned i = 0; i < r->cache->count; i++) {
		read_entry(r->cache, i, &entry);
		if (!string_fits(r, entry.key))
			return damaged(r, "a name lies outside the strings", entry.key);
		if (!string_fits(r, entry.value))
			return damaged(r, "a path lies outside the strings", entry.value);
	}
	return 0;
}

/* What each glibc-hwcaps name of the cache is worth on this processor. */
static int read_hwcaps(struct reading *r, uint32_t at, uint32_t bytes)
{
	struct find_cache *cache = r->cache;
	const char *const *best = find_hwcaps();

	if (!base_range_fits(at, bytes, r->count) || bytes % 4)
		return damaged(r, "its table of glibc-hwcaps does not fit", at);
	if (cache->ranks)
		return damaged(r, "it has two tables of glibc-hwcaps", at);
	cache->rank_count = bytes / 4;
	cache->ranks = base_zalloc((size_t)cache->rank_count + 1);
	if (!cache->ranks)
		return base_error(r->error, UMOD_STAGE_OPEN, -ENOMEM, r->path,
			"no memory for the library cache");
	for (unsigned i = 0; i < cache->rank_count; i++) {
		uint32_t name = read_32(r->bytes + at + (size_t)i * 4);
		if (!string_fits(r, name))
			return damaged(
				r, "a glibc-hwcaps name lies outside the strings", name);
		for (unsigned k = 0; best[k]; k++) {
			if (strcmp(cache->strings + name, best[k]) == 0)
				cache->ranks[i] = (uint8_t)(k + 1);
		}
	}
	return 0;
}

static int read_extension(struct reading *r)
{
	if (r->cache->entry_bytes != NEW_ENTRY_BYTES)
		return 0;

	uint32_t at = read_32(r->bytes + r->base + 32); /* counts from the file's start */
	if (at == 0)
		return 0;
	if (at % 4 || !base_range_fits(at, 8, r->count))
		return damaged(r, "its extension lies outside it", at);
	if (read_32(r->bytes + at) != EXTENSION_MAGIC)
		return damaged(r, "its extension does not start as one", at);
	uint32_t count = read_32(r->bytes + at + 4);
	if (count > (r->count - at - 8) / SECTION_BYTES)
		return damaged(r, "its extension has too many sections", count);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *section = r->bytes + at + 8 + (size_t)i * SECTION_BYTES;
		uint32_t offset = read_32(section + 8), bytes = read_32(section + 12);
		int err = 0;
		if (!base_range_fits(offset, bytes, r->count))
			err = damaged(r, "a section lies outside it", offset);
		else if (read_32(section) == EXTENSION_HWCAPS)
			err = read_hwcaps(r, offset, bytes);
		if (err)
			return err;
	}
	return 0;
}

/* Takes @path and @owned, on failure too. */
static int open_bytes(const void *bytes, size_t count, uint8_t *owned, char *path,
	struct find_cache **out, struct umod_error *error)
{
	struct find_cache *cache = base_zalloc(sizeof(*cache));
	struct reading r = { .bytes = bytes,
		.count = count,
		.cache = cache,
		.path = path,
		.error = error };
	int err = -ENOMEM;

	if (cache) {
		cache->owned = owned;
		cache->path = path;
		err = read_headers(&r);
		if (!err)
			err = check_entries(&r);
		if (!err)
			err = read_extension(&r);
		if (err)
			find_cache_free(cache);
	} else {
		base_error(error, UMOD_STAGE_OPEN, err, path,
			"no memory for the library cache");
		base_free(owned);
		base_free(path);
	}
	if (!err)
		*out = cache;
	return err;
}

int find_cache_open_buffer(const void *bytes, size_t count, struct find_cache **out,
	struct umod_error *error)
{
	return open_bytes(bytes, count, NULL, NULL, out, error);
}

int find_cache_open(const char *path, struct find_cache **out, struct umod_error *error)
{
	BASE_AUTO_CLOSE int fd = base_sys_open(path);
	struct stat st;
	int64_t got = fd;

	if (fd >= 0)
		got = base_sys_fstat(fd, &st);
	if (got >= 0 && !S_ISREG(st.st_mode))
		got = -EINVAL;
	if (got >= 0 && st.st_size > CACHE_BYTES_MAX)
		got = -EFBIG;
	if (got < 0)
		return base_error(error, UMOD_STAGE_OPEN, (int)got, path,
			"the library cache cannot be opened: %s", strerror((int)-got));
	uint8_t *owned = base_alloc((size_t)st.st_size + 1);
	char *copy = owned ? base_strdup(path) : NULL;
	got = copy ? base_sys_pread(fd, owned, (size_t)st.st_size, 0) : -ENOMEM;
	if (got < 0) {
		base_free(owned);
		base_free(copy);
		return base_error(error, UMOD_STAGE_OPEN, (int)got, path,
			"the library cache cannot be read: %s", strerror((int)-got));
	}
	/* What was cut off in the meantime shows as damage. */
	int err = open_bytes(owned, (size_t)got, owned, copy, out, error);
	if (!err)
		(*out)->st = st;
	return err;
}

void find_cache_free(struct find_cache *cache)
{
	if (!cache)
		return;
	base_free(cache->ranks);
	base_free(cache->owned);
	base_free(cache->path);
	base_free(cache);
}

/* ---- lookup ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int read_number(const char **at)
{
	unsigned value = 0;

	while (is_digit(**at))
		value = value * 10 + (unsigned)(*(*at)++ - '0');
	return (int)value;
}

/*
 * The order that ldconfig sorts by: as strcmp, but that runs of digits compare as the
 * numbers they are (modulo 2^32), after everything else.
 */
static int compare(const char *a, const char *b)
{
	while (*a) {
		if (is_digit(*a) && is_digit(*b)) {
			int left = read_number(&a), right = read_number(&b);
			if (left != right)
				return (int)((unsigned)left - (unsigned)right);
		} else if (is_digit(*a)) {
			return 1;
		} else if (is_digit(*b)) {
			return -1;
		} else if (*a != *b) {
			return (signed char)*a - (signed char)*b;
		} else {
			a++;
			b++;
		}
	}
	return (signed char)*a - (signed char)*b;
}

/* The kernel's release as 0x00MMmmpp, or 0 if it does not look like one. */
static uint32_t kernel_version(void)
{
	struct utsname name;
	unsigned major, minor, patch = 0;

	if (uname(&name) || sscanf(name.release, "%u.%u.%u", &major, &minor, &patch) < 2)
		return 0;
	if (minor > 255)
		minor = 255;
	return major << 16 | minor << 8 | (patch > 255 ? 255 : patch);
}

/*
 * What an entry is worth here: 0 nothing; a glibc-hwcaps name by its rank; the others,
 * which ldconfig lists in their order, all alike after those.
 */
#define WORTH_PLAIN 256u
static unsigned worth(const struct find_cache *cache, const struct entry *entry)
{
	if (entry->flags != WANTED_FLAGS)
		return 0;
	if ((entry->hwcap_high & ~HWCAP_ISA_MASK) == HWCAP_EXTENSION) {
		if ((entry->hwcap_high & HWCAP_ISA_MASK) > find_isa_level() ||
			entry->hwcap >= cache->rank_count)
			return 0;
		return cache->ranks[entry->hwcap];
	}
	uint64_t hwcap = (uint64_t)entry->hwcap_high << 32 | entry->hwcap;
	uint64_t ours = find_legacy_hwcap();
	if (hwcap & ~(ours | FIND_HWCAP_PLATFORMS | FIND_HWCAP_TLS))
		return 0;
	if (hwcap & FIND_HWCAP_PLATFORMS &&
		(hwcap & FIND_HWCAP_PLATFORMS) != (ours & FIND_HWCAP_PLATFORMS))
		return 0;
	/* No kernel that runs this is older than what Debian's libraries ask for, so
	 * that the question is asked of an odd entry alone. */
	if (entry->os_version > 0x030200) {
		uint32_t kernel = kernel_version();
		if (kernel && entry->os_version > kernel)
			return 0;
	}
	return WORTH_PLAIN;
}

/* The first of the entries that have @name, or -1. */
static int64_t find_first(const struct find_cache *cache, const char *name)
{
	int64_t left = 0, right = (int64_t)cache->count - 1, found = -1;
	struct entry entry;

	while (left <= right) {
		int64_t middle = (left + right) / 2;
		read_entry(cache, (unsigned)middle, &entry);
		int order = compare(name, cache->strings + entry.key);
		if (order == 0)
			found = middle;
		if (order < 0)
			left = middle + 1; /* the greatest stands first */
		else
			right = middle - 1;
	}
	return found;
}

const char *find_cache_lookup(const struct find_cache *cache, const char *name)
{
	const char *best = NULL;
	unsigned best_worth = WORTH_PLAIN + 1;
	int64_t first = find_first(cache, name);
	struct entry entry;

	for (int64_t i = first; i >= 0 && i < (int64_t)cache->count; i++) {
		read_entry(cache, (unsigned)i, &entry);
		if (i != first && compare(name, cache->strings + entry.key) != 0)
			break;
		unsigned value = worth(cache, &entry);
		if (value == 0 || value >= best_worth)
			continue;
		best = cache->strings + entry.value;
		best_worth = value;
		if (value == 1)
			break;
	}
	return best;
}

bool find_cache_is_stale(const struct find_cache *cache)
{
	struct stat st;

	if (!cache->path)
		return false;
	return base_sys_stat(cache->path, &st) || st.st_ino != cache->st.st_ino ||
	       st.st_dev != cache->st.st_dev || st.st_size != cache->st.st_size ||
	       st.st_mtim.tv_sec != cache->st.st_mtim.tv_sec ||
	       st.st_mtim.tv_nsec != cache->st.st_mtim.tv_nsec;
}

unsigned find_cache_count(const struct find_cache *cache)
{
	return cache->count;
}
