/* SPDX-License-Identifier: MIT */
/* UMOD_INSERT_NO_RUN: Linux's own modules, and those of umod's, of which nothing runs. */
#include "life_test.h"

#include <stdlib.h>

#define VERMAGIC "6.1.0 SMP mod_unload modversions "

static int insert_into(struct umod_namespace *space, const char *file, unsigned flags,
	const char *vermagic)
{
	char path[4096];
	const char *folder = getenv("UMOD_TEST_FIXTURES");
	struct umod_source source = { .size_bytes = sizeof(source), .path = path };
	struct umod_insert_options options = UMOD_INSERT_OPTIONS_INIT;
	snprintf(path, sizeof(path), "%s/%s", folder ? folder : ".", file);
	options.flags = flags;
	options.vermagic = vermagic;
	return umod_insert(space, &source, &options, NULL, &host.error);
}

static int insert_still(const char *file)
{
	return insert_into(host.space, file, UMOD_INSERT_NO_RUN, NULL);
}

static void lend_version(const char *name, uint32_t crc)
{
	struct umod_host_export item = { .size_bytes = sizeof(item),
		.name = name,
		.address = (void *)0x10000,
		.has_crc = true,
		.crc = crc };
	CHECK_INT(umod_export(host.space, &item, &host.error), 0);
}

#ifdef __x86_64__
/* The first word does not count where there are CRCs. */
TEST(kernel_module)
{
	struct umod_module_info info = { .size_bytes = sizeof(info) };
	life_begin();
	lend_version("module_layout", 0x1a2b3c4d);
	CHECK_INT(life_insert_file("lx.o"), -ENOEXEC);
	CHECK_HAS(host.error.message, "UMOD_INSERT_NO_RUN");
	CHECK_INT(insert_into(host.space, "lx.o", UMOD_INSERT_NO_RUN, "6.1.0 SMP "),
		-ENOEXEC);
	CHECK_HAS(host.error.message, "its vermagic is '" VERMAGIC "'");
	CHECK_INT(insert_into(umod_context_process_namespace(host.context), "lx.o",
			  UMOD_INSERT_NO_RUN, NULL),
		-EINVAL);
	CHECK_HAS(host.error.message, "a namespace other than");
	CHECK_INT(insert_into(host.space, "lx.o", UMOD_INSERT_NO_RUN,
			  "5.0.0 SMP mod_unload modversions "),
		0);
	CHECK_INT(insert_still("lx.o"), -EEXIST);
	struct umod_module *module = umod_module_find(host.space, "lx");
	CHECK(module != NULL);
	umod_module_info_get(module, &info);
	CHECK(info.end <= UINT64_C(1) << 31);
	CHECK_INT(info.state, UMOD_STATE_LIVE);
	CHECK(!umod_parameter_name(module, 0));
	CHECK(!umod_module_need(module, 0));
	umod_module_put(module);
	CHECK_INT(life_remove_name("lx", 0), 0);
	CHECK_STR(life_notes(), "");
	life_close();
}

TEST(kernel_layout)
{
	life_begin();
	lend_version("module_layout", 0xbad);
	CHECK_INT(insert_still("lx.o"), -ENOEXEC);
	CHECK_HAS(host.error.message,
		"symbol module_layout: it was built for 0x1a2b3c4d; "
		"the host has 0x00000bad");
	CHECK_INT(insert_into(host.space, "lx.o",
			  UMOD_INSERT_NO_RUN | UMOD_INSERT_IGNORE_MODVERSIONS, NULL),
		0);
	CHECK_INT(life_remove_name("lx", 0), 0);
	life_close();
}

/* Its exports, by the kernel's tables, for those that may use them. */
TEST(kernel_exports)
{
	life_begin();
	CHECK_INT(insert_still("lx-user.o"), -ENOENT);
	CHECK_HAS(host.error.message, "unknown symbol lx_count");
	CHECK_INT(insert_still("lx.o"), 0);
	CHECK_INT(insert_still("lx-wrong.o"), -EINVAL);
	CHECK_HAS(host.error.message, "version of symbol lx_count");
	CHECK_INT(insert_still("lx-outside.o"), -EINVAL);
	CHECK_HAS(host.error.message, "export namespace LX");
	CHECK_INT(insert_still("lx-user.o"), 0);
	CHECK_INT(life_remove_name("lx", 0), -EWOULDBLOCK);
	CHECK_HAS(host.error.message, "is in use by: lx_user");
	CHECK_INT(life_remove_name("lx-user", 0), 0);
	CHECK_INT(life_remove_name("lx", 0), 0);
	CHECK_STR(life_notes(), "");
	life_close();
}

/* The C library is nothing to it, unless the program lends it that. */
TEST(kernel_library)
{
	life_begin();
	CHECK_INT(insert_still("lx-strlen.o"), -ENOENT);
	CHECK_HAS(host.error.message, "unknown symbol strlen");
	lend_version("strlen", 0x5);
	CHECK_INT(insert_still("lx-strlen.o"), 0);
	CHECK_INT(life_remove_name("lx-strlen", 0), 0);
	CHECK_STR(life_notes(), "");
	life_close();
}
#endif

static void still(const char *kind)
{
	char fat[16], vfat[16], tuned[16];
	snprintf(fat, sizeof(fat), "fat.%s", kind);
	snprintf(vfat, sizeof(vfat), "vfat.%s", kind);
	snprintf(tuned, sizeof(tuned), "tuned.%s", kind);
	life_begin();
	CHECK_INT(insert_still(fat), 0);
	CHECK_INT(life_insert_file(vfat), -EPERM);
	CHECK_HAS(host.error.message, "uses fat_count of fat, which was inserted to run");
	CHECK_INT(insert_still(vfat), 0);
	CHECK_INT(life_remove_name("fat", 0), -EWOULDBLOCK);
	CHECK_INT(insert_still(tuned), 0);
	struct umod_module *module = umod_module_find(host.space, "tuned");
	CHECK(module && !umod_parameter_name(module, 0));
	umod_module_put(module);
	CHECK_INT(life_remove_name("tuned", 0), 0);
	CHECK_INT(life_remove_name("vfat", 0), 0);
	CHECK_INT(life_remove_name("fat", 0), 0);
	CHECK_STR(life_notes(), "");
	CHECK_INT(life_insert_file(fat), 0);
	CHECK_INT(life_remove_name("fat", 0), 0);
	CHECK_STR(life_notes(), "init fat, exit fat");
	life_close();
}

TEST(still_object)
{
	still("o");
}

TEST(still_shared)
{
	still("so");
}

TEST(still_parameters)
{
	struct umod_source source = { .size_bytes = sizeof(source), .path = "any" };
	struct umod_insert_options options = UMOD_INSERT_OPTIONS_INIT;
	life_begin();
	options.flags = UMOD_INSERT_NO_RUN;
	options.parameters = "level=1";
	CHECK_INT(umod_insert(host.space, &source, &options, NULL, &host.error), -EINVAL);
	CHECK_HAS(host.error.message, "takes no parameters");
	life_close();
}
