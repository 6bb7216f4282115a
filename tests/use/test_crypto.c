/* SPDX-License-Identifier: MIT */
/*
 * Digests in two copies of libcrypto: SHA-256, SHA-512 and HMAC by the published vectors
 * of FIPS 180 and RFC 4231. libcrypto pins itself, through dlopen and dladdr, so that it
 * stays loaded.
 */
#include "use.h"

#include <stddef.h>

static const char *hex(const unsigned char *bytes, size_t count, char *text)
{
	for (size_t i = 0; i < count; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	return text;
}

static void check_digest(struct use_copy *copy, const char *name, const char *should)
{
	const void *(*by_name)(const char *);
	int (*digest)(
		const void *, size_t, unsigned char *, unsigned *, const void *, void *);
	unsigned char bytes[64];
	unsigned count = 0;
	char text[129];

	USE_GET(copy, by_name, "EVP_get_digestbyname");
	USE_GET(copy, digest, "EVP_Digest");
	CHECK_INT(digest("abc", 3, bytes, &count, by_name(name), NULL), 1);
	CHECK_STR(hex(bytes, count, text), should);
}

static void work(struct use_copy *copy, unsigned thread)
{
	unsigned char *(*hmac)(const void *, const void *, int, const unsigned char *,
		size_t, unsigned char *, unsigned *);
	const void *(*sha256)(void);
	unsigned char bytes[64], random[2][16] = { 0 };
	int (*rand_bytes)(unsigned char *, int);
	unsigned count = 0;
	char text[129];

	check_digest(copy, "SHA256",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_digest(copy, "SHA512",
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
	check_digest(copy, "SHA3-256",
		"3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
	USE_GET(copy, hmac, "HMAC");
	USE_GET(copy, sha256, "EVP_sha256");
	CHECK(hmac(sha256(), "Jefe", 4, (const void *)"what do ya want for nothing?", 28,
		      bytes, &count) != NULL);
	CHECK_STR(hex(bytes, count, text),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	USE_GET(copy, rand_bytes, "RAND_bytes"); /* has state for each thread */
	CHECK_INT(rand_bytes(random[0], 16), 1);
	CHECK_INT(rand_bytes(random[1], 16), 1);
	CHECK(memcmp(random[0], random[1], 16) != 0);
}

TEST(digests_in_libcrypto)
{
	use_side_by_side(&(struct use_work){
		.library = "libcrypto.so.3", .work = work, .may_stay = true });
}
