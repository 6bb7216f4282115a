/* SPDX-License-Identifier: MIT */
/*
 * Versions of symbols: reading them in each of their forms, also from damaged sections,
 * comparing them, and what a mismatch tells. Objects are made here, byte by byte.
 */
#include "module/version.h"
#include "test.h"

struct piece {
	const char *name;
	const void *bytes;
	size_t count;
};
#define PIECE(name, bytes)                 \
	{                                  \
		name, bytes, sizeof(bytes) \
	}

static uint8_t file[8192];

/* An object with the sections @pieces, ended by a NULL name. */
static void make(const struct piece *pieces, struct elf_object *object)
{
	Elf64_Shdr headers[12] = { 0 };
	char names[400] = "";
	size_t at = sizeof(Elf64_Ehdr), name_bytes = 1;
	unsigned count = 1;

	memset(file, 0, sizeof(file));
	for (; pieces->name; pieces++, count++) {
		headers[count] = (Elf64_Shdr){ .sh_name = (Elf64_Word)name_bytes,
			.sh_type = SHT_PROGBITS,
			.sh_offset = at,
			.sh_size = pieces->count };
		strcpy(names + name_bytes, pieces->name);
		name_bytes += strlen(pieces->name) + 1;
		memcpy(file + at, pieces->bytes, pieces->count);
		at += (pieces->count + 7) & ~(size_t)7;
	}
	headers[count] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = name_bytes
	};
	memcpy(file + at, names, name_bytes);
	at += (name_bytes + 7) & ~(size_t)7;
	memcpy(file + at, headers, sizeof(headers));
	Elf64_Ehdr header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
				      EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_shoff = at,
		.e_ehsize = sizeof(header),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = (Elf64_Half)(count + 1),
		.e_shstrndx = (Elf64_Half)count };
	memcpy(file, &header, sizeof(header));
	struct elf_bytes bytes = { .bytes = file, .count = sizeof(file) };
	CHECK_INT(elf_object_open_any(object, "made", &bytes, NULL), 0);
}

static const uint32_t crcs[] = { 0x11111111, 0x22222222 };

TEST(extended_exports)
{
	const struct piece pieces[] = { PIECE("__export_ext_crcs", crcs),
		PIECE("__export_ext_names", "one\0two"),
		PIECE("__export_ext_decls", "int one(void)\0"), { 0 } };
	struct elf_object object;
	struct module_versions versions;

	make(pieces, &object);
	CHECK_INT(module_imports_versions(&object, &versions, NULL), 0);
	CHECK_INT(versions.count, 0);
	CHECK_INT(module_exports_versions(&object, &versions, NULL), 0);
	REQUIRE_INT(versions.count, 2);
	const struct module_version *one = module_versions_find(&versions, "one");
	const struct module_version *two = module_versions_find(&versions, "two");
	REQUIRE(one && two);
	CHECK_INT(one->crc, 0x11111111);
	CHECK_STR(one->declaration, "int one(void)");
	CHECK_INT(two->crc, 0x22222222);
	CHECK(!two->declaration);
	CHECK(!module_versions_find(&versions, "on"));
	CHECK(!module_versions_find(&versions, "one1"));
	module_versions_free(&versions);
}

/* The kernel's table, with a name that fills its field; the extended one goes first. */
TEST(kernel_imports)
{
	struct {
		uint64_t crc;
		char name[56];
	} entries[2] = { { 0x33333333, "module_layout" }, { 0x44444444, "" } };
	memset(entries[1].name, 'x', 56);
	const struct piece plain[] = { PIECE("__versions", entries), { 0 } };
	const struct piece both[] = { PIECE("__versions", entries),
		PIECE("__version_ext_crcs", crcs),
		PIECE("__version_ext_names", "one\0two"), { 0 } };
	char name[57] = "";
	struct elf_object object;
	struct module_versions versions;

	memset(name, 'x', 56);
	make(plain, &object);
	CHECK_INT(module_imports_versions(&object, &versions, NULL), 0);
	CHECK_INT(versions.count, 2);
	const struct module_version *layout =
		module_versions_find(&versions, "module_layout");
	REQUIRE(layout);
	CHECK_INT(layout->crc, 0x33333333);
	CHECK(module_versions_find(&versions, name) != NULL);
	module_versions_free(&versions);
	make(both, &object);
	CHECK_INT(module_imports_versions(&object, &versions, NULL), 0);
	CHECK(module_versions_find(&versions, "two") != NULL);
	CHECK(!module_versions_find(&versions, "module_layout"));
	module_versions_free(&versions);
}

TEST(damaged)
{
	const struct piece odd[] = { { "__export_ext_crcs", crcs, 7 },
		PIECE("__export_ext_names", "one\0two"), { 0 } };
	const struct piece few[] = { PIECE("__export_ext_crcs", crcs),
		PIECE("__export_ext_names", "one"), { 0 } };
	const struct piece none[] = { PIECE("__export_ext_crcs", crcs), { 0 } };
	const struct piece open[] = { PIECE("__export_ext_crcs", crcs),
		{ "__export_ext_names", "one\0two", 7 }, { 0 } };
	const struct piece decls[] = { PIECE("__export_ext_crcs", crcs),
		PIECE("__export_ext_names", "one\0two"),
		{ "__export_ext_decls", "int", 3 }, { 0 } };
	const struct {
		const struct piece *pieces;
		const char *message;
	} cases[] = { { odd, "__export_ext_crcs: 7 bytes are no whole CRCs" },
		{ few, "__export_ext_names: fewer names than CRCs" },
		{ none, "__export_ext_names: fewer names than CRCs" },
		{ open, "__export_ext_names: its last string does not end" },
		{ decls, "__export_ext_decls: its last string does not end" } };

	for (unsigned i = 0; i < base_array_count(cases); i++) {
		struct umod_error error = { 0 };
		struct elf_object object;
		struct module_versions versions;
		make(cases[i].pieces, &object);
		CHECK_INT(module_exports_versions(&object, &versions, &error), -ELIBBAD);
		CHECK_STR(error.message, cases[i].message);
		CHECK(!versions.items && !versions.count);
	}
}

TEST(no_memory)
{
	const struct piece pieces[] = { PIECE("__export_ext_crcs", crcs),
		PIECE("__export_ext_names", "one\0two"), { 0 } };
	struct elf_object object;
	struct module_versions versions;
	int result = -1;

	make(pieces, &object);
	for (uint64_t n = 1; result && n < 100; n++) {
		struct umod_error error = { 0 };
		base_fault_arm(n, ENOMEM);
		result = module_exports_versions(&object, &versions, &error);
		base_fault_arm(0, 0);
		if (result) {
			CHECK_INT(result, -ENOMEM);
			CHECK_INT(error.code, -ENOMEM);
		}
	}
	CHECK_INT(versions.count, 2);
	module_versions_free(&versions);
}

TEST(comparing)
{
	const struct module_version old = { "open_it", 7, 0x1234, "int open_it(int)" };
	const struct module_version new = { "open_it", 7, 0xabcd, "int open_it(long)" };
	const struct module_version deep = { "open_it", 7, 0xabcd, "int open_it(int)" };
	const struct module_version bare = { "open_it", 7, 0xabcd, NULL };
	enum module_version_answer answer;
	struct umod_error error = { 0 };

	CHECK_INT(module_version_check("a", NULL, "b", &new, false, &answer, NULL), 0);
	CHECK_INT(answer, MODULE_VERSION_NOT_CHECKED);
	CHECK_INT(module_version_check("a", &new, "b", NULL, false, &answer, NULL), 0);
	CHECK_INT(answer, MODULE_VERSION_NOT_CHECKED);
	CHECK_INT(module_version_check("a", &new, "b", &new, false, &answer, NULL), 0);
	CHECK_INT(answer, MODULE_VERSION_SAME);
	CHECK_INT(module_version_check("a", &old, "b", &new, true, &answer, NULL), 0);
	CHECK_INT(answer, MODULE_VERSION_IGNORED);
	CHECK_INT(module_version_check("a", &old, "b", &new, false, &answer, &error),
		-EINVAL);
	CHECK_STR(error.subject, "a");
	CHECK_STR(error.message,
		"disagrees about the version of symbol open_it: it was built for "
		"0x00001234, int open_it(int); b has 0x0000abcd, int open_it(long)");
	umod_error_clear(&error);
	CHECK_INT(module_version_check("a", &old, NULL, &deep, false, &answer, &error),
		-EINVAL);
	CHECK_STR(error.message,
		"disagrees about the version of symbol open_it: it was built for "
		"0x00001234, int open_it(int); the host has 0x0000abcd, "
		"int open_it(int); a type that it reaches has changed");
	umod_error_clear(&error);
	CHECK_INT(module_version_check("a", &old, "b", &bare, false, &answer, &error),
		-EINVAL);
	CHECK(strstr(error.message, "0x0000abcd, (its declaration is not stored)"));
}

TEST(vermagic)
{
	static const struct {
		const char *module, *host;
		bool has_crcs;
		int result;
		enum module_version_answer answer;
	} cases[] = {
		{ "1.0 threads", "1.0 threads", false, 0, MODULE_VERSION_SAME },
		{ "1.1 threads", "1.0 threads", false, -ENOEXEC, MODULE_VERSION_IGNORED },
		{ "1.1 threads", "1.0 threads", true, 0, MODULE_VERSION_SAME },
		{ "1.1 threads", "1.0", true, -ENOEXEC, MODULE_VERSION_IGNORED },
		{ "1.1", "1.0", true, 0, MODULE_VERSION_SAME },
		{ NULL, "1.0", true, -ENOEXEC, MODULE_VERSION_IGNORED },
		{ "1.1", NULL, false, 0, MODULE_VERSION_NOT_CHECKED },
	};
	enum module_version_answer answer;

	for (unsigned i = 0; i < base_array_count(cases); i++) {
		struct umod_error error = { 0 };
		CHECK_INT(module_vermagic_check("m", cases[i].module, cases[i].host,
				  cases[i].has_crcs, false, &answer, &error),
			cases[i].result);
		CHECK_INT(answer, cases[i].answer);
		CHECK_INT(error.code, cases[i].result);
		CHECK_INT(module_vermagic_check("m", cases[i].module, cases[i].host,
				  cases[i].has_crcs, true, &answer, NULL),
			0);
	}
	struct umod_error error = { 0 };
	module_vermagic_check("m", "1.1 x", "1.0 x", false, false, &answer, &error);
	CHECK_STR(error.message, "its vermagic is '1.1 x', and should be '1.0 x'");
}
