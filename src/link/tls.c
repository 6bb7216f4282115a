/* SPDX-License-Identifier: MIT */
/*
 * Thread-local storage of umod's images: module ids, each thread's vector of blocks, and
 * the address of a variable. The initial-exec pool, the end of threads, and memory are in
 * files of their own: see tls.h, also for the lock.
 *
 * An id that is given back is used again by the next image. No generation is needed to
 * tell them apart: unregistering clears the entry in every thread's vector, and code that
 * could still ask for the old id went with its image.
 */
#include "link/tls.h"

#include <pthread.h>
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>

struct tls_index {
	uint64_t id, offset;
};

const struct tls_vector tls_no_vector = { 0 };
/* Never NULL, so that the fast path need not ask. */
__thread struct tls_vector *link_tls_vector __attribute__((tls_model("initial-exec"))) =
	(struct tls_vector *)&tls_no_vector;

static struct tls_slot *slots; /* changed under both the load lock and the TLS lock */
static unsigned slot_count, slot_capacity;
static uint32_t first_free = UINT32_MAX;

static void *(*host_get_addr)(const struct tls_index *);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void tls_lock(sigset_t *before)
{
	sigset_t every;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, before);
	pthread_mutex_lock(&lock);
}

void tls_unlock(const sigset_t *before)
{
	pthread_mutex_unlock(&lock);
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

int link_tls_setup(struct umod_error *error)
{
	void *found = link_host_symbol("__tls_get_addr");
	if (!found)
		return base_error(error, UMOD_STAGE_NONE, -ENOTSUP, "__tls_get_addr",
			"was not found in ld.so: umod works in glibc processes that are "
			"dynamically linked, and needs some memory to look");
	host_get_addr = (void *(*)(const struct tls_index *))found;
	tls_pool_setup();
	tls_threads_setup();
	int result = tls_exit_setup();
	if (result)
		return base_error(error, UMOD_STAGE_NONE, result, "pthread_key_create",
			"no key to free thread-local storage with at a thread's end");
	return 0;
}

/* ---- addresses ---- */

static struct tls_slot *find_slot(uint64_t id)
{
	uint64_t index = id - LINK_TLS_FIRST_ID;
	return index < slot_count && slots[index].image ? &slots[index] : NULL;
}

static bool grow_vector(struct tls_thread *thread, uint64_t index)
{
	struct tls_vector *old = thread->vector;
	uint64_t count = old->count ? old->count * 2 : 8;
	if (index < old->count)
		return true;
	if (count <= index)
		count = index + 1;
	struct tls_vector *grown =
		tls_store_alloc(sizeof(*grown) + count * sizeof(grown->blocks[0]), 16, 0);
	if (!grown)
		return false;
	grown->count = count;
	grown->older = old;
	for (uint64_t i = 0; i < count; i++)
		atomic_store_explicit(&grown->blocks[i],
			i < old->count ? atomic_load_explicit(
						 &old->blocks[i], memory_order_relaxed)
				       : NULL,
			memory_order_relaxed);
	thread->vector = grown;
	atomic_signal_fence(memory_order_release);
	link_tls_vector = grown;
	return true;
}

static void *make_block(const struct tls_slot *slot)
{
	uint8_t *block = tls_store_alloc(slot->memory_bytes, slot->align, slot->misalign);
	if (!block)
		return NULL;
	memcpy(block, slot->initial, slot->file_bytes);
	memset(block + slot->file_bytes, 0, slot->memory_bytes - slot->file_bytes);
	return block;
}

static void *find_block(uint64_t id, bool *is_known, struct tls_thread **new_thread)
{
	uint64_t index = id - LINK_TLS_FIRST_ID;
	struct tls_slot *slot = find_slot(id);
	bool is_new = false;
	*is_known = slot != NULL;
	if (!slot)
		return NULL;
	struct tls_thread *thread = tls_thread_self(&is_new);
	if (is_new)
		*new_thread = thread;
	if (!thread || !grow_vector(thread, index))
		return NULL;
	void *block = atomic_load_explicit(
		&thread->vector->blocks[index], memory_order_relaxed);
	if (block)
		return block;
	block = slot->in_pool
			? (void *)(link_arch_thread_pointer() + (uintptr_t)slot->offset)
			: make_block(slot);
	if (block) {
		slot->blocks++;
		atomic_store_explicit(
			&thread->vector->blocks[index], block, memory_order_relaxed);
	}
	return block;
}

/*
 * What asks for an address cannot be told that there is none. Memory that is short may
 * come back, so that it is waited for, a second; then the access faults at NULL.
 */
static void *slow_address(uint64_t id, uint64_t offset)
{
	const struct timespec nap = { .tv_nsec = 10000000 };
	struct tls_thread *thread = NULL;
	bool is_known = false;
	sigset_t before;
	int saved = errno;
	void *block = NULL;
	for (unsigned tries = 0; tries < 100; tries++) {
		tls_lock(&before);
		block = find_block(id, &is_known, &thread);
		tls_unlock(&before);
		if (thread)
			tls_thread_watch(thread);
		thread = NULL;
		if (block || !is_known)
			break;
		syscall(SYS_nanosleep, &nap, NULL);
	}
	if (!block)
		base_trace(BASE_TRACE_TLS, "thread-local storage of module id %#lx: %s",
			id, is_known ? "no memory" : "no such module");
	errno = saved;
	return block ? (uint8_t *)block + offset : NULL;
}

/* Old compilers call __tls_get_addr with a stack that is 8 bytes off. */
__attribute__((noinline, force_align_arg_pointer)) static void *other_address(
	const struct tls_index *index)
{
	if (index->id < LINK_TLS_FIRST_ID)
		return host_get_addr(index);
	return slow_address(index->id, index->offset);
}

/* Nothing here may need an aligned stack, nor be instrumented. */
__attribute__((no_sanitize("address", "thread", "undefined"))) void *link_tls_get_addr(
	const void *tls_index)
{
	const struct tls_index *index = tls_index;
	const struct tls_vector *vector = link_tls_vector;
	uint64_t at = index->id - LINK_TLS_FIRST_ID;
	if (base_likely(at < vector->count)) {
		uint8_t *block =
			atomic_load_explicit(&vector->blocks[at], memory_order_relaxed);
		if (base_likely(block != NULL))
			return block + index->offset;
	}
	return other_address(index);
}

void *link_tls_address(const struct link_image *image, uint64_t offset)
{
	const struct tls_index index = { image->tls_id, offset };
	if (image->tls_static)
		return (void *)(link_arch_thread_pointer() +
				(uintptr_t)image->tls_offset + offset);
	return image->tls_id ? link_tls_get_addr(&index) : NULL;
}

void *link_tls_existing(const struct link_image *image)
{
	const struct tls_vector *vector = link_tls_vector;
	uint64_t at = image->tls_id - LINK_TLS_FIRST_ID;
	if (image->tls_static)
		return link_tls_address(image, 0);
	return at < vector->count
		       ? atomic_load_explicit(&vector->blocks[at], memory_order_relaxed)
		       : NULL;
}

/* ---- descriptors ---- */

/* In the upper half of a packed argument: an id of ld.so's, not an index of ours. */
#define PACKED_HOST ((uint64_t)1 << 31)

/* A relocation may name any place: the file's two words need not be aligned. */
static void put_descriptor(uint64_t *descriptor, uint64_t function, uint64_t argument)
{
	memcpy(descriptor, (uint64_t[]){ function, argument }, 2 * sizeof(uint64_t));
}

int link_tls_descriptor(struct link_image *defining, uint64_t offset,
	uint64_t *descriptor, struct umod_error *error)
{
	if (defining->tls_static) {
		put_descriptor(descriptor, (uint64_t)link_arch_tlsdesc_static,
			(uint64_t)defining->tls_offset + offset);
		return 0;
	}
	bool is_host = defining->tls_id < LINK_TLS_FIRST_ID;
	uint64_t index =
		is_host ? defining->tls_id : defining->tls_id - LINK_TLS_FIRST_ID;
	if (!defining->tls_id || index >= PACKED_HOST ||
		(int64_t)offset != (int32_t)offset)
		return base_error(error, UMOD_STAGE_BIND, -ERANGE, defining->path,
			"a TLS descriptor for byte %#lx of the thread-local storage is "
			"out "
			"of reach",
			offset);
	put_descriptor(descriptor, (uint64_t)link_arch_tlsdesc_dynamic,
		(index | (is_host ? PACKED_HOST : 0)) << 32 | (uint32_t)offset);
	return 0;
}

void link_tls_descriptor_undefined(uint64_t addend, uint64_t *descriptor)
{
	put_descriptor(descriptor, (uint64_t)link_arch_tlsdesc_undefined, addend);
}

void *link_tls_descriptor_slow(uint64_t packed)
{
	uint64_t index = packed >> 32;
	uint64_t offset = (uint64_t)(int64_t)(int32_t)packed;
	const struct tls_index host = { index & ~PACKED_HOST, offset };
	void *address = index & PACKED_HOST
				? host_get_addr(&host)
				: slow_address(LINK_TLS_FIRST_ID + index, offset);
	return address; /* not of host, though cppcheck takes it for that */
}

/* ---- images come and go ---- */

/* Makes room for one more slot; memory is got before the TLS lock is taken. */
static int grow_slots(void)
{
	unsigned capacity = slot_capacity ? slot_capacity * 2 : 16;
	sigset_t before;
	if (first_free != UINT32_MAX || slot_count < slot_capacity)
		return 0;
	struct tls_slot *grown = base_array(capacity, sizeof(*grown)), *old = slots;
	if (!grown)
		return -ENOMEM;
	tls_lock(&before);
	if (slot_count)
		memcpy(grown, slots, slot_count * sizeof(*grown));
	slots = grown;
	slot_capacity = capacity;
	tls_unlock(&before);
	base_free(old);
	return 0;
}

int link_tls_register(struct link_image *image, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	sigset_t before;
	if (image->tls_id)
		return 0;
	if (grow_slots())
		return base_error(error, UMOD_STAGE_BIND, -ENOMEM, image->path,
			"no memory for a thread-local storage id");
	uint64_t align = view->tls_align ? view->tls_align : 1;
	tls_lock(&before);
	uint32_t index = first_free;
	if (index != UINT32_MAX)
		first_free = slots[index].next_free;
	else
		index = slot_count++;
	slots[index] = (struct tls_slot){ .image = image,
		.initial = (const void *)(image->bias + view->tls_vaddr),
		.file_bytes = view->tls_file_bytes,
		.memory_bytes = view->tls_memory_bytes,
		.align = align,
		.misalign = view->tls_vaddr & (align - 1) };
	tls_unlock(&before);
	image->tls_id = LINK_TLS_FIRST_ID + index;
	base_trace(BASE_TRACE_TLS, "%s: id %#lx, %lu bytes, alignment %lu", image->path,
		image->tls_id, view->tls_memory_bytes, align);
	return 0;
}

static int fill(const struct link_image *image, int64_t offset, struct umod_error *error)
{
	const struct tls_slot *slot = find_slot(image->tls_id);
	return tls_pool_fill(image, offset, slot->initial, slot->file_bytes,
		slot->memory_bytes, error);
}

int link_tls_make_static(struct link_image *image, struct umod_error *error)
{
	struct tls_slot *slot = find_slot(image->tls_id);
	sigset_t before;
	int64_t offset;
	if (image->tls_static)
		return 0;
	if (!slot)
		return base_error(error, UMOD_STAGE_BIND, -EINVAL, image->path,
			"initial-exec access to an image without thread-local storage");
	int result = tls_pool_take(image, &offset, error);
	/* An image that is in use already: its values first, then the switch. */
	if (!result && slot->published && (result = fill(image, offset, error)))
		tls_pool_give(offset);
	if (result)
		return result;
	tls_lock(&before);
	bool is_free = slot->blocks == 0;
	if (is_free) {
		slot->offset = offset;
		slot->in_pool = true;
	}
	tls_unlock(&before);
	if (!is_free) {
		tls_pool_give(offset);
		return base_error(error, UMOD_STAGE_BIND, -ENOMEM, image->path,
			"initial-exec access to thread-local storage that threads have "
			"in dynamic memory already");
	}
	image->tls_offset = offset;
	image->tls_static = true;
	return 0;
}

int link_tls_publish(struct link_image *image, struct umod_error *error)
{
	struct tls_slot *slot = find_slot(image->tls_id);
	if (!slot || slot->published)
		return 0;
	int result = image->tls_static ? fill(image, image->tls_offset, error) : 0;
	if (!result)
		slot->published = true;
	return result;
}

void tls_free_blocks(struct tls_thread *thread)
{
	struct tls_vector *vector = thread->vector;
	for (uint64_t i = 0; i < vector->count; i++) {
		void *block =
			atomic_load_explicit(&vector->blocks[i], memory_order_relaxed);
		if (!block || i >= slot_count)
			continue;
		slots[i].blocks--;
		if (!slots[i].in_pool)
			tls_store_free(block);
	}
	while (vector != &tls_no_vector) {
		struct tls_vector *older = vector->older;
		tls_store_free(vector);
		vector = older;
	}
	thread->vector = (struct tls_vector *)&tls_no_vector;
}

void link_tls_unregister(struct link_image *image)
{
	sigset_t before;
	if (!image || image->tls_id < LINK_TLS_FIRST_ID)
		return;
	uint64_t index = image->tls_id - LINK_TLS_FIRST_ID;
	tls_lock(&before);
	struct tls_slot *slot = &slots[index];
	for (struct tls_thread *t = tls_threads; t && slot->blocks; t = t->next) {
		if (index >= t->vector->count)
			continue;
		void *block = atomic_exchange_explicit(
			&t->vector->blocks[index], NULL, memory_order_relaxed);
		if (!block)
			continue;
		slot->blocks--;
		if (!slot->in_pool)
			tls_store_free(block);
	}
	*slot = (struct tls_slot){ .next_free = first_free };
	first_free = (uint32_t)index;
	tls_unlock(&before);
	if (image->tls_static)
		tls_pool_give(image->tls_offset);
	image->tls_id = 0;
	image->tls_static = false;
	image->tls_offset = 0;
}
