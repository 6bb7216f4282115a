/* SPDX-License-Identifier: MIT */
/*
 * The children of umod check: one for each file and loader, a few at a time, each in a
 * process group of its own that is killed when its time is over. A child tells what
 * happens in shared memory, so that a crash loses nothing that was known before it.
 */
#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A child that runs. */
struct job {
	pid_t pid; /* 0: free */
	size_t file;
	enum trial_loader loader;
	bool timed_out;
	uint64_t deadline_ns;
	struct trial_report *report; /* shared */
};

/* Of one file, from its first trial until it is told. */
struct result {
	unsigned waiting; /* trials still to end */
	struct trial trials[TRIAL_LOADERS];
};

struct runner {
	const struct tool_files *files;
	const struct trial_options *options;
	bool (*tell)(const char *path, const struct trial *trials, void *data);
	void (*progress)(size_t done, const char *path, void *data);
	void *data;
	unsigned loaders, running;
	struct job *jobs;
	struct trial_report *reports;
	struct result **results;            /* by file */
	size_t next_file, next_told, ended; /* files */
	unsigned next_loader;
	bool stop;
	int signal; /* that asks the program to end */
	sigset_t signals, old_signals;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- in the child ---- */

static void set_phase(struct trial_report *report, enum trial_phase phase)
{
	/* What follows may never come back: it must be written before. */
	__atomic_store_n(&report->phase, phase, __ATOMIC_SEQ_CST);
}

static void try_umod(const char *path, const struct trial_options *options,
	struct trial_report *report)
{
	struct umod_context *context;
	struct umod_namespace *space;
	struct umod_module *module;
	struct umod_load_options load = UMOD_LOAD_OPTIONS_INIT;
	uint64_t start = now_ns();

	report->code = umod_context_new(NULL, &context, &report->error);
	if (report->code)
		return;
	space = umod_context_process_namespace(context);
	if (options->private_namespace)
		report->code = umod_namespace_new(context, NULL, &space, &report->error);
	if (report->code)
		return;
	report->context_ns = now_ns() - start;
	load.flags = (options->lazy ? UMOD_LOAD_LAZY : 0u) |
		     (options->global ? UMOD_LOAD_GLOBAL : 0u) |
		     (options->deepbind ? UMOD_LOAD_DEEPBIND : 0u) |
		     (options->no_init ? UMOD_LOAD_NO_INIT : 0u);
	load.stage_ns = report->stage_ns;
	set_phase(report, TRIAL_LOADING);
	start = now_ns();
	report->code = umod_load(space, path, &load, &module, &report->error);
	report->load_ns = now_ns() - start;
	if (report->code)
		return;
	set_phase(report, TRIAL_UNLOADING);
	start = now_ns();
	report->stays = umod_module_unref(module, &report->stays_error);
	report->unload_ns = now_ns() - start;
}

static void try_dlopen(const char *path, const struct trial_options *options,
	struct trial_report *report)
{
	int flags = (options->lazy ? RTLD_LAZY : RTLD_NOW) |
		    (options->global ? RTLD_GLOBAL : RTLD_LOCAL) |
		    (options->deepbind ? RTLD_DEEPBIND : 0);

	set_phase(report, TRIAL_LOADING);
	uint64_t start = now_ns();
	void *handle = dlopen(path, flags);
	report->load_ns = now_ns() - start;
	if (!handle) {
		const char *message = dlerror();
		report->code = -ENOEXEC;
		snprintf(report->error.message, sizeof(report->error.message), "%s",
			message ? message : "no reason given");
		return;
	}
	set_phase(report, TRIAL_UNLOADING);
	start = now_ns();
	dlclose(handle);
	report->unload_ns = now_ns() - start;
}

/* Whatever the file's code reads or prints, it is not from or for our user. */
static void redirect(const struct trial_options *options)
{
	/* The trace of umod goes to standard error. */
	bool keep_errors = options->verbose ||
			   (getenv("UMOD_DEBUG") && !getenv("UMOD_DEBUG_OUTPUT"));
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	if (!options->verbose)
		dup2(fd, STDOUT_FILENO);
	if (!keep_errors)
		dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void __attribute__((noreturn))
child(struct runner *runner, const struct job *job, pid_t parent)
{
	const char *path = runner->files->names[job->file];
	/* 1: no core dump, not even to a program (core(5)). */
	struct rlimit no_core = { 1, 1 };

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setrlimit(RLIMIT_CORE, &no_core);
	redirect(runner->options);
	sigprocmask(SIG_SETMASK, &runner->old_signals, NULL);
	if (job->loader == TRIAL_UMOD)
		try_umod(path, runner->options, job->report);
	else
		try_dlopen(path, runner->options, job->report);
	set_phase(job->report, TRIAL_DONE);
	/* Exit handlers would be a trial of something else. */
	_exit(0);
}

/* ---- in the parent ---- */

enum umod_stage trial_stage(const struct trial *trial)
{
	/* The stages in their order; a load marks the time of each at its end. */
	static const enum umod_stage stages[] = { UMOD_STAGE_OPEN, UMOD_STAGE_VALIDATE,
		UMOD_STAGE_DESCRIBE, UMOD_STAGE_ADMIT, UMOD_STAGE_MAP, UMOD_STAGE_BIND,
		UMOD_STAGE_PROTECT, UMOD_STAGE_PUBLISH, UMOD_STAGE_INIT,
		UMOD_STAGE_LIVE };
	const struct trial_report *report = &trial->report;

	if (trial->outcome == TRIAL_REFUSED)
		return report->error.stage;
	if (report->phase == TRIAL_UNLOADING)
		return UMOD_STAGE_UNLOAD;
	if (report->phase != TRIAL_LOADING)
		return UMOD_STAGE_NONE;
	size_t next = 0;
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		if (report->stage_ns[stages[i]])
			next = i + 1;
	}
	return next < sizeof(stages) / sizeof(stages[0]) ? stages[next] : UMOD_STAGE_LIVE;
}

static void judge(struct trial *trial, const siginfo_t *ended, bool timed_out)
{
	struct trial_report *report = &trial->report;

	/* Code of the file may have written here. */
	report->error.subject[UMOD_ERROR_SUBJECT_BYTES - 1] = 0;
	report->error.message[UMOD_ERROR_MESSAGE_BYTES - 1] = 0;
	report->stays_error.message[UMOD_ERROR_MESSAGE_BYTES - 1] = 0;
	trial->number = ended->si_status;
	if (report->phase == TRIAL_DONE)
		trial->outcome = report->code ? TRIAL_REFUSED : TRIAL_OK;
	else if (timed_out)
		trial->outcome = TRIAL_HANG;
	else
		trial->outcome = ended->si_code == CLD_EXITED ? TRIAL_EXIT : TRIAL_CRASH;
}

static void kill_all(struct runner *runner)
{
	for (unsigned i = 0; i < runner->options->jobs; i++) {
		if (runner->jobs[i].pid) {
			kill(-runner->jobs[i].pid, SIGKILL);
			kill(runner->jobs[i].pid, SIGKILL);
		}
	}
}

/* A trial of @file has ended: tells every file whose turn it is. */
static void ended(struct runner *runner, size_t file)
{
	struct result *result = runner->results[file];

	if (--result->waiting)
		return;
	runner->ended++;
	if (runner->progress)
		runner->progress(runner->ended, runner->files->names[file], runner->data);
	while (runner->next_told < runner->files->count) {
		file = runner->next_told;
		result = runner->results[file];
		if (!result || result->waiting)
			break;
		if (!runner->stop && !runner->tell(runner->files->names[file],
					     result->trials, runner->data)) {
			runner->stop = true;
			kill_all(runner);
		}
		free(result);
		runner->results[file] = NULL;
		runner->next_told++;
	}
}

/* Starts the next trial. False: there is no process for it now. */
static bool start(struct runner *runner)
{
	struct job *job = runner->jobs;
	size_t file = runner->next_file;
	pid_t parent = getpid();

	while (job->pid)
		job++;
	if (!runner->results[file]) {
		runner->results[file] = tool_realloc(NULL, 1, sizeof(struct result));
		memset(runner->results[file], 0, sizeof(struct result));
		runner->results[file]->waiting = runner->loaders;
	}
	job->file = file;
	job->loader = runner->next_loader;
	job->timed_out = false;
	memset(job->report, 0, sizeof(*job->report));
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		child(runner, job, parent);
	if (pid < 0 && runner->running)
		return false;
	if (++runner->next_loader == runner->loaders) {
		runner->next_loader = 0;
		runner->next_file++;
	}
	if (pid < 0) {
		struct trial *trial = &runner->results[file]->trials[job->loader];
		trial->outcome = TRIAL_UNTRIED;
		trial->number = errno;
		ended(runner, file);
		return true;
	}
	/* In the child too: whoever is first. */
	setpgid(pid, pid);
	job->pid = pid;
	job->deadline_ns = UINT64_MAX;
	if (runner->options->timeout_seconds > 0)
		job->deadline_ns =
			now_ns() + (uint64_t)(runner->options->timeout_seconds * 1e9);
	runner->running++;
	return true;
}

/* Takes in one child that has ended. False: there is none. */
static bool reap(struct runner *runner)
{
	siginfo_t info = { 0 };

	/* Left as a zombie at first, so that nobody else gets its group's number. */
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || !info.si_pid)
		return false;
	for (unsigned i = 0; i < runner->options->jobs; i++) {
		struct job *job = &runner->jobs[i];
		if (job->pid != info.si_pid)
			continue;
		kill(-job->pid, SIGKILL);
		struct trial *trial = &runner->results[job->file]->trials[job->loader];
		trial->report = *job->report;
		judge(trial, &info, job->timed_out);
		job->pid = 0;
		runner->running--;
		waitpid(info.si_pid, NULL, 0);
		ended(runner, job->file);
		return true;
	}
	waitpid(info.si_pid, NULL, 0);
	return true;
}

/* Kills those whose time is over. Returns when the next one's will be. */
static uint64_t kill_late(struct runner *runner)
{
	uint64_t now = now_ns(), next = UINT64_MAX;

	for (unsigned i = 0; i < runner->options->jobs; i++) {
		struct job *job = &runner->jobs[i];
		if (!job->pid || job->timed_out)
			continue;
		if (now >= job->deadline_ns) {
			job->timed_out = true;
			kill(-job->pid, SIGKILL);
			kill(job->pid, SIGKILL);
		} else if (job->deadline_ns < next) {
			next = job->deadline_ns;
		}
	}
	return next;
}

/* Sleeps until a child ends, one is late, or the user has had enough. */
static void wait_for_news(struct runner *runner)
{
	uint64_t next = kill_late(runner), now = now_ns();
	uint64_t wait_ns = next == UINT64_MAX ? 3600000000000u
			   : next > now       ? next - now
					      : 0;
	struct timespec wait = { .tv_sec = (time_t)(wait_ns / 1000000000u),
		.tv_nsec = (long)(wait_ns % 1000000000u) };

	int number = sigtimedwait(&runner->signals, NULL, &wait);
	if (number > 0 && number != SIGCHLD) {
		runner->signal = number;
		runner->stop = true;
		kill_all(runner);
	}
}

static void loop(struct runner *runner)
{
	while (runner->running ||
		(!runner->stop && runner->next_file < runner->files->count)) {
		while (!runner->stop && runner->running < runner->options->jobs &&
			runner->next_file < runner->files->count) {
			if (!start(runner))
				break;
		}
		/* With room for more, that is used before we sleep. */
		bool reaped = false;
		while (reap(runner))
			reaped = true;
		if (!reaped && runner->running)
			wait_for_news(runner);
	}
}

static bool setup(struct runner *runner)
{
	unsigned jobs = runner->options->jobs;

	runner->reports = mmap(NULL, jobs * sizeof(struct trial_report),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (runner->reports == MAP_FAILED) {
		tool_error("no memory for %u jobs: %s", jobs, strerror(errno));
		return false;
	}
	runner->jobs = tool_realloc(NULL, jobs, sizeof(*runner->jobs));
	memset(runner->jobs, 0, jobs * sizeof(*runner->jobs));
	for (unsigned i = 0; i < jobs; i++)
		runner->jobs[i].report = &runner->reports[i];
	runner->results =
		tool_realloc(NULL, runner->files->count, sizeof(*runner->results));
	memset(runner->results, 0, runner->files->count * sizeof(*runner->results));
	sigemptyset(&runner->signals);
	sigaddset(&runner->signals, SIGCHLD);
	sigaddset(&runner->signals, SIGINT);
	sigaddset(&runner->signals, SIGTERM);
	sigaddset(&runner->signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &runner->signals, &runner->old_signals);
	/* An ignored SIGCHLD, which a parent may leave us, would reap behind our back. */
	signal(SIGCHLD, SIG_DFL);
	return true;
}

void trial_run(const struct tool_files *files, const struct trial_options *options,
	bool (*tell)(const char *path, const struct trial *trials, void *data),
	void (*progress)(size_t done, const char *path, void *data), void *data)
{
	struct runner runner = { .files = files,
		.options = options,
		.tell = tell,
		.progress = progress,
		.data = data,
		.loaders = options->compare ? TRIAL_LOADERS : 1 };

	if (!setup(&runner))
		return;
	loop(&runner);
	for (size_t i = runner.next_told; i < files->count; i++)
		free(runner.results[i]);
	free(runner.results);
	free(runner.jobs);
	munmap(runner.reports, options->jobs * sizeof(struct trial_report));
	sigprocmask(SIG_SETMASK, &runner.old_signals, NULL);
	if (runner.signal) {
		signal(runner.signal, SIG_DFL);
		raise(runner.signal);
	}
}
