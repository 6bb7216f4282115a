/* SPDX-License-Identifier: MIT */
/*
 * umod/address.h: from an address to the module and the symbol that it lies in.
 *
 * Takes no lock and allocates nothing, so that a signal handler may ask. The first
 * umod_address_symbol in a module builds that module's sorted index and allocates.
 */
#ifndef UMOD_ADDRESS_H
#define UMOD_ADDRESS_H

#include <umod/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What lies at an address. Borrowed strings, good while the module is loaded. */
struct umod_address_info {
	const char *path;                /* of the file */
	uintptr_t load_bias, start, end; /* of the module */
	const char *symbol; /* nearest symbol that contains the address, or NULL */
	uintptr_t symbol_start;
	uint64_t symbol_bytes;
	const void *eh_frame_hdr; /* PT_GNU_EH_FRAME in memory, or NULL */
	bool from_host;           /* an object of ld.so's, not a umod module */
};

/*
 * Finds the module (umod's own, or an object that ld.so loaded) that contains @address.
 * Returns 0 or -ENOENT; symbol members are not filled. Since 0.1.
 */
int umod_address_module(const void *address, struct umod_address_info *out);

/* As above, with the nearest symbol at or below @address. Since 0.1. */
int umod_address_symbol(const void *address, struct umod_address_info *out);

#ifdef __cplusplus
}
#endif
#endif
