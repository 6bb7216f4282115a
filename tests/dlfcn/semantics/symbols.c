/* SPDX-License-Identifier: MIT */
/* Scenarios of which definition a name has, and what dlerror says where it has none. */
#include "semantics.h"

#include <pthread.h>
#include <unistd.h>

static void interposed(void)
{
	void *a = open_told("a", RTLD_NOW),
	     *deep = open_told("deep", RTLD_NOW | RTLD_DEEPBIND);
	printf("%s %s\n", say(a, "common_of_a"), say(deep, "common_of_deep"));
	printf("%s %s\n", say(a, "common"), say(deep, "common"));
	void *own = open_told("symbolic", RTLD_NOW);
	printf("%s\n", say(own, "common_of_symbolic"));
}

static void by_default(void)
{
	void *a = open_told("a", RTLD_NOW);
	printf("%s %s\n", say(RTLD_DEFAULT, "common"), say(RTLD_DEFAULT, "who_a"));
	open_told("a", RTLD_NOW | RTLD_GLOBAL);
	printf("%s %s %s\n", say(RTLD_DEFAULT, "common"), say(RTLD_DEFAULT, "who_a"),
		say(RTLD_DEFAULT, "who_d"));
	printf("%s\n", say(a, "default_of_a"));
}

/* ld.so searches as the program started. */
/* What RTLD_DEFAULT found stays as long as who found it. */
static void default_keeps(void)
{
	void *deep = open_told("deep", RTLD_NOW),
	     *a = open_told("a", RTLD_NOW | RTLD_GLOBAL);
	printf("%s\n", say(deep, "a_seen_by_deep"));
	close_told(a);
	there("a");
	close_told(deep);
	there("a");
	void *giver = open_told("giver", RTLD_NOW | RTLD_GLOBAL);
	printf("%d\n", call(RTLD_DEFAULT, "given"));
	close_told(giver);
	there("giver");
}

static void late_library_path(void)
{
	char folder[4096];
	printf("%d\n", dlinfo(open_told("a", RTLD_NOW), RTLD_DI_ORIGIN, folder));
	setenv("LD_LIBRARY_PATH", folder, 1);
	setenv("LD_BIND_NOW", "1", 1);
	printf("%s\n", dlopen("libquiet.so", RTLD_NOW) ? "yes" : reason());
}

static void asks_in_namespace(void)
{
	void *handle = dlmopen(LM_ID_NEWLM, plugin("asks"), RTLD_NOW);
	printf("%d\n", handle ? call(handle, "asks") : -2);
}

/* RTLD_DEFAULT of a need: what it came with, in the order of its own binding. */
static void by_default_of_needs(void)
{
	void *b = open_told("b", RTLD_NOW), *a = open_told("a", RTLD_NOW);
	printf("%s %s\n", say(b, "a_seen_by_b"), say(a, "a_seen_by_c"));
	printf("%s\n", say(a, "default_of_c"));
	void *deep = open_told("deep", RTLD_NOW | RTLD_DEEPBIND);
	printf("%s\n", say(deep, "default_of_deep"));
}

static void next(void)
{
	void *a = open_told("a", RTLD_NOW);
	printf("of a: %s, of b: %s, of d: %s\n", say(a, "next_of_a"), say(a, "next_of_b"),
		say(a, "next_of_d"));
	printf("of the program: %d %d\n", dlsym(RTLD_NEXT, "common") != NULL,
		dlsym(RTLD_NEXT, "malloc") == dlsym(RTLD_DEFAULT, "malloc"));
}

static void breadth_first(void)
{
	void *a = open_told("a", RTLD_NOW);
	printf("%s %s %s %s\n", say(a, "who_a"), say(a, "who_b"), say(a, "who_c"),
		say(a, "who_d"));
	void *tree = open_told("tree", RTLD_NOW);
	printf("%s\n", say(tree, "common"));
	printf("%d %s\n", dlsym(a, "who_x") != NULL, reason());
	printf("libc through a: %d\n", dlsym(a, "printf") == (void *)printf);
}

static void null_handle(void)
{
	void *program = dlopen(NULL, RTLD_NOW);
	printf("%d %s %d\n", program != NULL, say(program, "common"),
		dlsym(program, "given") != NULL);
	open_told("giver", RTLD_NOW | RTLD_GLOBAL);
	printf("%d %d\n", call(program, "given"), dlopen("", RTLD_NOW) == program);
	printf("%d\n", dlsym(program, "printf") == dlsym(RTLD_DEFAULT, "printf"));
	close_told(program);
}

static void versions(void)
{
	void *handle = open_told("versioned", RTLD_NOW);
	int (*function)(void);
	for (const char *const *v = (const char *const[]){ "V1", "V2", "V9", NULL }; *v;
		v++) {
		*(void **)&function = dlvsym(handle, "versioned", *v);
		if (function)
			printf("%s: %d\n", *v, function());
		else
			printf("%s: %s\n", *v, reason());
	}
	printf("default: %d\n", call(handle, "versioned"));
	void *old = open_told("wants9", RTLD_NOW);
	printf("%d\n", old != NULL);
	printf("%d\n", dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.14") != NULL);
}

static void kinds(void)
{
	void *handle = open_told("kinds", RTLD_NOW);
	printf("%d %d %d\n", call(handle, "weak_is_null"), call(handle, "chosen"),
		call(handle, "call_chosen"));
	printf("%s %s\n", say(handle, "guarded"), say(handle, "guarded_of_kinds"));
	int *value = dlsym(handle, "value_kinds");
	printf("%d\n", value ? *value : -1);
}

static void refusals(void)
{
	static const char *const bad[] = { "nothing-there", "lacks", "text", "empty" };
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		open_told(bad[i], RTLD_NOW);
	printf("%s\n", dlopen("libno-such-name.so.7", RTLD_NOW) ? "yes" : reason());
	open_told("taker", RTLD_NOW);
	open_told("a", 0);
	open_told("a", RTLD_GLOBAL);
	open_told("a", RTLD_NOW | 0x10000);
	there("a");
	void *a = open_told("a", RTLD_NOW);
	printf("%d %s, then %s\n", dlsym(a, "no_such_name") != NULL, reason(), reason());
	printf("%d\n", dlsym(a, "who_a") != NULL);
	printf("%s\n", reason());
}

static void *fail_elsewhere(void *unused)
{
	printf("there: %s\n", reason());
	dlsym(RTLD_DEFAULT, "no_such_name");
	printf("there: %s\n", reason());
	return unused;
}

static void errors_by_thread(void)
{
	pthread_t thread;
	dlopen("/nonexistent/file.so", RTLD_NOW);
	pthread_create(&thread, NULL, fail_elsewhere, NULL);
	pthread_join(thread, NULL);
	printf("here: %s\n", reason());
	printf("here: %s\n", reason());
	dlopen("/nonexistent/file.so", RTLD_NOW);
	open_told("a", RTLD_NOW);
	printf("a success leaves %s\n", reason());
}

static void names_of_one_file(void)
{
	void *a = open_told("a", RTLD_NOW);
	printf("%d %d\n", open_told("a-link", RTLD_NOW) == a,
		open_told("a-hard", RTLD_NOW) == a);
	char folder[4096];
	snprintf(folder, sizeof(folder), "%s", plugin("a"));
	*strrchr(folder, '/') = 0;
	if (chdir(folder) != 0)
		return;
	printf("%d %d\n", dlopen("./liba.so", RTLD_NOW) == a,
		dlopen("../plugins/liba.so", RTLD_NOW) == a);
	printf("%d\n", dlopen("liba.so", RTLD_NOW) == a);
}

static void run_path_of_caller(void)
{
	void *caller = open_told("caller", RTLD_NOW), *found;
	void *(*open_for_me)(const char *) = NULL;
	printf("%s\n", dlopen("libbelow.so", RTLD_NOW) ? "yes" : reason());
	*(void **)&open_for_me = dlsym(caller, "open_for_me");
	found = open_for_me("libbelow.so");
	printf("%s\n", found ? say(found, "who_below") : reason());
	printf("%d\n", open_for_me(NULL) == dlopen(NULL, RTLD_NOW));
}

static void namespaces(void)
{
	void *base = open_told("a", RTLD_NOW);
	void *other = dlmopen(LM_ID_NEWLM, plugin("a"), RTLD_NOW);
	Lmid_t id = -5, base_id = -5;
	*(int *)dlsym(base, "value_a") = 10;
	printf("%d %d\n", *(int *)dlsym(other, "value_a"), base == other);
	dlinfo(other, RTLD_DI_LMID, &id);
	dlinfo(base, RTLD_DI_LMID, &base_id);
	printf("%d %d\n", id > 0, base_id == LM_ID_BASE);
	void *again = dlmopen(id, plugin("a"), RTLD_NOW);
	printf("%d %d\n", again == other,
		dlmopen(LM_ID_BASE, plugin("a"), RTLD_NOW) == base);
	printf("%s\n", say(other, "common"));
	printf("%d\n", dlmopen(LM_ID_NEWLM, NULL, RTLD_NOW) != NULL);
	printf("%d\n", dlmopen(12345, plugin("a"), RTLD_NOW) != NULL);
	close_told(again);
	close_told(other);
	there("a");
}

/* Where glibc ends at sixteen; run under umod alone. */
static void many_namespaces(void)
{
	unsigned own = 0, count = 0;
	for (int i = 0; i < 200; i++) {
		void *handle = dlmopen(LM_ID_NEWLM, plugin("quiet"), RTLD_NOW);
		int *value = handle ? dlsym(handle, "value") : NULL;
		count += handle != NULL;
		own += value && ++*value == 1;
	}
	printf("%u namespaces, %u globals of their own\n", count, own);
}

/* ld.so ends in SIGBUS. */
static void cut_short(void)
{
	open_told("a", RTLD_NOW);
	open_told("short", RTLD_NOW);
}

const struct scenario symbol_scenarios[] = {
	{ "interposed", interposed },
	{ "by-default", by_default },
	{ "by-default-of-needs", by_default_of_needs },
	{ "default-keeps", default_keeps },
	{ "late-library-path", late_library_path },
	{ "asks-in-namespace", asks_in_namespace },
	{ "next", next },
	{ "breadth-first", breadth_first },
	{ "null-handle", null_handle },
	{ "versions", versions },
	{ "kinds", kinds },
	{ "refusals", refusals },
	{ "errors-by-thread", errors_by_thread },
	{ "names-of-one-file", names_of_one_file },
	{ "run-path-of-caller", run_path_of_caller },
	{ "namespaces", namespaces },
	{ "many-namespaces", many_namespaces },
	{ "cut-short", cut_short },
	{ NULL, NULL },
};
