/* SPDX-License-Identifier: MIT */
/*
 * Fault injection: makes the n-th memory or system call of one thread fail, so that
 * tests can fail each in turn. Off unless armed; then only the arming thread is hit.
 */
#include "base/base.h"

/* Initial exec, small: it is part of every thread's static TLS. */
static __thread struct {
	uint64_t calls, nth;
	int code;
} fault __attribute__((tls_model("initial-exec")));

atomic_bool base_fault_armed;
static atomic_uint armed_threads;

void base_fault_arm(uint64_t nth, int code)
{
	bool was = fault.nth != 0, is = nth != 0;

	if (is)
		fault.calls = 0; /* a disarmed thread may still ask for the count */
	fault.nth = nth;
	fault.code = code;
	if (is && !was)
		atomic_fetch_add(&armed_threads, 1);
	else if (was && !is)
		atomic_fetch_sub(&armed_threads, 1);
	/* Two threads at once may leave it set too long: that costs a call, no more. */
	atomic_store(&base_fault_armed, is || atomic_load(&armed_threads) != 0);
}

uint64_t base_fault_calls(void)
{
	return fault.calls;
}

bool base_fault_hit_slow(int *code)
{
	if (fault.nth == 0 || ++fault.calls != fault.nth)
		return false;
	*code = fault.code;
	return true;
}
