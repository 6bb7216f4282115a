/* SPDX-License-Identifier: MIT */
/* What libFuzzer, or replay.c in its place, calls: one input. */
#ifndef UMOD_FUZZ_H
#define UMOD_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
