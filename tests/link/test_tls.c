/* SPDX-License-Identifier: MIT */
/*
 * Thread-local storage that is allocated at first access: ids, blocks, vectors, threads
 * that end, fork, signal handlers. The images are made by hand.
 */
#include "tls_images.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char values[] = "0123456789abcdef0123456789abcdef";

static bool is_fresh(const struct link_image *image)
{
	const uint8_t *block = address_of(image, 0);
	const struct elf_view *view = &image->view;
	const void *initial = (const void *)(image->bias + view->tls_vaddr);
	if (!block || memcmp(block, initial, view->tls_file_bytes) != 0)
		return false;
	for (uint64_t i = view->tls_file_bytes; i < view->tls_memory_bytes; i++)
		if (block[i])
			return false;
	return true;
}

static void check_alignment(uint64_t align, uint64_t misalign, uint64_t bytes)
{
	struct link_image image;
	make_image(&image, values, 7, bytes, align, misalign);
	if (!begin_image(&image))
		return;
	CHECK(link_tls_existing(&image) == NULL);
	uintptr_t at = (uintptr_t)address_of(&image, 0);
	CHECK(link_tls_existing(&image) == (void *)at);
	CHECK_INT(at % align, misalign);
	CHECK(is_fresh(&image));
	CHECK(address_of(&image, 5) == (void *)(at + 5));
	CHECK(link_tls_address(&image, 5) == (void *)(at + 5));
	memset((void *)at, 0xaa, bytes);
	link_tls_unregister(&image);
}

TEST(blocks_are_aligned_and_hold_initial_values)
{
	set_up_tls();
	uint64_t used = tls_store_used();
	for (uint64_t align = 1; align <= 1 << 16; align *= 2) {
		check_alignment(align, 0, 7);
		check_alignment(align, 0, 1000);
		check_alignment(align, 0, 70000);
		check_alignment(align, align / 2, 100);
		check_alignment(align, align > 8 ? 8 : 0, 5000);
	}
	CHECK(tls_store_used() - used < 4096); /* this thread's record and vector */
}

static __thread int hosts_own = 4711;

TEST(ids_of_the_host_go_to_ld_so)
{
	set_up_tls();
	/* The program is module 1 (ELF TLS specification). */
	const struct tls_request program = { 1, 0 };
	uintptr_t block = (uintptr_t)link_tls_get_addr(&program);
	CHECK((uintptr_t)&hosts_own - block < 65536);
	CHECK_INT(hosts_own, 4711);
}

static void expect_fresh(void *data)
{
	struct link_image *image = data;
	CHECK(is_fresh(image));
	memset(address_of(image, 0), 0x55, image->view.tls_memory_bytes);
}

TEST(ids_are_used_again_with_new_values)
{
	struct link_image image;
	struct stepper other;
	set_up_tls();
	stepper_start(&other);
	uint64_t id = 0, used = 0;
	for (int i = 0; i < 50; i++) {
		make_image(&image, values + i % 8, 8, 16 + (uint64_t)i, 8, 0);
		REQUIRE(begin_image(&image));
		CHECK(!id || id == image.tls_id);
		id = image.tls_id;
		expect_fresh(&image);
		stepper_do(&other, expect_fresh, &image);
		link_tls_unregister(&image);
		CHECK_INT(image.tls_id, 0);
		if (i == 0)
			used = tls_store_used();
	}
	CHECK_INT(tls_store_used(), used);
	stepper_end(&other);
}

TEST(old_ids_are_answered_by_null)
{
	struct link_image image;
	set_up_tls();
	make_image(&image, values, 8, 8, 8, 0);
	REQUIRE(begin_image(&image));
	const struct tls_request request = { image.tls_id, 0 };
	CHECK(link_tls_get_addr(&request) != NULL);
	link_tls_unregister(&image);
	CHECK(link_tls_get_addr(&request) == NULL);
	link_tls_unregister(&image);
	link_tls_unregister(NULL);
}

/* ---- many ---- */

#define IMAGES  100
#define THREADS 1000
static struct link_image images[IMAGES];
static pthread_barrier_t all_there;

static void *use_all(void *arg)
{
	uintptr_t mine = (uintptr_t)arg;
	for (int i = 0; i < IMAGES; i++) {
		uint64_t *at = address_of(&images[i], 0);
		if (!CHECK(at && at[0] == (uint64_t)i && at[1] == 0))
			break;
		at[1] = mine;
	}
	pthread_barrier_wait(&all_there);
	for (int i = 0; i < IMAGES; i++)
		if (!CHECK(((uint64_t *)address_of(&images[i], 0))[1] == mine))
			break;
	pthread_barrier_wait(&all_there);
	return NULL;
}

static void run_all(unsigned count)
{
	static pthread_t threads[THREADS];
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 << 10);
	pthread_barrier_init(&all_there, NULL, count);
	for (uintptr_t i = 0; i < count; i++)
		if (pthread_create(&threads[i], &attributes, use_all, (void *)(i + 1))) {
			FAIL("pthread_create");
			exit(1);
		}
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&all_there);
	pthread_attr_destroy(&attributes);
}

TEST(a_thousand_threads_with_a_hundred_images)
{
	static uint64_t numbers[IMAGES];
	unsigned count = IS_TSAN ? 100 : THREADS;
	set_up_tls();
	uint64_t used = tls_store_used();
	for (int i = 0; i < IMAGES; i++) {
		numbers[i] = (uint64_t)i;
		make_image(&images[i], &numbers[i], 8, 24, 8, 0);
		REQUIRE(begin_image(&images[i]));
	}
	uint64_t start = base_now_ns();
	run_all(count);
	printf("# %u threads, %d images: %lu ms\n", count, IMAGES,
		(base_now_ns() - start) / 1000000);
	CHECK_INT(tls_store_used(), used); /* their threads have ended */
	for (int i = 0; i < IMAGES; i++)
		link_tls_unregister(&images[i]);
}

/* Images come and go while threads make their first access to others. */
static atomic_bool stop;

static void *touch_first(void *arg)
{
	while (!atomic_load(&stop)) {
		uint64_t *at = address_of(&images[0], 0);
		if (!CHECK(at && at[0] == 7))
			break;
	}
	return NULL;
}

TEST(images_come_and_go_beside_running_threads)
{
	static const uint64_t seven = 7;
	pthread_t threads[4];
	struct link_image passing[20];
	set_up_tls();
	make_image(&images[0], &seven, 8, 16, 8, 0);
	REQUIRE(begin_image(&images[0]));
	atomic_store(&stop, false);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, touch_first, NULL);
		for (int i = 0; i < 20; i++) {
			make_image(&passing[i], values, 8, 64, 8, 0);
			begin_image(&passing[i]);
			CHECK(is_fresh(&passing[i]));
		}
		for (int i = 0; i < 20; i++)
			link_tls_unregister(&passing[i]);
		atomic_store(&stop, true);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		atomic_store(&stop, false);
	}
	link_tls_unregister(&images[0]);
}

/* ---- the end of a thread ---- */

#define LATE_ROUNDS (IS_TSAN ? 2 : 3)
static pthread_key_t late_key;
static struct link_image kept;
static atomic_int rounds_seen;

/* Sets itself again, so that it runs in every round. */
static void late_destructor(void *value)
{
	const char *at = address_of(&kept, 0);
	int round = (int)(intptr_t)value;
	CHECK(at && memcmp(at, "kept!", 5) == 0);
	atomic_store(&rounds_seen, round);
	if (round < LATE_ROUNDS)
		pthread_setspecific(late_key, (void *)(intptr_t)(round + 1));
}

static void *thread_with_late_key(void *arg)
{
	/* First the storage, then the key: their destructors run in this order too. */
	memcpy(address_of(&kept, 0), "kept!", 5);
	pthread_setspecific(late_key, (void *)1);
	return NULL;
}

TEST(storage_outlives_the_destructors_of_keys)
{
	pthread_t thread;
	set_up_tls();
	make_image(&kept, values, 8, 64, 8, 0);
	REQUIRE(begin_image(&kept));
	uint64_t used = tls_store_used();
	REQUIRE(pthread_key_create(&late_key, late_destructor) == 0);
	for (int i = 0; i < 10; i++) {
		atomic_store(&rounds_seen, 0);
		pthread_create(&thread, NULL, thread_with_late_key, NULL);
		pthread_join(thread, NULL);
		CHECK_INT(atomic_load(&rounds_seen), LATE_ROUNDS);
		CHECK_INT(tls_store_used(), used);
	}
	pthread_key_delete(late_key);
	link_tls_unregister(&kept);
}

/* In the last round, after ours: the storage comes again and is not lost for ever. */
static void last_destructor(void *value)
{
	int round = (int)(intptr_t)value;
	if (round < 4)
		pthread_setspecific(late_key, (void *)(intptr_t)(round + 1));
	else
		CHECK(is_fresh(&kept));
	atomic_store(&rounds_seen, round);
}

static void *thread_with_last_key(void *arg)
{
	address_of(&kept, 0);
	pthread_setspecific(late_key, (void *)1);
	return NULL;
}

TEST(storage_made_after_the_last_destructor_is_found_again)
{
	pthread_t thread;
	uint64_t most = 0;
	if (IS_TSAN) /* it ends its own part of a thread before that */
		SKIP("no code of ours can run in the last round");
	set_up_tls();
	make_image(&kept, values, 8, 64, 8, 0);
	REQUIRE(begin_image(&kept));
	REQUIRE(pthread_key_create(&late_key, last_destructor) == 0);
	for (int i = 0; i < 20; i++) {
		pthread_create(&thread, NULL, thread_with_last_key, NULL);
		pthread_join(thread, NULL);
		CHECK_INT(atomic_load(&rounds_seen), 4);
		if (i == 2)
			most = tls_store_used();
	}
	CHECK(tls_store_used() <= most);
	pthread_key_delete(late_key);
	link_tls_unregister(&kept);
}

/* ---- fork ---- */

static void touch_kept(void *data)
{
	address_of(&kept, 0);
}

TEST(a_child_frees_the_storage_of_other_threads)
{
	struct stepper others[8];
	set_up_tls();
	make_image(&kept, values, 8, 4000, 8, 0);
	REQUIRE(begin_image(&kept));
	address_of(&kept, 0);
	/* A first thread takes back what an earlier test left. */
	stepper_start(&others[0]);
	stepper_do(&others[0], touch_kept, NULL);
	stepper_end(&others[0]);
	uint64_t alone = tls_store_used();
	for (int i = 0; i < 8; i++) {
		stepper_start(&others[i]);
		stepper_do(&others[i], touch_kept, NULL);
	}
	CHECK(tls_store_used() > alone + 8 * 4000);
	memcpy(address_of(&kept, 0), "mine", 4);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		struct link_image image;
		make_image(&image, values, 8, 16, 8, 0);
		_exit(tls_store_used() == alone &&
					memcmp(address_of(&kept, 0), "mine", 4) == 0 &&
					begin_image(&image) && is_fresh(&image)
				? 0
				: 1);
	}
	int status;
	waitpid(child, &status, 0);
	CHECK_INT(status, 0);
	for (int i = 0; i < 8; i++)
		stepper_end(&others[i]);
	CHECK_INT(tls_store_used(), alone);
	link_tls_unregister(&kept);
}

/* ---- signal handlers ---- */

static struct link_image in_handler[64];
static atomic_uint handled;

static void handle(int number)
{
	unsigned n = atomic_load(&handled);
	int before = errno;
	if (n < 64 && is_fresh(&in_handler[n]))
		atomic_fetch_add(&handled, 1);
	CHECK_INT(errno, before);
}

/* First accesses in a handler, at any moment of others. */
TEST(a_signal_handler_may_be_the_first_to_ask)
{
	struct sigaction action = { .sa_handler = handle }, old;
	struct link_image passing;
	set_up_tls();
	atomic_store(&handled, 0);
	for (int i = 0; i < 64; i++) {
		make_image(&in_handler[i], values, 16, 40, 8, 0);
		REQUIRE(begin_image(&in_handler[i]));
	}
	sigaction(SIGALRM, &action, &old);
	ualarm(500, 500);
	uint64_t end = base_now_ns() + 5000000000u;
	while (atomic_load(&handled) < 64 && base_now_ns() < end) {
		free(malloc(100));
		make_image(&passing, values, 8, 64, 8, 0);
		REQUIRE(begin_image(&passing));
		is_fresh(&passing);
		link_tls_unregister(&passing);
	}
	ualarm(0, 0);
	sigaction(SIGALRM, &old, NULL);
	CHECK_INT(atomic_load(&handled), 64);
	for (int i = 0; i < 64; i++)
		link_tls_unregister(&in_handler[i]);
}

/* As old compilers call it, with a stack that is 8 bytes off. */
__attribute__((noinline)) static void *call_misaligned(const struct tls_request *request)
{
	void *result;
	__asm__ volatile("mov %%rsp, %%rbx\n and $-16, %%rsp\n sub $136, %%rsp\n"
			 "call *%2\n mov %%rbx, %%rsp\n"
			 : "=a"(result)
			 : "D"(request), "r"(link_tls_get_addr)
			 : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc",
			 "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			 "xmm7");
	return result;
}

TEST(a_misaligned_stack_is_fine)
{
	struct link_image image;
	set_up_tls();
	make_image(&image, values, 32, 200, 64, 0);
	REQUIRE(begin_image(&image));
	const struct tls_request request = { image.tls_id, 3 };
	CHECK(call_misaligned(&request) == address_of(&image, 3));
	CHECK(is_fresh(&image));
	link_tls_unregister(&image);
}

TEST(speed)
{
	struct link_image image;
	uintptr_t sum = 0;
	set_up_tls();
	make_image(&image, values, 8, 16, 8, 0);
	REQUIRE(begin_image(&image));
	const struct tls_request request = { image.tls_id, 0 }, program = { 1, 0 };
	void *(*volatile get)(const void *) = link_tls_get_addr;
	void *(*volatile host)(const void *) =
		(void *(*)(const void *))link_host_symbol("__tls_get_addr");
	uint64_t start = base_now_ns();
	for (int i = 0; i < 10000000; i++)
		sum += (uintptr_t)get(&request);
	uint64_t middle = base_now_ns();
	for (int i = 0; i < 10000000; i++)
		sum += (uintptr_t)host(&program);
	uint64_t end = base_now_ns();
	CHECK(sum != 0);
	printf("# an address: %.2f ns; ld.so's: %.2f ns\n",
		(double)(middle - start) / 1e7, (double)(end - middle) / 1e7);
	link_tls_unregister(&image);
}

/* For leak checkers: this block is still there when the program ends. */
TEST(pointers_in_storage_are_no_leaks)
{
	static struct link_image image;
	set_up_tls();
	make_image(&image, values, 8, 64, 8, 0);
	REQUIRE(begin_image(&image));
	void *allocated = malloc(1000);
	memcpy(address_of(&image, 16), &allocated, sizeof(allocated));
}
