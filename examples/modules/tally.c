/* SPDX-License-Identifier: MIT */
/* State that each thread has for itself, beside what all share. */
#include "host.h"

#include <umod/author.h>

#include <stdatomic.h>

static _Thread_local unsigned mine = 1000;
static _Thread_local char scratch[64]; /* zero in each thread */
static atomic_uint all;

unsigned tally_count(void);
unsigned tally_total(void);

/* How often this thread called, from 1001 on. */
unsigned tally_count(void)
{
	atomic_fetch_add(&all, 1);
	scratch[mine % sizeof(scratch)]++;
	return ++mine;
}
UMOD_EXPORT_SYMBOL(tally_count);

/* How often all threads did. */
unsigned tally_total(void)
{
	return atomic_load(&all);
}
UMOD_EXPORT_SYMBOL(tally_total);

static int UMOD_INIT tally_init(void)
{
	host_say("tally: counting");
	return 0;
}

static void UMOD_EXIT tally_exit(void)
{
	host_say("tally: %u calls in all", tally_total());
}

UMOD_MODULE(tally, tally_init, tally_exit);
UMOD_LICENSE("MIT");
UMOD_DESCRIPTION("Counts for each thread");
