/* SPDX-License-Identifier: MIT */
/*
 * Whether a thread is inside a module: each is sent a signal, walks its own stack with
 * libgcc_s's unwinder, and tells the first address that lies in the module. One that
 * blocks the signal and sleeps in a system call has each word of its stack looked at
 * instead, of which one may be left over from an earlier call. What can be asked in
 * neither way cannot be cleared.
 */
#include "life/life.h"

#include <dirent.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <unwind.h>

#define ANSWER_NS 1000000000ull

typedef _Unwind_Reason_Code backtrace(_Unwind_Trace_Fn visit, void *data);
typedef _Unwind_Ptr instruction(struct _Unwind_Context *context);

/* One walk at a time, under the load lock; the handler only reads and writes this. */
static struct {
	backtrace *walk;
	instruction *address_of;
	uintptr_t start, end;
	_Atomic pid_t thread;      /* that is asked; 0: none */
	_Atomic uintptr_t address; /* that it found, or 0 */
	_Atomic uint32_t done;
	bool is_pending; /* a signal to a thread that may still take it */
} question;

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *data)
{
	/* A return address lies behind its call, perhaps behind the function. */
	uintptr_t address = question.address_of(context) - 1;
	if (address < question.start || address >= question.end)
		return _URC_NO_REASON;
	*(uintptr_t *)data = address;
	return _URC_NORMAL_STOP;
}

static uintptr_t own_frame(void)
{
	uintptr_t found = 0;
	question.walk(look, &found);
	return found;
}

static void answer(int number, siginfo_t *info, void *context)
{
	int code = errno;
	if (info->si_code == SI_TKILL && info->si_pid == getpid() &&
		syscall(SYS_gettid) == question.thread) {
		question.address = own_frame();
		question.done = 1;
		syscall(SYS_futex, &question.done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	errno = code;
}

/* A signal that the program does not use. */
static int take_signal(struct sigaction *old)
{
	const struct sigaction ours = { .sa_sigaction = answer,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
	for (int number = SIGRTMAX; number > SIGRTMIN; number--)
		if (sigaction(number, NULL, old) == 0 && !(old->sa_flags & SA_SIGINFO) &&
			old->sa_handler == SIG_DFL && sigaction(number, &ours, NULL) == 0)
			return number;
	return 0;
}

enum asked { CLEAR, INSIDE, SILENT };

static enum asked ask(pid_t thread, int number)
{
	uint64_t until = base_now_ns() + ANSWER_NS;
	question.address = 0;
	question.done = 0;
	question.thread = thread;
	if (syscall(SYS_tgkill, getpid(), thread, number))
		return CLEAR; /* it has ended */
	while (!question.done) {
		uint64_t now = base_now_ns();
		struct timespec left = { 0, (long)(until - now) };
		if (now >= until)
			break;
		if (until - now >= ANSWER_NS)
			left = (struct timespec){ 1, 0 };
		syscall(SYS_futex, &question.done, FUTEX_WAIT_PRIVATE, 0, &left, NULL, 0);
	}
	question.thread = 0;
	question.is_pending |= !question.done;
	return !question.done ? SILENT : question.address ? INSIDE : CLEAR;
}

/* ---- threads that block signals ---- */

/* The text of /proc/self/task/THREAD/NAME. */
static bool read_task(pid_t thread, const char *name, char *out, size_t bytes)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", thread, name);
	BASE_AUTO_CLOSE int fd = base_sys_open(path);
	int64_t got = fd < 0 ? -1 : base_sys_pread(fd, out, bytes - 1, 0);
	out[got > 0 ? got : 0] = 0;
	return got > 0;
}

static bool blocks(pid_t thread, int number)
{
	char text[4096];
	const char *at = read_task(thread, "status", text, sizeof(text))
				 ? strstr(text, "\nSigBlk:")
				 : NULL;
	return at && strtoull(at + 8, NULL, 16) >> (number - 1) & 1;
}

/* The end of the mapping that @address is in; 0: none. */
static uintptr_t end_of_mapping(uintptr_t address)
{
	char line[512];
	uintptr_t found = 0;
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps && !found && fgets(line, sizeof(line), maps)) {
		char *rest;
		uintptr_t start = strtoul(line, &rest, 16);
		uintptr_t end = *rest == '-' ? strtoul(rest + 1, NULL, 16) : 0;
		if (address >= start && address < end)
			found = end;
	}
	if (maps)
		fclose(maps);
	return found;
}

/* The words of [at, end), read by the kernel: thread and stack may go meanwhile. */
static enum asked scan(uintptr_t at, uintptr_t end)
{
	uintptr_t words[512];
	while (at < end) {
		size_t bytes = end - at < sizeof(words) ? end - at : sizeof(words);
		struct iovec to = { words, bytes }, from = { (void *)at, bytes };
		ssize_t got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
		if (got <= 0)
			return CLEAR; /* there is no stack any more */
		for (size_t i = 0; i < (size_t)got / sizeof(*words); i++) {
			question.address = words[i] - 1;
			if (question.address >= question.start &&
				question.address < question.end)
				return INSIDE;
		}
		at += (size_t)got;
	}
	return CLEAR;
}

/* "NUMBER ARGUMENTS... STACK-POINTER PC", or "running". A thread that wakes meanwhile
 * may slip through: the signal is the better way. */
static enum asked look_at_stack(pid_t thread)
{
	char text[256];
	if (!read_task(thread, "syscall", text, sizeof(text)))
		return SILENT;
	char *pc = strrchr(text, ' ');
	if (!pc)
		return SILENT;
	*pc = 0;
	char *pointer = strrchr(text, ' ');
	uintptr_t at = pointer ? strtoul(pointer, NULL, 16) : 0;
	uintptr_t end = at ? end_of_mapping(at) : 0;
	question.address = strtoul(pc + 1, NULL, 16);
	if (question.address >= question.start && question.address < question.end)
		return INSIDE;
	if (!end)
		return SILENT;
	return scan(base_align_up(at, sizeof(uintptr_t)), end);
}

static int find_unwinder(struct umod_error *error)
{
	static const char *const names[] = { "_Unwind_Backtrace", "_Unwind_GetIP" };
	void *const places[] = { &question.walk, &question.address_of };
	struct registry_host_object *object = registry_host_by_name("libgcc_s.so.1");
	int result = object ? 0 : registry_host_load("libgcc_s.so.1", &object, error);
	for (unsigned i = 0; !result && i < base_array_count(names); i++) {
		struct elf_reference reference;
		struct link_definition definition;
		link_reference(&reference, names[i], NULL);
		if (!link_image_find(&object->image, &reference, &definition))
			return base_error(error, UMOD_STAGE_UNLOAD, -ENOTSUP,
				object->path, "has no %s to walk stacks with", names[i]);
		void *address = link_definition_address(&definition);
		memcpy(places[i], &address, sizeof(address));
	}
	return result;
}

static int told(const struct umod_module *module, pid_t thread, enum asked what,
	struct umod_error *error)
{
	if (what == CLEAR)
		return 0;
	if (what == SILENT)
		return base_error(error, UMOD_STAGE_UNLOAD, -EWOULDBLOCK, module->path,
			"thread %d does not say whether it is inside it", thread);
	const struct link_image *image = &module->image;
	const Elf64_Sym *symbol =
		link_address_symbol((struct link_image *)image, question.address);
	const char *name = symbol ? elf_view_string(&image->view, symbol->st_name) : NULL;
	return base_error(error, UMOD_STAGE_UNLOAD, -EWOULDBLOCK, module->path,
		"thread %d is inside it: in %s, at +%#lx", thread,
		name ? name : "a function without a name",
		question.address - image->start);
}

static int ask_all(const struct umod_module *module, int number, DIR *tasks,
	struct umod_error *error)
{
	pid_t self = (pid_t)syscall(SYS_gettid);
	struct dirent *entry;
	question.address = own_frame();
	int result = told(module, self, question.address ? INSIDE : CLEAR, error);
	while (!result && (entry = readdir(tasks))) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
		if (thread > 0 && thread != self)
			result = told(module, thread,
				blocks(thread, number) ? look_at_stack(thread)
						       : ask(thread, number),
				error);
	}
	return result;
}

int life_stacks_check(const struct umod_module *module, struct umod_error *error)
{
	struct sigaction old;
	int result = find_unwinder(error);
	if (result)
		return result;
	DIR *tasks = opendir("/proc/self/task");
	int number = tasks ? take_signal(&old) : 0;
	if (!number) {
		if (tasks)
			closedir(tasks);
		return base_error(error, UMOD_STAGE_UNLOAD, -ENOTSUP, module->path,
			tasks ? "stacks cannot be checked: every real-time signal is used"
			      : "stacks cannot be checked without /proc");
	}
	question.start = module->image.start;
	question.end = module->image.end;
	result = ask_all(module, number, tasks, error);
	closedir(tasks);
	if (!question.is_pending) /* or it would end the process */
		sigaction(number, &old, NULL);
	question.is_pending = false;
	return result;
}
