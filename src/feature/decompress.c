/* SPDX-License-Identifier: MIT */
/*
 * Unpacks gzip, xz and Zstandard, told apart by their magic, from a file or from memory.
 * Packed bytes are streamed; what comes out is bounded. The libraries are back ends.
 */
#include "feature/feature.h"

#include <fcntl.h>
#include <unistd.h>

#define fail(...)   base_error(error, UMOD_STAGE_DECOMPRESS, __VA_ARGS__)
#define CHUNK_BYTES ((size_t)64 << 10)
#define FIRST_BYTES ((size_t)128 << 10)

enum feature_compression feature_compression_of(const void *bytes, size_t count)
{
	if (count >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0)
		return FEATURE_GZIP;
	if (count >= 6 && memcmp(bytes,
				  "\xfd"
				  "7zXZ\0",
				  6) == 0)
		return FEATURE_XZ;
	if (count >= 4 && memcmp(bytes, "\x28\xb5\x2f\xfd", 4) == 0)
		return FEATURE_ZSTANDARD;
	return FEATURE_PLAIN;
}

/* A file that is being unpacked. */
struct stream {
	const char *name;
	int fd;         /* where more input comes from; -1: nowhere */
	uint8_t *chunk; /* CHUNK_BYTES, for that */
	const uint8_t *in;
	size_t in_bytes;
	struct feature_buffer *out;
	uint64_t limit;
	struct umod_error *error;
	bool has_place; /* read from @place on, whatever the descriptor's position is */
	uint64_t place;
};

static ssize_t read_some(struct stream *s, void *buffer, size_t bytes)
{
	ssize_t got;
	int code;

	if (base_fault_hit(&code))
		return code;
	do {
		got = s->has_place ? pread(s->fd, buffer, bytes, (off_t)s->place)
				   : read(s->fd, buffer, bytes);
	} while (got < 0 && errno == EINTR);
	s->place += got > 0 ? (uint64_t)got : 0;
	return got < 0 ? -errno : got;
}

/* Gets more input when there is none; in_bytes stays 0 at the end of the file. Unused
 * where no back end is built. */
__attribute__((unused)) static int more_input(struct stream *s)
{
	if (s->in_bytes || s->fd < 0)
		return 0;
	ssize_t got = read_some(s, s->chunk, CHUNK_BYTES);
	if (got < 0)
		return base_error(s->error, UMOD_STAGE_OPEN, (int)got, s->name,
			"cannot be read: %s", strerror((int)-got));
	s->in = s->chunk;
	s->in_bytes = (size_t)got;
	return 0;
}

/* Makes room for output. What is one byte too long is too long. */
static int more_room(struct stream *s)
{
	struct umod_error *error = s->error;
	size_t want = s->out->capacity * 2;

	if (s->out->count > s->limit)
		return fail(-EFBIG, s->name, "unpacks to more than %llu bytes",
			(unsigned long long)s->limit);
	if (s->out->count < s->out->capacity)
		return 0;
	if (want > s->limit + 1)
		want = s->limit + 1;
	return feature_buffer_reserve(s->out, want)
		       ? fail(-ENOMEM, s->name, "out of memory")
		       : 0;
}

__attribute__((unused)) static int damaged(
	struct stream *s, const char *format, const char *why)
{
	struct umod_error *error = s->error;
	return fail(-EBADMSG, s->name, "damaged %s file: %s", format, why);
}

/* ---- gzip ---- */

#if FEATURE_HAVE_ZLIB
#include <zlib.h>

struct zlib {
	__typeof__(&inflateInit2_) init;
	__typeof__(&inflate) run;
	__typeof__(&inflateReset) reset;
	__typeof__(&inflateEnd) end;
};

static int run_gzip(struct stream *s, const struct zlib *zlib, z_stream *z)
{
	bool ended = false;

	for (;;) {
		int result = more_input(s);
		if (result == 0)
			result = more_room(s);
		if (result)
			return result;
		if (!s->in_bytes)
			return ended ? 0 : damaged(s, "gzip", "it ends too early");
		if (ended)
			zlib->reset(z); /* another member follows */
		size_t room = s->out->capacity - s->out->count;
		z->next_in = (Bytef *)s->in;
		z->avail_in = (uInt)(s->in_bytes < UINT32_MAX ? s->in_bytes : UINT32_MAX);
		z->next_out = s->out->bytes + s->out->count;
		z->avail_out = (uInt)(room < UINT32_MAX ? room : UINT32_MAX);
		uInt in = z->avail_in, out = z->avail_out;
		int code = zlib->run(z, Z_NO_FLUSH);
		s->in += in - z->avail_in;
		s->in_bytes -= in - z->avail_in;
		s->out->count += out - z->avail_out;
		ended = code == Z_STREAM_END;
		if (code == Z_MEM_ERROR)
			return base_error(s->error, UMOD_STAGE_DECOMPRESS, -ENOMEM,
				s->name, "out of memory");
		if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
			return damaged(s, "gzip", z->msg ? z->msg : "unknown");
	}
}

static int unpack_gzip(struct stream *s)
{
	static const char *const names[] = { "inflateInit2_", "inflate", "inflateReset",
		"inflateEnd", NULL };
	void *found[4];
	int result = feature_backend_symbols(FEATURE_ZLIB, names, found, s->error);
	if (result)
		return result;
	struct zlib zlib = { found[0], found[1], found[2], found[3] };
	z_stream z = { 0 };

	if (zlib.init(&z, 15 + 16, ZLIB_VERSION, (int)sizeof(z)) != Z_OK)
		return base_error(s->error, UMOD_STAGE_DECOMPRESS, -ENOMEM, s->name,
			"zlib: out of memory");
	result = run_gzip(s, &zlib, &z);
	zlib.end(&z);
	return result;
}
#else
static int unpack_gzip(struct stream *s)
{
	return feature_backend_symbols(FEATURE_ZLIB, NULL, NULL, s->error);
}
#endif

/* ---- xz ---- */

#if FEATURE_HAVE_LZMA
#include <lzma.h>

/* Room for any dictionary that xz can make, but for the largest. */
#define LZMA_LIMIT_BYTES ((uint64_t)2 << 30)

struct xz {
	__typeof__(&lzma_stream_decoder) init;
	__typeof__(&lzma_code) run;
	__typeof__(&lzma_end) end;
};

static const char *xz_error(lzma_ret code)
{
	switch (code) {
	case LZMA_FORMAT_ERROR:
		return "no xz file";
	case LZMA_OPTIONS_ERROR:
		return "unknown filters or options";
	case LZMA_DATA_ERROR:
		return "its checksums or its contents are wrong";
	case LZMA_BUF_ERROR:
		return "it ends too early";
	default:
		return "unknown";
	}
}

static int run_xz(struct stream *s, const struct xz *xz, lzma_stream *z)
{
	for (;;) {
		int result = more_input(s);
		if (result == 0)
			result = more_room(s);
		if (result)
			return result;
		size_t room = s->out->capacity - s->out->count;
		z->next_in = s->in;
		z->avail_in = s->in_bytes;
		z->next_out = s->out->bytes + s->out->count;
		z->avail_out = room;
		lzma_ret code = xz->run(z, s->in_bytes ? LZMA_RUN : LZMA_FINISH);
		s->in = z->next_in;
		s->in_bytes = z->avail_in;
		s->out->count += room - z->avail_out;
		if (code == LZMA_STREAM_END)
			return 0;
		if (code == LZMA_MEM_ERROR || code == LZMA_MEMLIMIT_ERROR)
			return base_error(s->error, UMOD_STAGE_DECOMPRESS, -ENOMEM,
				s->name, "its dictionary needs too much memory");
		if (code != LZMA_OK)
			return damaged(s, "xz", xz_error(code));
	}
}

static int unpack_xz(struct stream *s)
{
	static const char *const names[] = { "lzma_stream_decoder", "lzma_code",
		"lzma_end", NULL };
	void *found[3];
	int result = feature_backend_symbols(FEATURE_LZMA, names, found, s->error);
	if (result)
		return result;
	struct xz xz = { found[0], found[1], found[2] };
	lzma_stream z = LZMA_STREAM_INIT;

	if (xz.init(&z, LZMA_LIMIT_BYTES, LZMA_CONCATENATED) != LZMA_OK)
		return base_error(s->error, UMOD_STAGE_DECOMPRESS, -ENOMEM, s->name,
			"liblzma: out of memory");
	result = run_xz(s, &xz, &z);
	xz.end(&z);
	return result;
}
#else
static int unpack_xz(struct stream *s)
{
	return feature_backend_symbols(FEATURE_LZMA, NULL, NULL, s->error);
}
#endif

/* ---- Zstandard ---- */

#if FEATURE_HAVE_ZSTD
#include <zstd.h>

#define ZSTD_WINDOW_LOG 30

struct zstd {
	__typeof__(&ZSTD_createDCtx) make;
	__typeof__(&ZSTD_freeDCtx) free;
	__typeof__(&ZSTD_DCtx_setParameter) set;
	__typeof__(&ZSTD_decompressStream) run;
	__typeof__(&ZSTD_isError) is_error;
	__typeof__(&ZSTD_getErrorName) name;
};

static int run_zstd(struct stream *s, const struct zstd *zstd, ZSTD_DCtx *context)
{
	size_t left = 1; /* 0: at the end of a frame */

	for (;;) {
		int result = more_input(s);
		if (result == 0)
			result = more_room(s);
		if (result)
			return result;
		ZSTD_inBuffer in = { s->in, s->in_bytes, 0 };
		ZSTD_outBuffer out = { s->out->bytes + s->out->count,
			s->out->capacity - s->out->count, 0 };
		if (!s->in_bytes && left == 0)
			return 0;
		left = zstd->run(context, &out, &in);
		s->in += in.pos;
		s->in_bytes -= in.pos;
		s->out->count += out.pos;
		if (zstd->is_error(left))
			return damaged(s, "Zstandard", zstd->name(left));
		if (left && !in.pos && !out.pos && out.size)
			return damaged(s, "Zstandard", "it ends too early");
	}
}

static int unpack_zstd(struct stream *s)
{
	static const char *const names[] = { "ZSTD_createDCtx", "ZSTD_freeDCtx",
		"ZSTD_DCtx_setParameter", "ZSTD_decompressStream", "ZSTD_isError",
		"ZSTD_getErrorName", NULL };
	void *found[6];
	int result = feature_backend_symbols(FEATURE_ZSTD, names, found, s->error);
	if (result)
		return result;
	struct zstd zstd = { found[0], found[1], found[2], found[3], found[4], found[5] };
	ZSTD_DCtx *context = zstd.make();

	if (!context)
		return base_error(s->error, UMOD_STAGE_DECOMPRESS, -ENOMEM, s->name,
			"libzstd: out of memory");
	zstd.set(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	result = run_zstd(s, &zstd, context);
	zstd.free(context);
	return result;
}
#else
static int unpack_zstd(struct stream *s)
{
	return feature_backend_symbols(FEATURE_ZSTD, NULL, NULL, s->error);
}
#endif

/* ---- files ---- */

static int unpack(struct stream *s, enum feature_compression packing)
{
	int result;

	s->out->count = 0;
	result = feature_buffer_reserve(s->out, FIRST_BYTES)
			 ? base_error(s->error, UMOD_STAGE_DECOMPRESS, -ENOMEM, s->name,
				   "out of memory")
			 : 0;
	if (result == 0 && packing == FEATURE_GZIP)
		result = unpack_gzip(s);
	else if (result == 0 && packing == FEATURE_XZ)
		result = unpack_xz(s);
	else if (result == 0)
		result = unpack_zstd(s);
	if (result)
		s->out->count = 0;
	return result;
}

int feature_unpack(const void *bytes, size_t count, const char *name, uint64_t limit,
	struct feature_buffer *out, enum feature_compression *packing,
	struct umod_error *error)
{
	struct stream s = { name, -1, NULL, bytes, count, out, limit, error };
	enum feature_compression kind = feature_compression_of(bytes, count);

	out->count = 0;
	if (packing)
		*packing = kind;
	if (kind != FEATURE_PLAIN)
		return unpack(&s, kind);
	if (count > limit)
		return fail(-EFBIG, name, "has more than %llu bytes",
			(unsigned long long)limit);
	if (feature_buffer_reserve(out, count ? count : 1))
		return fail(-ENOMEM, name, "out of memory");
	if (count)
		memcpy(out->bytes, bytes, count);
	out->count = count;
	return 0;
}

/* All of a file that is not packed; out->count bytes are there already. */
static int read_plain(struct stream *s)
{
	for (;;) {
		int result = more_room(s);
		if (result)
			return result;
		ssize_t got = read_some(s, s->out->bytes + s->out->count,
			s->out->capacity - s->out->count);
		if (got < 0)
			return base_error(s->error, UMOD_STAGE_OPEN, (int)got, s->name,
				"cannot be read: %s", strerror((int)-got));
		if (got == 0)
			return 0;
		s->out->count += (size_t)got;
	}
}

/* Packed; the first bytes are in @out, which unpacking writes to. */
static int read_packed(struct stream *s, enum feature_compression packing)
{
	BASE_AUTO_FREE uint8_t *memory = base_alloc(CHUNK_BYTES + s->out->count);

	if (!memory)
		return base_error(s->error, UMOD_STAGE_DECOMPRESS, -ENOMEM, s->name,
			"out of memory");
	memcpy(memory + CHUNK_BYTES, s->out->bytes, s->out->count);
	s->chunk = memory;
	s->in = memory + CHUNK_BYTES;
	s->in_bytes = s->out->count;
	return unpack(s, packing);
}

static int read_all(struct stream *s, enum feature_compression *packing)
{
	struct feature_buffer *out = s->out;
	struct umod_error *error = s->error;
	const char *name = s->name;
	ssize_t got;

	out->count = 0;
	if (feature_buffer_reserve(out, FIRST_BYTES))
		return fail(-ENOMEM, name, "out of memory");
	/* Until there is enough for a magic: a pipe may give less. */
	do {
		got = read_some(s, out->bytes + out->count, FIRST_BYTES - out->count);
		if (got < 0) {
			out->count = 0;
			return base_error(error, UMOD_STAGE_OPEN, (int)got, name,
				"cannot be read: %s", strerror((int)-got));
		}
		out->count += (size_t)got;
	} while (got > 0 && out->count < FEATURE_MAGIC_BYTES);
	enum feature_compression kind = feature_compression_of(out->bytes, out->count);
	if (packing)
		*packing = kind;
	if (kind != FEATURE_PLAIN)
		return read_packed(s, kind);
	int result = got ? read_plain(s) : 0;
	if (result == 0 && out->count > s->limit)
		result = fail(-EFBIG, name, "has more than %llu bytes",
			(unsigned long long)s->limit);
	if (result)
		out->count = 0;
	return result;
}

int feature_read(int fd, const char *name, uint64_t limit, struct feature_buffer *out,
	enum feature_compression *packing, struct umod_error *error)
{
	struct stream s = {
		.name = name, .fd = fd, .out = out, .limit = limit, .error = error
	};
	return read_all(&s, packing);
}

int feature_read_whole(int fd, const char *name, uint64_t limit,
	struct feature_buffer *out, enum feature_compression *packing,
	struct umod_error *error)
{
	struct stream s = { .name = name,
		.fd = fd,
		.out = out,
		.limit = limit,
		.error = error,
		.has_place = true };
	return read_all(&s, packing);
}

int feature_read_path(int directory, const char *path, uint64_t limit,
	struct feature_buffer *out, enum feature_compression *packing,
	struct umod_error *error)
{
	int code = 0;
	BASE_AUTO_CLOSE int fd = -1;

	out->count = 0;
	if (!base_fault_hit(&code)) {
		do {
			fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
		} while (fd < 0 && errno == EINTR);
		code = fd < 0 ? -errno : 0;
	}
	if (fd < 0)
		return base_error(error, UMOD_STAGE_OPEN, code, path,
			"cannot be opened: %s", strerror(-code));
	return feature_read(fd, path, limit, out, packing, error);
}
