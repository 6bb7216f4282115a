/* SPDX-License-Identifier: MIT */
/*
 * The initial-exec pool: pieces of it, and initial values in threads that exist and in
 * threads to come, by each way to reach them. The images are made by hand.
 */
#include "tls_images.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const char values[] = "0123456789abcdef0123456789abcdef";

static void *place_of(const struct link_image *image)
{
	return (void *)(link_arch_thread_pointer() + (uintptr_t)image->tls_offset);
}

/* The values of the calling thread, straight from the thread pointer. */
static bool is_fresh(const struct link_image *image)
{
	const struct elf_view *view = &image->view;
	const uint8_t *block = place_of(image);
	if (memcmp(block, (const void *)(image->bias + view->tls_vaddr),
		    view->tls_file_bytes) != 0)
		return false;
	for (uint64_t i = view->tls_file_bytes; i < view->tls_memory_bytes; i++)
		if (block[i])
			return false;
	return true;
}

static void expect_fresh(void *data)
{
	struct link_image *image = data;
	CHECK(is_fresh(image));
	CHECK(address_of(image, 3) == (uint8_t *)place_of(image) + 3);
	CHECK(link_tls_address(image, 3) == (uint8_t *)place_of(image) + 3);
	memset(place_of(image), 0x77, image->view.tls_memory_bytes);
}

static void *new_thread(void *data)
{
	expect_fresh(data);
	return NULL;
}

static void expect_everywhere(struct link_image *image, struct stepper *others, int count)
{
	pthread_t thread;
	expect_fresh(image);
	for (int i = 0; i < count; i++)
		stepper_do(&others[i], expect_fresh, image);
	/* Twice: on a new stack, and on one that a thread has used. */
	for (int i = 0; i < 2; i++) {
		pthread_create(&thread, NULL, new_thread, image);
		pthread_join(thread, NULL);
	}
}

static void reach_threads(enum tls_reach reach)
{
	struct link_image first, second;
	struct stepper others[12];
	enum tls_reach before = tls_reach;
	uint64_t total, used, start;
	link_tls_pool_sizes(&total, &start);
	tls_reach = reach;
	for (int i = 0; i < 12; i++)
		stepper_start(&others[i]);
	for (int round = 0; round < 5; round++) {
		make_image(&first, values + round, 20, 50, 16, 0);
		make_image(&second, values + 2 * round, 9, 130, 64, 8);
		if (!begin_static(&first) || !begin_static(&second))
			break;
		CHECK_INT((uintptr_t)place_of(&first) % 16, 0);
		CHECK_INT((uintptr_t)place_of(&second) % 64, 8);
		link_tls_pool_sizes(&total, &used);
		CHECK_INT(used, start + 180);
		expect_everywhere(&first, others, 12);
		expect_everywhere(&second, others, 12);
		link_tls_unregister(&first);
		link_tls_unregister(&second);
		link_tls_pool_sizes(&total, &used);
		CHECK_INT(used, start);
	}
	for (int i = 0; i < 12; i++)
		stepper_end(&others[i]);
	tls_reach = before;
}

TEST(values_reach_threads_by_the_lists_of_glibc)
{
	set_up_tls();
	REQUIRE_INT(tls_reach, TLS_REACH_LIST);
	reach_threads(TLS_REACH_LIST);
}

TEST(values_reach_threads_by_signals)
{
	if (IS_TSAN) /* and it has a thread that blocks them */
		SKIP("ThreadSanitizer delays signals");
	set_up_tls();
	reach_threads(TLS_REACH_SIGNAL);
}

static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;
static atomic_int deaf_state;

static void *deaf_thread(void *arg)
{
	sigset_t every;
	sigfillset(&every);
	pthread_sigmask(SIG_BLOCK, &every, NULL);
	atomic_store(&deaf_state, 1);
	pthread_mutex_lock(&never);
	pthread_mutex_unlock(&never);
	/* The signal that was sent comes now, too late, and does no harm. */
	pthread_sigmask(SIG_UNBLOCK, &every, NULL);
	return NULL;
}

TEST(a_thread_that_blocks_the_signal_is_an_error)
{
	struct link_image image;
	struct umod_error error = { 0 };
	pthread_t thread;
	if (IS_TSAN)
		SKIP("ThreadSanitizer delays signals");
	set_up_tls();
	enum tls_reach before = tls_reach;
	tls_reach = TLS_REACH_SIGNAL;
	pthread_mutex_lock(&never);
	pthread_create(&thread, NULL, deaf_thread, NULL);
	while (!atomic_load(&deaf_state))
		usleep(1000);
	make_image(&image, values, 8, 8, 8, 0);
	CHECK(link_tls_register(&image, NULL) == 0);
	CHECK(link_tls_make_static(&image, NULL) == 0);
	CHECK_INT(link_tls_publish(&image, &error), -ENOTSUP);
	CHECK_HAS(error.message, "the threads that exist cannot be given");
	link_tls_unregister(&image);
	pthread_mutex_unlock(&never);
	pthread_join(thread, NULL);
	tls_reach = before;
}

/* ---- glibc's lock ---- */

static atomic_bool created;

static void *nothing(void *arg)
{
	return NULL;
}

static void create(void *arg)
{
	pthread_t thread;
	pthread_create(&thread, NULL, nothing, NULL);
	atomic_store(&created, true);
	pthread_join(thread, NULL);
}

/* If this fails, glibc has another layout than tls_threads.c takes it to have. */
TEST(the_lock_is_the_one_that_glibc_makes_threads_under)
{
	set_up_tls();
	REQUIRE_INT(tls_reach, TLS_REACH_LIST);
	atomic_store(&created, false);
	struct stepper other;
	stepper_start(&other);
	REQUIRE(tls_lists_lock());
	other.step = create;
	pthread_barrier_wait(&other.barrier);
	usleep(200000);
	bool early = atomic_load(&created);
	tls_lists_unlock();
	pthread_barrier_wait(&other.barrier);
	CHECK(!early);
	CHECK(atomic_load(&created));
	stepper_end(&other);
}

/* ---- while threads come and go ---- */

static atomic_bool stop;

static void *make_threads(void *arg)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	for (unsigned i = 0; !atomic_load(&stop); i++) {
		pthread_t threads[3];
		/* Some stacks are too large to be kept and are unmapped at once. */
		pthread_attr_setstacksize(
			&attributes, i % 3 ? (size_t)128 << 10 : (size_t)64 << 20);
		for (int n = 0; n < 3; n++)
			pthread_create(&threads[n], &attributes, nothing, NULL);
		for (int n = 0; n < 3; n++)
			pthread_join(threads[n], NULL);
	}
	pthread_attr_destroy(&attributes);
	return NULL;
}

TEST(values_are_set_while_threads_come_and_go)
{
	pthread_t makers[2];
	struct link_image image;
	set_up_tls();
	atomic_store(&stop, false);
	for (int i = 0; i < 2; i++)
		pthread_create(&makers[i], NULL, make_threads, NULL);
	uint64_t end = base_now_ns() + 1000000000u;
	unsigned rounds = 0;
	for (; base_now_ns() < end; rounds++) {
		make_image(&image, values + rounds % 16, 8, 256, 8, 0);
		if (!begin_static(&image))
			break;
		CHECK(is_fresh(&image));
		link_tls_unregister(&image);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(makers[i], NULL);
	CHECK(rounds > 100);
	printf("# %u rounds\n", rounds);
}

/* ---- pieces ---- */

TEST(pieces_are_found_freed_and_used_again)
{
	struct link_image images[64], large;
	struct umod_error error = { 0 };
	uint64_t total, used, before;
	unsigned count = 0;
	set_up_tls();
	link_tls_pool_sizes(&total, &before);
	REQUIRE(total >= 64);
	for (; count < 64; count++) {
		make_image(&images[count], values, 1, total / 16, 1, 0);
		link_tls_register(&images[count], NULL);
		if (link_tls_make_static(&images[count], &error))
			break;
	}
	CHECK_INT(count, 16);
	CHECK_INT(error.code, -ENOMEM);
	CHECK_HAS(error.message, "initial-exec");
	CHECK_HAS(error.message, "UMOD_TLS_POOL");
	link_tls_pool_sizes(&total, &used);
	CHECK_INT(used, total);
	/* A gap of two in the middle, for one twice as large. */
	int64_t gap = images[7].tls_offset;
	link_tls_unregister(&images[8]);
	link_tls_unregister(&images[7]);
	make_image(&large, values, 1, total / 16 * 2, 1, 0);
	link_tls_register(&large, NULL);
	CHECK_INT(link_tls_make_static(&large, NULL), 0);
	CHECK_INT(large.tls_offset, gap);
	link_tls_unregister(&large);
	for (unsigned i = 0; i <= count; i++)
		link_tls_unregister(&images[i]);
	link_tls_pool_sizes(&total, &used);
	CHECK_INT(used, before);
}

TEST(alignment_is_bounded_by_that_of_threads)
{
	struct link_image image;
	struct umod_error error = { 0 };
	set_up_tls();
	make_image(&image, values, 8, 8, 1 << 20, 0);
	link_tls_register(&image, NULL);
	CHECK_INT(link_tls_make_static(&image, &error), -ENOTSUP);
	CHECK_HAS(error.message, "alignment 1048576");
	/* Storage of its own is as aligned as one likes. */
	CHECK_INT(link_tls_publish(&image, NULL), 0);
	CHECK_INT((uintptr_t)address_of(&image, 0) % (1 << 20), 0);
	link_tls_unregister(&image);
}

/* ---- an image that is in use already ---- */

TEST(storage_becomes_static_only_while_nobody_has_any)
{
	struct link_image unused, used;
	struct umod_error error = { 0 };
	set_up_tls();
	make_image(&unused, values, 8, 24, 8, 0);
	make_image(&used, values, 8, 24, 8, 0);
	REQUIRE(begin_image(&unused) && begin_image(&used));
	address_of(&used, 0);
	CHECK_INT(link_tls_make_static(&unused, NULL), 0);
	expect_everywhere(&unused, NULL, 0);
	CHECK_INT(link_tls_make_static(&used, &error), -ENOMEM);
	CHECK_HAS(error.message, "in dynamic memory already");
	CHECK(!used.tls_static);
	link_tls_unregister(&unused);
	link_tls_unregister(&used);
	uint64_t total, bytes;
	link_tls_pool_sizes(&total, &bytes);
	CHECK_INT(bytes, 0);
}

/* ---- failures ---- */

TEST(failures_of_the_kernel_are_told_and_undone)
{
	set_up_tls();
	for (uint64_t nth = 1;; nth++) {
		struct link_image image;
		struct umod_error error = { 0 };
		make_image(&image, values, 8, 24, 8, 0);
		base_fault_arm(nth, ENOMEM);
		int result = link_tls_register(&image, &error);
		if (!result)
			result = link_tls_make_static(&image, &error);
		if (!result)
			result = link_tls_publish(&image, &error);
		uint64_t calls = base_fault_calls();
		base_fault_arm(0, 0);
		if (result) {
			CHECK_INT(error.code, -ENOMEM);
			CHECK(error.message[0] != '\0');
		}
		link_tls_unregister(&image);
		uint64_t total, bytes;
		link_tls_pool_sizes(&total, &bytes);
		CHECK_INT(bytes, 0);
		if (calls < nth)
			break;
	}
}

/* ---- descriptors ---- */

/* As -mtls-dialect=gnu2 calls one. */
static void *call_descriptor(uint64_t *descriptor)
{
	uintptr_t offset;
	__asm__ volatile("call *(%%rax)"
			 : "=a"(offset)
			 : "a"(descriptor)
			 : "cc", "memory");
	return (void *)(link_arch_thread_pointer() + offset);
}

static __thread int hosts_own = 99;

TEST(descriptors_lead_to_all_kinds_of_storage)
{
	struct link_image fixed, dynamic, host = { .tls_id = 1, .path = "host" };
	uint64_t descriptor[2];
	set_up_tls();
	make_image(&fixed, values, 8, 24, 8, 0);
	make_image(&dynamic, values, 8, 24, 8, 0);
	REQUIRE(begin_static(&fixed) && begin_image(&dynamic));
	CHECK_INT(link_tls_descriptor(&fixed, 4, descriptor, NULL), 0);
	CHECK(call_descriptor(descriptor) == (uint8_t *)place_of(&fixed) + 4);
	CHECK_INT(link_tls_descriptor(&dynamic, 4, descriptor, NULL), 0);
	for (int i = 0; i < 2; i++)
		CHECK(call_descriptor(descriptor) == address_of(&dynamic, 4));
	/* Before its first byte: an addend may be negative. */
	CHECK_INT(link_tls_descriptor(&dynamic, (uint64_t)-8, descriptor, NULL), 0);
	CHECK(call_descriptor(descriptor) == (uint8_t *)address_of(&dynamic, 0) - 8);
	const struct tls_request program = { 1, 0 };
	CHECK_INT(link_tls_descriptor(&host, 16, descriptor, NULL), 0);
	CHECK(call_descriptor(descriptor) == (uint8_t *)link_tls_get_addr(&program) + 16);
	CHECK_INT(hosts_own, 99);
	link_tls_descriptor_undefined(5, descriptor);
	CHECK(call_descriptor(descriptor) == (void *)5);
	CHECK_INT(link_tls_descriptor(&dynamic, (uint64_t)1 << 40, descriptor, NULL),
		-ERANGE);
	link_tls_unregister(&fixed);
	link_tls_unregister(&dynamic);
}
