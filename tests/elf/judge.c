/* SPDX-License-Identifier: MIT */
/*
 * Judges what was said to a file with a defect. Reads and loads nothing itself.
 */
#include "defects.h"
#include "test.h"

static bool as_expected(const struct defect *defect, enum umod_stage last, int code,
	const struct umod_error *error)
{
	if (defect->stage == DEFECT_ACCEPTED || defect->stage > last)
		return code == 0;
	return code < 0 && code == error->code && error->stage == defect->stage &&
	       strstr(error->message, defect->text) && error->subject[0];
}

void defect_judge(const char *way, const struct defect_table *table,
	const struct defect *defect, enum umod_stage last, int code,
	const struct umod_error *error)
{
	char said[sizeof(*error) + 64] = "accepted";
	bool good = as_expected(defect, last, code, error);
	if (code)
		umod_error_format(error, said, sizeof(said));
	if (getenv("UMOD_TEST_VERBOSE"))
		printf("# %-6s %-15s %-28s %-45s %s%s%s\n", way, table->name,
			defect->field, defect->how, said, code ? "" : ": ",
			code ? "" : defect->text);
	if (good)
		return;
	if (defect->stage == DEFECT_ACCEPTED || defect->stage > last)
		FAIL("%s: %s, %s, must be accepted, but: %d, %s", way, defect->field,
			defect->how, code, said);
	else
		FAIL("%s: %s, %s, must be refused at stage %s naming \"%s\", but: %d, %s",
			way, defect->field, defect->how, umod_stage_name(defect->stage),
			defect->text, code, said);
}
