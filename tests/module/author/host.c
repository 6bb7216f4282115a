/* SPDX-License-Identifier: MIT */
/* A program that exports symbols to its modules by the author's macros. */
#include <umod/author.h>

int host_answer(void);
extern int host_variable;

int host_answer(void)
{
	return 42;
}
UMOD_EXPORT_SYMBOL(host_answer);
UMOD_EXPORT_SYMBOL_NS_GPL(host_variable, "HOST");
int host_variable = 7;

int main(void)
{
	return 0;
}
