/* SPDX-License-Identifier: MIT */
/*
 * Collation in two copies of ICU: libicui18n, with libicuuc, the 30 MB of libicudata and
 * libstdc++. The orders are those of the Unicode CLDR for each language.
 */
#include "use.h"

#include <stdint.h>

#define SUFFIX "_72" /* ICU's symbols carry its version: Debian 12's */

static int compare(
	struct use_copy *copy, const char *locale, const char *a, const char *b)
{
	void *(*open)(const char *, int *);
	int (*order)(const void *, const char *, int32_t, const char *, int32_t, int *);
	void (*close)(void *);
	int status = 0, result;
	void *collator;

	USE_GET(copy, open, "ucol_open" SUFFIX);
	USE_GET(copy, order, "ucol_strcollUTF8" SUFFIX);
	USE_GET(copy, close, "ucol_close" SUFFIX);
	collator = open(locale, &status);
	CHECK(collator && status <= 0); /* above 0: an error */
	if (!collator)
		return 99;
	result = order(collator, a, -1, b, -1, &status);
	CHECK(status <= 0);
	close(collator);
	return result;
}

static void work(struct use_copy *copy, unsigned thread)
{
	/* Swedish: ä after z. German: ä as a. Its telephone book: ä as ae. */
	CHECK_INT(compare(copy, "sv", "\u00e4pple", "zebra"), 1);
	CHECK_INT(compare(copy, "de", "\u00e4pple", "zebra"), -1);
	CHECK_INT(compare(copy, "de", "\u00c4rger", "Affe"), 1);
	CHECK_INT(compare(copy, "de@collation=phonebook", "\u00c4rger", "Affe"), -1);
	/* Traditional Spanish: ch is a letter after c; today's is not. */
	CHECK_INT(compare(copy, "es@collation=traditional", "chico", "cosa"), 1);
	CHECK_INT(compare(copy, "es", "chico", "cosa"), -1);
	/* Danish: aa is å, the last letter. */
	CHECK_INT(compare(copy, "da", "Aarhus", "Zoo"), 1);
	CHECK_INT(compare(copy, "en", "Aarhus", "Zoo"), -1);
	CHECK_INT(compare(copy, "en", "role", "r\u00f4le"), -1);
	CHECK_INT(compare(copy, "en", "same", "same"), 0);
}

TEST(collation_in_libicui18n)
{
	use_side_by_side(
		&(struct use_work){ .library = "libicui18n.so.72", .work = work });
}
