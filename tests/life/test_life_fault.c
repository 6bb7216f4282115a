/* SPDX-License-Identifier: MIT */
/* Each allocation and system call of an insertion failed in turn: the error says where,
 * nothing is left, and init was not run or was undone. */
#include "life_test.h"

#include "base/base.h"

static void fail_each(const char *file, const char *name, int code)
{
	unsigned tolerated = 0;
	for (unsigned n = 1;; n++) {
		host.error = (struct umod_error){ 0 };
		base_fault_arm(n, -code);
		int result = life_insert_file(file);
		bool is_over = base_fault_calls() < n;
		base_fault_arm(0, 0);
		if (result == 0) {
			tolerated += !is_over;
			if (CHECK_INT(life_remove_name(name, 0), 0) && !is_over)
				continue;
			printf("# %s: %u calls, %u failures did not matter\n", file,
				n - 1, tolerated);
			return;
		}
		if (is_over) {
			FAIL("%s: fails undisturbed: %s", file, host.error.message);
			return;
		}
		if (!host.error.message[0] || host.error.code != result)
			FAIL("%s: call %u: %d, told %d: %s", file, n, result,
				host.error.code, host.error.message);
		if (!CHECK(!umod_module_find(host.space, name)))
			return;
		life_notes();
	}
}

TEST(each_call_fails)
{
	static const char *const files[][2] = { { "vfat.o", "vfat" },
		{ "vfat.so", "vfat" }, { "tuned.o", "tuned" } };
	static const int codes[] = { -ENOMEM, -EACCES };
	life_begin();
	CHECK_INT(life_insert_file("fat.o"), 0);
	for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++)
		for (unsigned c = 0; c < sizeof(codes) / sizeof(*codes); c++)
			fail_each(files[i][0], files[i][1], codes[c]);
	CHECK_INT(life_remove_name("fat", 0), 0);
	life_close();
}
