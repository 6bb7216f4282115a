/* SPDX-License-Identifier: MIT */
/*
 * Compression and checksums in two copies each of libz and libzstd.
 */
#include "use.h"

#define BYTES 300000

/* Text that compresses, different for each copy and thread. */
static unsigned char *make_text(struct use_copy *copy, unsigned thread)
{
	unsigned char *text = malloc(BYTES);
	unsigned state = copy->index * 2 + thread + 1;

	for (size_t i = 0; text && i < BYTES; i++) {
		state = state * 1103515245u + 12345u;
		text[i] = (unsigned char)('a' + (state >> 16) % 7);
	}
	return text;
}

static void zlib_work(struct use_copy *copy, unsigned thread)
{
	int (*pack)(unsigned char *, unsigned long *, const unsigned char *,
		unsigned long, int);
	int (*unpack)(
		unsigned char *, unsigned long *, const unsigned char *, unsigned long);
	unsigned long (*crc32)(unsigned long, const unsigned char *, unsigned);
	unsigned char *text = make_text(copy, thread), *packed = malloc(2 * BYTES),
		      *back = malloc(BYTES);
	unsigned long packed_bytes = 2 * BYTES, back_bytes = BYTES;

	USE_GET(copy, pack, "compress2");
	USE_GET(copy, unpack, "uncompress");
	USE_GET(copy, crc32, "crc32");
	CHECK_INT(crc32(0, (const void *)"123456789", 9), 0xcbf43926);
	CHECK_INT(pack(packed, &packed_bytes, text, BYTES, 6), 0);
	CHECK(packed_bytes > 100 && packed_bytes < BYTES / 2);
	CHECK_INT(unpack(back, &back_bytes, packed, packed_bytes), 0);
	CHECK_INT(back_bytes, BYTES);
	CHECK(memcmp(text, back, BYTES) == 0);
	back_bytes = BYTES;
	packed[packed_bytes / 2] ^= 0x55; /* must be noticed */
	CHECK(unpack(back, &back_bytes, packed, packed_bytes) != 0);
	free(text);
	free(packed);
	free(back);
}

TEST(compression_in_libz)
{
	use_side_by_side(&(struct use_work){ .library = "libz.so.1", .work = zlib_work });
}

static void zstd_work(struct use_copy *copy, unsigned thread)
{
	size_t (*pack)(void *, size_t, const void *, size_t, int);
	size_t (*unpack)(void *, size_t, const void *, size_t);
	unsigned (*is_error)(size_t);
	unsigned char *text = make_text(copy, thread), *packed = malloc(2 * BYTES),
		      *back = malloc(BYTES);
	size_t packed_bytes;

	USE_GET(copy, pack, "ZSTD_compress");
	USE_GET(copy, unpack, "ZSTD_decompress");
	USE_GET(copy, is_error, "ZSTD_isError");
	for (int level = 1; level <= 19; level += 9) {
		memset(back, 0, BYTES);
		packed_bytes = pack(packed, 2 * BYTES, text, BYTES, level);
		CHECK(!is_error(packed_bytes) && packed_bytes < BYTES / 2);
		CHECK_INT(unpack(back, BYTES, packed, packed_bytes), BYTES);
		CHECK(memcmp(text, back, BYTES) == 0);
	}
	CHECK(is_error(unpack(back, BYTES, "no frame at all", 15)));
	free(text);
	free(packed);
	free(back);
}

TEST(compression_in_libzstd)
{
	use_side_by_side(
		&(struct use_work){ .library = "libzstd.so.1", .work = zstd_work });
}
