/* SPDX-License-Identifier: MIT */
/*
 * From an address to the image that it lies in. The images' ranges form an ordered set
 * in two levels: a top array of first keys, and chunks of at most CHUNK ranges each.
 * Knows no symbols: address_symbol.c does.
 *
 * Readers take no lock and never wait or try again, so that a signal handler may search
 * while the thread that it stopped is changing the set. A chunk's ranges and the top's
 * keys never change once they can be seen: a writer, under the load lock, copies one
 * chunk (or the top, when a chunk splits), stores one pointer, and frees the old copy
 * after base_reader_wait. Removing only empties the image's slot, and shrinking only
 * stores a smaller size: they need no memory, so an unload cannot fail here.
 */
#include "link/publish.h"

#define CHUNK_BITS    7u
#define CHUNK         (1u << CHUNK_BITS)
#define CHUNK_FILL    96u /* where the set is packed anew */
#define RETIRED_LIMIT 64u

/* What readers may still see; freed by link_address_reclaim. */
struct retired {
	struct retired *next;
};

struct range {
	_Atomic uintptr_t bytes;
	_Atomic(struct link_image *) image; /* NULL: removed */
};

struct chunk {
	struct retired retired;
	unsigned count, live;    /* the writer's: ranges, and those not removed */
	uintptr_t starts[CHUNK]; /* ascending; UINTPTR_MAX behind the last */
	struct range ranges[CHUNK];
};

/* Chunk i holds the ranges that start in [keys[i], keys[i + 1]); keys[0] is 0. */
struct top {
	struct retired retired;
	unsigned count, bits; /* room for 1 << bits */
	_Atomic(struct chunk *) *chunks;
	uintptr_t keys[]; /* UINTPTR_MAX behind the last */
};

static _Atomic(struct top *) set;
static uint64_t live_ranges;
static struct retired *retired_list;
static unsigned retired_count;

/*
 * The last of @keys, 1 << @bits of them, that is not above @key; 0 if there is none. No
 * branch depends on what is compared: one that goes wrong costs more than the search.
 * Each step is written out, so that searches overlap in the processor.
 */
static inline const uintptr_t *step(const uintptr_t *at, unsigned bit, uintptr_t key)
{
	const uintptr_t *half = at + ((size_t)1 << bit);
	uintptr_t probe = *half;
	/* With both in registers, the compiler moves by condition rather than jumps. */
	__asm__("" : "+r"(half), "+r"(probe));
	return probe <= key ? half : at;
}

#define STEP(BIT)                  \
	at = step(at, (BIT), key); \
	__attribute__((fallthrough))

static inline unsigned search(const uintptr_t *keys, unsigned bits, uintptr_t key)
{
	const uintptr_t *at = keys;
	while (bits > 10)
		at = step(at, --bits, key);
	switch (bits) {
	case 10:
		STEP(9);
	case 9:
		STEP(8);
	case 8:
		STEP(7);
	case 7:
		STEP(6);
	case 6:
		STEP(5);
	case 5:
		STEP(4);
	case 4:
		STEP(3);
	case 3:
		STEP(2);
	case 2:
		STEP(1);
	case 1:
		STEP(0);
	default:
		return (unsigned)(at - keys);
	}
}

static struct chunk *chunk_at(const struct top *top, unsigned index)
{
	return atomic_load_explicit(&top->chunks[index], memory_order_acquire);
}

static struct link_image *image_at(const struct chunk *chunk, unsigned index)
{
	return atomic_load_explicit(&chunk->ranges[index].image, memory_order_acquire);
}

bool link_address_any(void)
{
	return atomic_load_explicit(&set, memory_order_relaxed) != NULL;
}

struct link_image *link_address_find(uintptr_t address)
{
	const struct top *top = atomic_load_explicit(&set, memory_order_acquire);
	if (!top)
		return NULL;
	const struct chunk *chunk = chunk_at(top, search(top->keys, top->bits, address));
	if (!chunk)
		return NULL;
	unsigned at = search(chunk->starts, CHUNK_BITS, address);
	/* Below the first start the difference is huge. */
	uintptr_t bytes =
		atomic_load_explicit(&chunk->ranges[at].bytes, memory_order_relaxed);
	return address - chunk->starts[at] < bytes ? image_at(chunk, at) : NULL;
}

/* The first range that is there and starts above @after; its bounds may be wanted. */
struct link_image *link_address_next(uintptr_t after)
{
	const struct top *top = atomic_load_explicit(&set, memory_order_acquire);
	if (!top)
		return NULL;
	unsigned index = search(top->keys, top->bits, after);
	for (; index < top->count; index++) {
		const struct chunk *chunk = chunk_at(top, index);
		for (unsigned at = search(chunk->starts, CHUNK_BITS, after); at < CHUNK;
			at++) {
			if (chunk->starts[at] == UINTPTR_MAX)
				break;
			struct link_image *image = image_at(chunk, at);
			if (image && chunk->starts[at] > after)
				return image;
		}
	}
	return NULL;
}

static void retire(struct retired *what)
{
	what->next = retired_list;
	retired_list = what;
	retired_count++;
}

bool link_address_wants_reclaim(void)
{
	return retired_count >= RETIRED_LIMIT;
}

void link_address_reclaim(void)
{
	while (retired_list) {
		struct retired *next = retired_list->next;
		base_free(retired_list);
		retired_list = next;
	}
	retired_count = 0;
}

static struct chunk *new_chunk(void)
{
	struct chunk *chunk = base_zalloc(sizeof(*chunk));
	for (unsigned i = 0; chunk && i < CHUNK; i++)
		chunk->starts[i] = UINTPTR_MAX;
	return chunk;
}

static struct top *new_top(unsigned chunks)
{
	unsigned bits = 2;
	while ((1u << bits) < chunks)
		bits++;
	size_t capacity = (size_t)1 << bits;
	struct top *top =
		base_zalloc(sizeof(*top) +
			    capacity * (sizeof(top->keys[0]) + sizeof(top->chunks[0])));
	if (!top)
		return NULL;
	top->bits = bits;
	top->chunks = (void *)(top->keys + capacity);
	for (size_t i = 0; i < capacity; i++)
		top->keys[i] = UINTPTR_MAX;
	return top;
}

static void append(struct chunk *chunk, struct link_image *image)
{
	chunk->starts[chunk->count] = image->start;
	chunk->ranges[chunk->count].bytes = image->end - image->start;
	atomic_store_explicit(
		&chunk->ranges[chunk->count].image, image, memory_order_relaxed);
	chunk->count++;
	chunk->live++;
}

/* Into a top that nobody sees yet; takes @chunk. */
static void append_chunk(struct top *top, uintptr_t key, struct chunk *chunk)
{
	top->keys[top->count] = top->count ? key : 0;
	atomic_store_explicit(&top->chunks[top->count], chunk, memory_order_relaxed);
	top->count++;
}

static void publish_top(struct top *top)
{
	struct top *old = atomic_load_explicit(&set, memory_order_relaxed);
	atomic_store_explicit(&set, top, memory_order_release);
	if (old)
		retire(&old->retired);
}

static int make_first(void)
{
	struct top *top = new_top(1);
	struct chunk *chunk = new_chunk();
	if (!top || !chunk) {
		base_free(top);
		base_free(chunk);
		return -ENOMEM;
	}
	append_chunk(top, 0, chunk);
	publish_top(top);
	return 0;
}

/*
 * Copies what is there of @old, and @image, into one new chunk, or two when they do not
 * fit. A range that comes first or last gets a chunk to itself: images mapped one after
 * the other then fill their chunks.
 */
static bool copy_with(
	const struct chunk *old, struct link_image *image, struct chunk *out[2])
{
	unsigned before = 0;
	for (unsigned i = 0; i < old->count; i++)
		before += image_at(old, i) && old->starts[i] < image->start;
	unsigned cut = CHUNK;
	if (old->live == CHUNK)
		cut = before == 0 ? 1 : before == CHUNK ? CHUNK : CHUNK / 2;
	out[0] = new_chunk();
	out[1] = old->live == CHUNK ? new_chunk() : NULL;
	if (!out[0] || (old->live == CHUNK && !out[1])) {
		base_free(out[0]);
		base_free(out[1]);
		return false;
	}
	struct chunk *to = out[0];
	for (unsigned i = 0, done = 0; done <= old->live; done++) {
		struct link_image *next = image;
		if (done != before) {
			while (!(next = image_at(old, i)))
				i++;
			i++;
		}
		if (done == cut)
			to = out[1];
		append(to, next);
	}
	return true;
}

/*
 * A top with chunk @index replaced by one or two, without chunks that are empty, and
 * with no key in what @image covers: such keys come from ranges that went.
 */
static bool replace_top(const struct top *old, unsigned index, struct chunk *with[2],
	const struct link_image *image)
{
	struct top *top = new_top(old->count + 1);
	if (!top)
		return false;
	for (unsigned i = 0; i < old->count; i++) {
		struct chunk *chunk = chunk_at(old, i);
		uintptr_t key = old->keys[i];
		if (i == index) {
			append_chunk(top, key, with[0]);
			if (with[1])
				append_chunk(top, with[1]->starts[0], with[1]);
			retire(&chunk->retired);
		} else if (chunk->live == 0) {
			retire(&chunk->retired);
		} else {
			if (i > index && key < image->end)
				key = image->end;
			append_chunk(top, key, chunk);
		}
	}
	publish_top(top);
	return true;
}

/* The same range again, as a plugin that is loaded over and over has it. */
static bool revive(struct chunk *chunk, struct link_image *image)
{
	unsigned at = search(chunk->starts, CHUNK_BITS, image->start);
	if (chunk->starts[at] != image->start ||
		chunk->ranges[at].bytes != image->end - image->start ||
		image_at(chunk, at))
		return false;
	atomic_store_explicit(&chunk->ranges[at].image, image, memory_order_release);
	chunk->live++;
	return true;
}

/* Makes room in [start, end) of @image. */
static int evict(const struct link_image *image)
{
	for (;;) {
		struct link_image *other = link_address_find(image->start);
		if (!other)
			other = link_address_next(image->start);
		if (!other || other->start >= image->end)
			return 0;
		if (other->home != LINK_HOME_HOST)
			return -EEXIST;
		link_address_remove(other);
	}
}

int link_address_insert(struct link_image *image)
{
	struct chunk *with[2];
	int result = link_address_any() ? evict(image) : make_first();
	if (result)
		return result;
	struct top *top = atomic_load_explicit(&set, memory_order_relaxed);
	unsigned index = search(top->keys, top->bits, image->start);
	struct chunk *chunk = chunk_at(top, index);
	bool covers_key = index + 1 < top->count && image->end > top->keys[index + 1];
	if (!covers_key && revive(chunk, image)) {
		live_ranges++;
		return 0;
	}
	if (!copy_with(chunk, image, with))
		return -ENOMEM;
	if (!with[1] && !covers_key) {
		atomic_store_explicit(&top->chunks[index], with[0], memory_order_release);
		retire(&chunk->retired);
	} else if (!replace_top(top, index, with, image)) {
		base_free(with[0]);
		base_free(with[1]);
		return -ENOMEM;
	}
	live_ranges++;
	return 0;
}

/* Packs the set anew when most of it is empty. Without memory it stays as it is. */
static void pack(const struct top *old)
{
	struct top *top = new_top((unsigned)(live_ranges / CHUNK_FILL) + 1);
	struct chunk *chunk = top ? new_chunk() : NULL;
	if (chunk)
		append_chunk(top, 0, chunk);
	struct link_image *image = link_address_next(0);
	for (; chunk && image; image = link_address_next(image->start)) {
		if (chunk->count == CHUNK_FILL) {
			chunk = new_chunk();
			if (!chunk)
				break;
			append_chunk(top, image->start, chunk);
		}
		append(chunk, image);
	}
	if (!chunk) {
		for (unsigned i = 0; top && i < top->count; i++)
			base_free(chunk_at(top, i));
		base_free(top);
		return;
	}
	for (unsigned i = 0; i < old->count; i++)
		retire(&chunk_at(old, i)->retired);
	publish_top(top);
}

/* Where @image is; false: nowhere. */
static bool find_place(const struct top *top, const struct link_image *image,
	struct chunk **chunk, unsigned *at)
{
	if (!top)
		return false;
	*chunk = chunk_at(top, search(top->keys, top->bits, image->start));
	*at = search((*chunk)->starts, CHUNK_BITS, image->start);
	return (*chunk)->starts[*at] == image->start && image_at(*chunk, *at) == image;
}

void link_address_shrink(struct link_image *image, uintptr_t end)
{
	struct chunk *chunk;
	unsigned at;
	image->end = end;
	if (find_place(
		    atomic_load_explicit(&set, memory_order_relaxed), image, &chunk, &at))
		atomic_store_explicit(&chunk->ranges[at].bytes, end - image->start,
			memory_order_relaxed);
}

void link_address_remove(struct link_image *image)
{
	struct top *top = atomic_load_explicit(&set, memory_order_relaxed);
	struct chunk *chunk;
	unsigned at;
	if (!find_place(top, image, &chunk, &at))
		return;
	atomic_store_explicit(&chunk->ranges[at].image, NULL, memory_order_release);
	chunk->live--;
	live_ranges--;
	if (top->count > 4 && live_ranges * 4 < (uint64_t)top->count * CHUNK)
		pack(top);
}
