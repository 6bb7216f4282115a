/* SPDX-License-Identifier: MIT */
/* A library that notes which of its init and fini functions run, in which order. */
#include <stdint.h>
#include <string.h>

static char order[64];
char *run_report = order; /* the test may point it at memory of its own */
int run_argc;
char **run_argv, **run_envp;

static void note(char what)
{
	char text[2] = { what, 0 };
	strcat(run_report, text);
}

void run_first(int argc, char **argv, char **envp);
void run_first(int argc, char **argv, char **envp)
{
	note('A');
	run_argc = argc;
	run_argv = argv;
	run_envp = envp;
}

static void init_1(int argc, char **argv, char **envp)
{
	note(argc == run_argc && argv == run_argv && envp == run_envp ? 'B' : '?');
}

static void init_2(void)
{
	note('C');
}

static void fini_1(void)
{
	note('x');
}

static void fini_2(void)
{
	note('y');
}

void run_last(void);
void run_last(void)
{
	note('z');
}

/* 0 and -1 are no functions. */
__attribute__((section(".init_array"), used)) static uintptr_t inits[] = {
	(uintptr_t)init_1, 0, (uintptr_t)-1, (uintptr_t)init_2
};
__attribute__((section(".fini_array"), used)) static uintptr_t finis[] = {
	(uintptr_t)fini_2, (uintptr_t)-1, 0, (uintptr_t)fini_1
};
