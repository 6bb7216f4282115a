/* SPDX-License-Identifier: MIT */
/*
 * One version everywhere: what the library says, what the build calls it, and the first
 * heading of the news.
 */
#include "test.h"

#include <umod/umod.h>

TEST(the_library_and_the_build_agree)
{
	CHECK_STR(umod_version(), UMOD_VERSION);
}

TEST(the_news_begin_with_it)
{
	char line[128] = "";
	FILE *news = fopen(UMOD_NEWS, "r");

	REQUIRE(news != NULL);
	while (strncmp(line, "## ", 3) != 0 && fgets(line, sizeof(line), news))
		;
	fclose(news);
	CHECK_STR(line, "## " UMOD_VERSION "\n");
}

TEST(features_have_a_name_and_a_state)
{
	const char *state, *name;
	unsigned count = 0;

	for (; (name = umod_feature(count, &state)); count++)
		CHECK(name[0] && state && state[0]);
	CHECK(count > 10);
	CHECK(!umod_feature(count + 1000, NULL));
}
