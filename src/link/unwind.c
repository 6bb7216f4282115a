/* SPDX-License-Identifier: MIT */
/*
 * What unwinders ask: _dl_find_object and dl_iterate_phdr, exported under glibc's names
 * and versions. Both answer for umod's images and hand on what is ld.so's. They work
 * before any context exists, from any thread, and take no lock of umod's.
 *
 * Where libumod came late, or behind libc, nobody asks it: the frames of each image are
 * then registered with the libgcc_s that is in use.
 */
#include "link/publish.h"
#include "link/tls.h"

#include <dlfcn.h>

typedef int find_object_function(void *address, struct dl_find_object *result);

static _Atomic(find_object_function *) host_find_object;
static _Atomic uint64_t adds, subs; /* of umod's images, as dlpi_adds and dlpi_subs */

/*
 * Under ThreadSanitizer, which calls dl_iterate_phdr before code that it instrumented can
 * run, the names stay hidden, and unwinders are served as if libumod had come late.
 */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifdef UNDER_TSAN
#define ANSWER(name) link_tsan_##name
enum { ANSWERS = false };
#else
#define ANSWER(name) name
enum { ANSWERS = true };
#endif

UMOD_EXPORT int ANSWER(_dl_find_object)(void *address, struct dl_find_object *result);
UMOD_EXPORT int ANSWER(dl_iterate_phdr)(
	int (*callback)(struct dl_phdr_info *, size_t, void *), void *data);

static __attribute__((noinline)) find_object_function *find_host_function(void)
{
	find_object_function *found =
		(find_object_function *)link_host_symbol("_dl_find_object");
	atomic_store_explicit(&host_find_object, found, memory_order_release);
	return found;
}

int link_host_find(void *address, struct dl_find_object *result)
{
	find_object_function *host =
		atomic_load_explicit(&host_find_object, memory_order_acquire);
	if (base_unlikely(!host))
		host = find_host_function();
	return host ? host(address, result) : -1;
}

static bool find_own(uintptr_t address, struct dl_find_object *result)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find(address);
	bool found = image && image->home != LINK_HOME_HOST;
	if (found) {
		uint64_t frames = image->view.eh_frame_hdr_vaddr;
		result->dlfo_flags = 0;
		result->dlfo_map_start = (void *)image->start;
		result->dlfo_map_end = (void *)image->end;
		result->dlfo_link_map = &image->map;
		result->dlfo_eh_frame = image->view.eh_frame_hdr_bytes
						? (void *)(image->bias + frames)
						: NULL;
	}
	base_reader_leave(reader);
	return found;
}

int ANSWER(_dl_find_object)(void *address, struct dl_find_object *result)
{
	if (link_address_any() && find_own((uintptr_t)address, result))
		return 0;
	return link_host_find(address, result);
}

/* ---- dl_iterate_phdr ---- */

struct iteration {
	int (*callback)(struct dl_phdr_info *, size_t, void *);
	void *data;
	uint64_t adds, subs;           /* umod's */
	uint64_t host_adds, host_subs; /* as ld.so told them in this walk */
};

static int host_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct iteration *walk = data;
	struct dl_phdr_info sum = *info;
	walk->host_adds = info->dlpi_adds;
	walk->host_subs = info->dlpi_subs;
	sum.dlpi_adds += walk->adds;
	sum.dlpi_subs += walk->subs;
	return walk->callback(&sum, sizeof(sum), walk->data);
}

static int own_object(const struct iteration *walk, const struct link_image *image)
{
	struct dl_phdr_info info = {
		.dlpi_addr = image->bias,
		.dlpi_name = image->path,
		.dlpi_phdr = image->view.phdrs,
		.dlpi_phnum = (Elf64_Half)image->view.phdr_count,
		.dlpi_adds = walk->host_adds + walk->adds,
		.dlpi_subs = walk->host_subs + walk->subs,
		.dlpi_tls_modid = image->tls_id,
		.dlpi_tls_data = link_tls_existing(image),
	};
	return walk->callback(&info, sizeof(info), walk->data);
}

/*
 * The callback runs inside a search, so that no other thread takes its image away, as
 * with ld.so's lock. It may load and unload itself: the walk holds no place in the set
 * but an address, and so goes by address rather than by age.
 */
int link_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
	link_iterate_function *host = link_host_iterate();
	struct iteration walk = { callback, data, atomic_load(&adds), atomic_load(&subs),
		0, 0 };
	int result = 0;
	if (host)
		result = walk.adds ? host(host_object, &walk) : host(callback, data);
	if (result || !link_address_any())
		return result;
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_next(0);
	while (image && !result) {
		uintptr_t start = image->start;
		if (image->home != LINK_HOME_HOST)
			result = own_object(&walk, image);
		image = link_address_next(start);
	}
	base_reader_leave(reader);
	return result;
}

int ANSWER(dl_iterate_phdr)(
	int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
	return link_iterate_phdr(callback, data);
}

/* ---- libumod came late: register frames ---- */

typedef void frames_function(const void *eh_frame);

static struct {
	uintptr_t bias; /* of the libgcc_s in use; 0: none */
	frames_function *add, *remove;
} libgcc;

/* DW_EH_PE encodings of the LSB's .eh_frame_hdr; linkers write no others there. */
enum {
	PE_FORM = 0x0f,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_BASE = 0xf0,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30
};

/* The vaddr of .eh_frame, which eh_frame_ptr of .eh_frame_hdr holds. */
static bool frames_vaddr(const struct link_image *image, uint64_t *vaddr)
{
	const struct elf_view *view = &image->view;
	uint64_t at = view->eh_frame_hdr_vaddr, value = 0;
	const uint8_t *header = (const void *)(image->bias + at);
	if (view->eh_frame_hdr_bytes < 12 || !elf_view_in_file(view, at, 12) ||
		header[0] != 1)
		return false;
	unsigned form = header[1] & PE_FORM, base = header[1] & PE_BASE;
	if (form == PE_UDATA4 || form == PE_SDATA4) {
		int32_t word;
		memcpy(&word, header + 4, sizeof(word));
		value = form == PE_SDATA4 ? (uint64_t)word : (uint32_t)word;
	} else if (form == PE_UDATA8 || form == PE_SDATA8) {
		memcpy(&value, header + 4, sizeof(value));
	} else {
		return false;
	}
	*vaddr = value + at + (base == PE_PCREL ? 4 : 0);
	return base == PE_PCREL || base == PE_DATAREL;
}

/*
 * libgcc reads on until an entry of length 0, which crtend.o provides: the section is
 * registered only if it has one, and is not empty.
 */
static bool frames_end(const struct link_image *image, uint64_t start)
{
	uint32_t length;
	for (uint64_t at = start; elf_view_in_file(&image->view, at, sizeof(length));
		at += sizeof(length) + length) {
		memcpy(&length, (const void *)(image->bias + at), sizeof(length));
		if (length == 0)
			return at != start;
		if (length == UINT32_MAX) /* a 64-bit length, which nobody writes */
			break;
	}
	base_trace(BASE_TRACE_FILES, "%s: .eh_frame has no end: exceptions cannot pass",
		image->path);
	return false;
}

static void register_frames(struct link_image *image)
{
	uint64_t vaddr;
	if (image->frames || !frames_vaddr(image, &vaddr) || !frames_end(image, vaddr))
		return;
	image->frames = (const void *)(image->bias + vaddr);
	libgcc.add(image->frames);
}

static void *find_function(const struct elf_view *view, const char *name)
{
	struct elf_reference reference;
	link_reference(&reference, name, NULL);
	uint32_t index = elf_view_find(view, &reference);
	return index ? (void *)(view->bias + view->symbols[index].st_value) : NULL;
}

static int visit_libgcc(const struct link_host_object *object, void *data)
{
	struct elf_view view;
	const char *slash = strrchr(object->path, '/');
	if (strcmp(slash ? slash + 1 : object->path, "libgcc_s.so.1") != 0)
		return 0;
	*(bool *)data = true;
	if (object->bias == libgcc.bias)
		return 1;
	if (elf_view_host(&view, "libgcc_s.so.1", object->bias, object->phdrs,
		    object->phdr_count, NULL))
		return 1;
	libgcc.add = (frames_function *)find_function(&view, "__register_frame");
	libgcc.remove = (frames_function *)find_function(&view, "__deregister_frame");
	if (libgcc.add && libgcc.remove)
		libgcc.bias = object->bias;
	elf_view_clear(&view);
	return 1;
}

/* libgcc_s may come, and go, at any time: what it knew goes with it. */
static void follow_libgcc(void)
{
	static uint64_t generation;
	uint64_t now = link_host_generation();
	uintptr_t before = libgcc.bias;
	bool there = false;
	if (now == generation)
		return;
	generation = now;
	link_host_visit(visit_libgcc, &there);
	if (!there)
		libgcc.bias = 0;
	if (libgcc.bias == before)
		return;
	for (struct link_image *i = link_debugger_first(); i; i = link_debugger_next(i)) {
		i->frames = NULL;
		if (libgcc.bias)
			register_frames(i);
	}
}

/*
 * Counters change after the set: who keeps what a walk told, under the counters that it
 * gave, then asks once too often rather than never.
 */
void link_unwind_add(struct link_image *image)
{
	atomic_fetch_add(&adds, 1);
	if (ANSWERS && link_host_interposes())
		return;
	follow_libgcc();
	if (libgcc.bias)
		register_frames(image);
}

void link_unwind_remove(struct link_image *image)
{
	atomic_fetch_add(&subs, 1);
	if (!image->frames)
		return;
	/* libgcc_s aborts when asked to forget what it does not know. */
	follow_libgcc();
	if (image->frames && libgcc.bias)
		libgcc.remove(image->frames);
	image->frames = NULL;
}
