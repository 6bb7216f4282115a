/* SPDX-License-Identifier: MIT */
/*
 * The ordered set of address ranges: against a plain list, under readers and signal
 * handlers that search while it changes, when memory runs out; and how fast it is.
 */
#include "link/publish.h"

#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define PAGE BASE_PAGE_BYTES

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void place(struct link_image *image, uintptr_t start, uint64_t bytes)
{
	image->home = LINK_HOME_FILE;
	image->start = start;
	image->end = start + bytes;
}

static void settle(void)
{
	base_reader_wait();
	link_address_reclaim();
}

static void remove_all(struct link_image *images, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		link_address_remove(&images[i]);
	settle();
}

static bool overlaps(const struct link_image *a, const struct link_image *b)
{
	return a->start < b->end && b->start < a->end;
}

/* A list of all images: what the set must answer. */
struct model {
	struct link_image *images;
	bool *in;
	unsigned count;
};

static struct link_image *model_find(const struct model *model, uintptr_t address)
{
	for (unsigned i = 0; i < model->count; i++)
		if (model->in[i] && address >= model->images[i].start &&
			address < model->images[i].end)
			return &model->images[i];
	return NULL;
}

static struct link_image *model_next(const struct model *model, uintptr_t after)
{
	struct link_image *best = NULL;
	for (unsigned i = 0; i < model->count; i++)
		if (model->in[i] && model->images[i].start > after &&
			(!best || model->images[i].start < best->start))
			best = &model->images[i];
	return best;
}

static bool model_overlaps(const struct model *model, const struct link_image *image)
{
	for (unsigned i = 0; i < model->count; i++)
		if (model->in[i] && overlaps(&model->images[i], image))
			return true;
	return false;
}

static void compare(const struct model *model, uintptr_t space)
{
	uintptr_t at = next_random() % (space + 2 * PAGE);
	struct link_image *one = &model->images[next_random() % model->count];
	const uintptr_t probes[] = { at, one->start, one->end - 1, one->end,
		one->start - 1, 0, UINTPTR_MAX };
	for (unsigned i = 0; i < base_array_count(probes); i++) {
		CHECK(link_address_find(probes[i]) == model_find(model, probes[i]));
		CHECK(link_address_next(probes[i]) == model_next(model, probes[i]));
	}
}

/* In a small space ranges meet, cover what went, and come back to where they were. */
static void run_model(unsigned count, uintptr_t space_pages, unsigned rounds)
{
	struct model model = { calloc(count, sizeof(struct link_image)),
		calloc(count, sizeof(bool)), count };
	for (unsigned i = 0; i < count; i++)
		place(&model.images[i], PAGE, PAGE);
	for (unsigned round = 0; round < rounds && !test_failures; round++) {
		unsigned i = (unsigned)(next_random() % count);
		struct link_image *image = &model.images[i];
		/* Now growing, now shrinking. */
		bool grow = round / (2 * count) % 2 == 0 ? next_random() % 4 != 0
							 : next_random() % 4 == 0;
		if (model.in[i] && !grow) {
			link_address_remove(image);
			model.in[i] = false;
			if (next_random() % 8 == 0)
				settle();
		} else if (!model.in[i] && grow) {
			if (next_random() % 4) /* else where it was before */
				place(image, (1 + next_random() % space_pages) * PAGE,
					(1 + next_random() % 8) * PAGE);
			bool taken = model_overlaps(&model, image);
			CHECK_INT(link_address_insert(image), taken ? -EEXIST : 0);
			model.in[i] = !taken;
		}
		compare(&model, space_pages * PAGE);
	}
	remove_all(model.images, count);
	CHECK(!link_address_next(0));
	free(model.images);
	free(model.in);
}

TEST(set_answers_as_a_list_does)
{
	run_model(20, 100, 4000);
	run_model(400, 2500, 6000);
	run_model(600, (uintptr_t)1 << 34, 6000);
}

static unsigned count_walk(void)
{
	unsigned count = 0;
	struct link_image *image = link_address_next(0);
	for (; image; image = link_address_next(image->start))
		count++;
	return count;
}

TEST(set_keeps_order_of_every_arrival)
{
	enum { COUNT = 3000 };
	struct link_image *images = calloc(COUNT, sizeof(*images));
	for (unsigned way = 0; way < 3; way++) {
		for (unsigned i = 0; i < COUNT; i++) {
			/* ascending, descending, from both ends */
			unsigned at = way == 0   ? i
				      : way == 1 ? COUNT - 1 - i
				      : i % 2    ? i
						 : COUNT - 1 - i;
			if (way == 2 && COUNT % 2 == 0 && i % 2 == 0)
				at = COUNT - 2 - i;
			place(&images[at], (1 + at) * 4 * PAGE, PAGE + at % 3 * PAGE);
			CHECK_INT(link_address_insert(&images[at]), 0);
		}
		CHECK_INT(count_walk(), COUNT);
		for (unsigned i = 0; i < COUNT; i++) {
			CHECK(link_address_find(images[i].start) == &images[i]);
			CHECK(link_address_find(images[i].end - 1) == &images[i]);
			CHECK(!link_address_find(images[i].end));
		}
		remove_all(images, COUNT);
		CHECK_INT(count_walk(), 0);
	}
	free(images);
}

TEST(set_prefers_ours_to_stale_ranges_of_the_host)
{
	struct link_image stale[3] = { 0 }, own = { 0 }, late = { 0 };
	for (unsigned i = 0; i < 3; i++) {
		place(&stale[i], (10 + 4 * i) * PAGE, 2 * PAGE);
		stale[i].home = LINK_HOME_HOST;
		CHECK_INT(link_address_insert(&stale[i]), 0);
	}
	/* Covers the end of the first and the second, not the third. */
	place(&own, 11 * PAGE, 6 * PAGE);
	CHECK_INT(link_address_insert(&own), 0);
	CHECK(!link_address_find(10 * PAGE));
	CHECK(link_address_find(11 * PAGE) == &own);
	CHECK(link_address_find(15 * PAGE) == &own);
	CHECK(link_address_find(18 * PAGE) == &stale[2]);
	place(&late, 16 * PAGE, PAGE);
	late.home = LINK_HOME_HOST;
	CHECK_INT(link_address_insert(&late), -EEXIST);
	CHECK(link_address_find(16 * PAGE) == &own);
	link_address_remove(&stale[0]); /* is out already */
	remove_all(stale, 3);
	remove_all(&own, 1);
	CHECK(!link_address_next(0));
}

TEST(set_survives_want_of_memory)
{
	enum { COUNT = 600 };
	struct link_image *images = calloc(COUNT, sizeof(*images));
	unsigned failed = 0;
	for (unsigned i = 0; i < COUNT; i++) {
		unsigned at = i * 7 % COUNT;
		place(&images[at], (1 + at) * 2 * PAGE, PAGE);
		for (unsigned nth = 1;; nth++) {
			base_fault_arm(nth, -ENOMEM);
			int result = link_address_insert(&images[at]);
			base_fault_arm(0, 0);
			if (result == 0)
				break;
			failed++;
			CHECK_INT(result, -ENOMEM);
			CHECK(!link_address_find(images[at].start));
			CHECK_INT(count_walk(), i);
		}
		CHECK(link_address_find(images[at].start) == &images[at]);
	}
	CHECK(failed >= COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		base_fault_arm(1 + i % 3, -ENOMEM);
		link_address_remove(&images[i]);
		base_fault_arm(0, 0);
		CHECK(!link_address_find(images[i].start));
		CHECK_INT(count_walk(), COUNT - 1 - i);
	}
	settle();
	free(images);
}

/* ---- readers and handlers while it changes ---- */

#define SLOTS    400u
#define STRIDE   (16 * PAGE)
#define FIXED    64u /* of them never go */
#define READERS  2u
#define CHANGES  60000u
#define CHANGES_ 6000u /* where everything is slow */

static atomic_bool stop;
static _Atomic uint64_t wrong, found, handled;
static struct link_image fixed[FIXED];

/* In slot s an image starts at s * STRIDE; the fixed ones are in slots 0 to FIXED - 1. */
static void search_once(uint64_t random)
{
	uintptr_t address = STRIDE + random % (SLOTS * STRIDE);
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find(address);
	uint64_t slot = address / STRIDE - 1;
	if (image && (address < image->start || address >= image->end))
		atomic_fetch_add(&wrong, 1);
	if (slot < FIXED && address % STRIDE < PAGE && image != &fixed[slot])
		atomic_fetch_add(&wrong, 1);
	if (image)
		atomic_fetch_add(&found, 1);
	base_reader_leave(reader);
}

static void on_signal(int number)
{
	static _Thread_local uint64_t state;
	for (unsigned i = 0; i < 8; i++)
		search_once(state += 0x9e3779b97f4a7c15u);
	atomic_fetch_add(&handled, 1);
}

static void *read_on(void *data)
{
	uint64_t state = (uintptr_t)data;
	while (!atomic_load(&stop)) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		search_once(state >> 16);
	}
	return NULL;
}

static pthread_t writer;

static void *disturb(void *data)
{
	while (!atomic_load(&stop)) {
		pthread_kill(writer, SIGUSR1);
		usleep(200);
	}
	return NULL;
}

TEST(set_is_searched_while_it_changes)
{
	pthread_t readers[READERS], disturber;
	struct link_image *images[SLOTS] = { 0 };
	const struct sigaction action = { .sa_handler = on_signal,
		.sa_flags = SA_RESTART };
	unsigned changes =
		getenv("TSAN_OPTIONS") || getenv("ASAN_OPTIONS") ? CHANGES_ : CHANGES;
	writer = pthread_self();
	sigaction(SIGUSR1, &action, NULL);
	for (unsigned i = 0; i < FIXED; i++) {
		place(&fixed[i], (1 + i) * STRIDE, PAGE);
		CHECK_INT(link_address_insert(&fixed[i]), 0);
	}
	for (uintptr_t i = 0; i < READERS; i++)
		pthread_create(&readers[i], NULL, read_on, (void *)(i + 1));
	pthread_create(&disturber, NULL, disturb, NULL);
	for (unsigned i = 0; i < changes; i++) {
		unsigned slot = FIXED + (unsigned)(next_random() % (SLOTS - FIXED));
		if (images[slot]) {
			link_address_remove(images[slot]);
			settle();
			/* A reader that still had it would find itself wrong. */
			memset(images[slot], 0xff, sizeof(*images[slot]));
			free(images[slot]);
			images[slot] = NULL;
		} else {
			images[slot] = calloc(1, sizeof(*images[slot]));
			place(images[slot], (1 + slot) * STRIDE,
				(1 + next_random() % 15) * PAGE);
			CHECK_INT(link_address_insert(images[slot]), 0);
		}
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	pthread_join(disturber, NULL);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (images[i])
			link_address_remove(images[i]);
	}
	settle();
	for (unsigned i = 0; i < SLOTS; i++)
		free(images[i]);
	remove_all(fixed, FIXED);
	CHECK_INT(wrong, 0);
	CHECK(found > 1000);
	CHECK(handled > 10);
	printf("# %u changes, %lu ranges found meanwhile, %lu signals\n", changes,
		(unsigned long)found, (unsigned long)handled);
}

/* ---- figures ---- */

static double lookup_ns(const uintptr_t *addresses, unsigned count, unsigned step)
{
	enum { ROUNDS = 1000000 };
	uint64_t begin = base_now_ns(), sum = 0;
	for (unsigned i = 0, at = 0; i < ROUNDS; i++) {
		struct base_reader *reader = base_reader_enter();
		sum += (uintptr_t)link_address_find(addresses[at]);
		base_reader_leave(reader);
		at += step;
		if (at >= count)
			at -= count;
	}
	uint64_t end = base_now_ns();
	CHECK(sum != 0);
	return (double)(end - begin) / ROUNDS;
}

static void print_figures(unsigned count)
{
	struct link_image *images = calloc(count, sizeof(*images));
	uintptr_t *addresses = calloc(count, sizeof(*addresses));
	for (unsigned i = 0; i < count; i++) {
		place(&images[i], 0x7f0000000000 - (uintptr_t)i * 7 * PAGE, 6 * PAGE);
		addresses[i] = images[i].start + 100;
	}
	uint64_t t0 = base_now_ns();
	for (unsigned i = 0; i < count; i++) {
		CHECK_INT(link_address_insert(&images[i]), 0);
		if (link_address_wants_reclaim())
			settle();
	}
	uint64_t t1 = base_now_ns();
	double same = lookup_ns(addresses, count, 0);
	double random = lookup_ns(addresses, count, (count * 5u) / 8 | 1);
	uint64_t t2 = base_now_ns();
	for (unsigned i = 0; i < count; i++) {
		link_address_remove(&images[i * 7919ull % count]);
		settle();
	}
	uint64_t t3 = base_now_ns();
	printf("# %6u images: lookup %.1f ns hot, %.1f ns anywhere; insert %.0f ns, "
	       "remove "
	       "and wait %.0f ns\n",
		count, same, random, (double)(t1 - t0) / count,
		(double)(t3 - t2) / count);
	remove_all(images, count);
	CHECK(!link_address_next(0));
	free(addresses);
	free(images);
}

TEST(set_figures)
{
	print_figures(10);
	print_figures(1000);
	print_figures(10000);
	print_figures(100003);
}
