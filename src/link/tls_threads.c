/* SPDX-License-Identifier: MIT */
/*
 * Gives initial values to variables of threads that exist already. glibc keeps its
 * threads in lists whose places and members it describes for debuggers in variables named
 * _thread_db_*. The lists are walked under the lock that glibc itself holds when it does
 * the same for dlopen: no thread can come into them or go while it is held. Where lists
 * or lock are not as expected, each thread is sent a signal and copies for itself.
 *
 * A thread that is being made may have copied the template before it was changed and
 * enter the list after it was walked. glibc's own dlopen has this gap. Here a second
 * walk, later, makes it small.
 */
#include "link/tls.h"

#include <dirent.h>
#include <gnu/libc-version.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WAIT_NS       1000000000u
#define THREADS_LIMIT (1u << 22) /* the kernel's own */

#define NO_TSAN __attribute__((no_sanitize("thread")))

enum tls_reach tls_reach = TLS_REACH_SIGNAL;

/*
 * By words that the compiler cannot turn into a call of memcpy: race detectors know
 * nothing of the lock that this is done under, and would report it.
 */
typedef uint64_t any_word __attribute__((may_alias, aligned(1)));

NO_TSAN void tls_copy_here(const struct tls_copy *copy, uintptr_t thread_pointer)
{
	uint8_t *place = (uint8_t *)thread_pointer + copy->offset;
	const uint8_t *from = copy->initial;
	uint64_t i = 0, bytes = copy->file_bytes;
	for (; i + 8 <= bytes; i += 8)
		*(volatile any_word *)(place + i) = *(const any_word *)(from + i);
	for (; i < bytes; i++)
		*(volatile uint8_t *)(place + i) = from[i];
	for (; i % 8 && i < copy->memory_bytes; i++)
		*(volatile uint8_t *)(place + i) = 0;
	for (; i + 8 <= copy->memory_bytes; i += 8)
		*(volatile any_word *)(place + i) = 0;
	for (; i < copy->memory_bytes; i++)
		*(volatile uint8_t *)(place + i) = 0;
}

/* ---- by glibc's lists ---- */

struct list {
	struct list *next, *previous;
};

static struct {
	struct list *used, *user; /* heads: stacks that glibc made, and others */
	uint64_t member;          /* of a list in a thread descriptor */
	_Atomic int *lock;
} lists;

/* What glibc tells debuggers of a field: its bits, how many there are, its offset. */
static bool field(const char *name, uint32_t bits, uint32_t *offset)
{
	const uint32_t *described = link_host_symbol(name);
	if (!described || described[0] != bits)
		return false;
	*offset = described[2];
	return true;
}

static int futex(_Atomic int *word, int operation, int value, const struct timespec *time)
{
	return (int)syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, time);
}

/* glibc's low-level lock: 0 free, 1 held, 2 held and perhaps waited for. */
bool tls_lists_lock(void)
{
	const struct timespec wait = { .tv_nsec = 10000000 };
	uint64_t end = base_now_ns() + WAIT_NS;
	int free = 0;
	if (atomic_compare_exchange_strong(lists.lock, &free, 1))
		return true;
	while (atomic_exchange(lists.lock, 2) != 0) {
		if (base_now_ns() > end)
			return false;
		futex(lists.lock, FUTEX_WAIT, 2, &wait);
	}
	return true;
}

void tls_lists_unlock(void)
{
	if (atomic_exchange(lists.lock, 0) > 1)
		futex(lists.lock, FUTEX_WAKE, 1, NULL);
}

/* Calls tls_copy_here for each thread of a list, or counts @wanted if @copy is NULL. */
NO_TSAN static int walk(struct list *head, const struct tls_copy *copy, uintptr_t wanted)
{
	struct list *previous = head;
	unsigned count = 0;
	int found = 0;
	for (struct list *at = head->next; at != head; at = at->next) {
		if (!at || (uintptr_t)at % sizeof(void *) || at->previous != previous ||
			++count > THREADS_LIMIT)
			return -ENOTSUP;
		uintptr_t pointer =
			link_arch_descriptor_pointer((uintptr_t)at - lists.member);
		if (copy)
			tls_copy_here(copy, pointer);
		found += pointer == wanted;
		previous = at;
	}
	return found;
}

static int walk_both(const struct tls_copy *copy)
{
	uintptr_t self = link_arch_thread_pointer();
	sigset_t every, before;
	int result = -EBUSY, found = 0;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	if (tls_lists_lock()) {
		found = walk(lists.used, copy, self);
		result = found < 0 ? found : walk(lists.user, copy, self);
		tls_lists_unlock();
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result < 0)
		return result;
	/* A list that does not hold the calling thread is not what it is taken for. */
	return found + result == 1 ? 0 : -ENOTSUP;
}

static bool version_is_known(void)
{
	unsigned major, minor;
	return sscanf(gnu_get_libc_version(), "%u.%u", &major, &minor) == 2 &&
	       major == 2 && minor >= 34 && minor <= 42;
}

/*
 * The lock is not described. In these versions it stands behind the head of a third list,
 * of stacks kept for later use, the bytes in it, and a word for a change under way.
 */
struct undescribed {
	struct list user, kept;
	uint64_t kept_bytes, in_flight;
	_Atomic int lock;
};

static bool find_lists(void)
{
	uint32_t used, user, next, member;
	uint8_t *global = link_host_symbol("_rtld_global");
	if (!global || !version_is_known() ||
		!field("_thread_db_rtld_global__dl_stack_used", sizeof(struct list) * 8,
			&used) ||
		!field("_thread_db_rtld_global__dl_stack_user", sizeof(struct list) * 8,
			&user) ||
		!field("_thread_db_list_t_next", sizeof(void *) * 8, &next) ||
		!field("_thread_db_pthread_list", sizeof(struct list) * 8, &member) ||
		next != offsetof(struct list, next))
		return false;
	struct undescribed *behind = (struct undescribed *)(void *)(global + user);
	int value = atomic_load(&behind->lock);
	if (value < 0 || value > 2 || behind->kept_bytes % BASE_PAGE_BYTES ||
		!behind->kept.next || !behind->kept.previous)
		return false;
	lists.used = (struct list *)(void *)(global + used);
	lists.user = &behind->user;
	lists.member = member;
	lists.lock = &behind->lock;
	return true;
}

void tls_threads_setup(void)
{
	bool is_known = find_lists() && walk_both(NULL) == 0;
	tls_reach = is_known ? TLS_REACH_LIST : TLS_REACH_SIGNAL;
	base_trace(BASE_TRACE_TLS, "threads are reached by %s",
		is_known ? "glibc's lists" : "signals");
}

/* ---- by signals ---- */

static struct {
	const struct tls_copy *copy;
	int number;              /* of the signal, once its handler is there */
	_Atomic uintptr_t token; /* of the round; 0: none */
	atomic_uint done;
} job;

static void copy_in_handler(int number, siginfo_t *info, void *context)
{
	uintptr_t token = (uintptr_t)info->si_value.sival_ptr;
	int saved = errno;
	if (info->si_code == SI_QUEUE && info->si_pid == getpid() && token &&
		token == atomic_load(&job.token)) {
		tls_copy_here(job.copy, link_arch_thread_pointer());
		atomic_fetch_add(&job.done, 1);
	}
	errno = saved;
}

/* The handler stays: a signal that is still pending would end the process otherwise. */
static int find_signal(void)
{
	struct sigaction old, action = { .sa_sigaction = copy_in_handler,
		.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
	sigfillset(&action.sa_mask);
	for (int number = SIGRTMAX; !job.number && number >= SIGRTMIN; number--) {
		if (sigaction(number, NULL, &old) || (old.sa_flags & SA_SIGINFO) ||
			old.sa_handler != SIG_DFL)
			continue;
		if (sigaction(number, &action, NULL) == 0)
			job.number = number;
	}
	return job.number ? 0 : -ENOTSUP;
}

static int send_signal(int thread)
{
	static uintptr_t token;
	siginfo_t info = { .si_signo = job.number, .si_code = SI_QUEUE };
	const struct timespec nap = { .tv_nsec = 50000 };
	uint64_t end = base_now_ns() + WAIT_NS;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_ptr = (void *)++token;
	unsigned done = atomic_load(&job.done);
	atomic_store(&job.token, token);
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, job.number, &info))
		return errno == ESRCH ? 0 : -errno;
	while (atomic_load(&job.done) == done) {
		/* It blocks the signal; or has ended, which is as good. */
		if (syscall(SYS_tgkill, getpid(), thread, 0) && errno == ESRCH)
			return 0;
		if (base_now_ns() > end)
			return -ENOTSUP;
		syscall(SYS_nanosleep, &nap, NULL);
	}
	return 0;
}

/* Kernel threads of io_uring stand among the tasks and take no signal. */
static bool is_kernel_thread(int thread)
{
	char path[64], name[32] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", thread);
	FILE *file = fopen(path, "re");
	if (!file)
		return true;
	bool is = fgets(name, sizeof(name), file) && strncmp(name, "iou-", 4) == 0;
	fclose(file);
	return is;
}

static int signal_all(const struct tls_copy *copy)
{
	int self = (int)syscall(SYS_gettid), result = find_signal();
	DIR *tasks = result ? NULL : opendir("/proc/self/task");
	if (!tasks)
		return result ? result : -ENOTSUP;
	tls_copy_here(copy, link_arch_thread_pointer());
	job.copy = copy;
	for (struct dirent *entry; !result && (entry = readdir(tasks));) {
		int thread = atoi(entry->d_name);
		if (thread > 0 && thread != self && !is_kernel_thread(thread))
			result = send_signal(thread);
	}
	atomic_store(&job.token, 0);
	closedir(tasks);
	return result;
}

int tls_threads_copy(const struct tls_copy *copy)
{
	int result = 0;
	for (int round = 0; !result && round < 2; round++) {
		if (round)
			sched_yield();
		result = tls_reach == TLS_REACH_LIST ? walk_both(copy) : -ENOTSUP;
		if (result)
			result = signal_all(copy);
	}
	return result;
}
