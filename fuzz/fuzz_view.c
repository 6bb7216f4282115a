/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: reads the input through the ELF floor alone, from bytes that are not one
 * too many, and asks the view everything. Faster than fuzz_load, and the sanitizer sees
 * each read past the end.
 */
#include "fuzz.h"
#include "elf/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_view view;
	struct umod_error error = { 0 };
	uint8_t *bytes = malloc(size ? size : 1);
	memcpy(bytes, data, size);
	int result = read_view(&view, bytes, size, &error);
	if (result == 0)
		ask_view(&view);
	else if (result != -EAGAIN && (error.code != result || !error.message[0]))
		abort();
	elf_view_clear(&view);
	free(bytes);
	return 0;
}
