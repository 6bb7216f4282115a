/* SPDX-License-Identifier: MIT */
/* What the tests of threads share. */
#ifndef UMOD_LOAD_THREADS_H
#define UMOD_LOAD_THREADS_H

#include "load_test.h"

#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

/* From now on there are two minutes for this test: a deadlock ends the program. */
void threads_alarm(void);

#endif
