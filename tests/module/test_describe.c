/* SPDX-License-Identifier: MIT */
/*
 * What modules say of themselves: compiled ones, as an object and as a shared object, and
 * ones made here section by section, damaged in every way; rules of names and licences.
 */
#include "link/link.h"
#include "module/module.h"
#include "test.h"

#include <fcntl.h>

/* ---- compiled modules ---- */

static struct elf_bytes read_file(const char *path)
{
	struct feature_buffer buffer = { 0 };
	CHECK_INT(feature_read_path(
			  AT_FDCWD, path, FEATURE_LIMIT_BYTES, &buffer, NULL, NULL),
		0);
	return (struct elf_bytes){ .bytes = buffer.bytes, .count = buffer.count };
}

static void check_strings(
	const struct module_strings *list, const char *first, const char *last)
{
	CHECK_STR(list->count ? list->items[0] : "", first);
	CHECK_STR(list->count ? list->items[list->count - 1] : "", last);
}

static const char *const exports[][4] = { { "author_plain", NULL, "", "" },
	{ "author_gpl", NULL, "gpl", "" }, { "author_spaced", "SPACE", "", "" },
	{ "author_variable", "SPACE", "gpl", "" },
	{ "author_friends", "module:friend,pal_*", "", "" } };

static void check_everything(const char *path)
{
	struct elf_bytes file = read_file(path);
	struct elf_object object;
	struct module_description d;
	struct umod_error error = { 0 };

	REQUIRE_INT(elf_object_open_any(&object, path, &file, NULL), 0);
	CHECK_INT(module_describe(&object, path, &d, &error), 0);
	CHECK_STR(error.message, "");
	feature_buffer_free(
		&(struct feature_buffer){ .bytes = (uint8_t *)file.bytes, file.count });
	/* All of it is the description's own. */
	CHECK_INT(d.kind, MODULE_UMOD);
	CHECK_STR(d.name, "everything");
	CHECK(d.name_is_its_own && d.gpl_compatible && d.offers_exports_alone);
	CHECK(!d.livepatch && !d.srcversion);
	CHECK_STR(d.license, "Dual MIT/GPL");
	CHECK_STR(d.version, "1.2-rc3");
	CHECK_STR(d.vermagic, UMOD_VERMAGIC);
	check_strings(&d.aliases, "fmt-*", "char-major-10-[0-9]?");
	check_strings(&d.depends, "one", "two_more");
	check_strings(&d.before, "before", "before");
	check_strings(&d.after, "after", "later");
	check_strings(&d.weak, "perhaps", "perhaps");
	check_strings(&d.imports, "SPACE_A", "SPACE_B");
	check_strings(&d.needed, object.type == ET_REL ? "libz.so.1" : "",
		object.type == ET_REL ? "libz.so.1" : "");
	CHECK_INT(d.parameter_count, 20);
	CHECK_INT(d.parameters.bytes, 20 * sizeof(struct umod_parameter));
	CHECK(d.parameters.section && d.this_module.section);
	CHECK_INT(d.this_module.bytes, sizeof(struct umod_this_module));
	CHECK_INT(d.this_module.address != 0, object.type == ET_DYN);
	REQUIRE_INT(d.export_count, base_array_count(exports));
	for (unsigned i = 0; i < base_array_count(exports); i++) {
		const struct module_export *e =
			module_description_export(&d, exports[i][0]);
		REQUIRE(e != NULL);
		CHECK_STR(e->space ? e->space : "", exports[i][1] ? exports[i][1] : "");
		CHECK_INT(e->gpl_only, exports[i][2][0] != '\0');
		CHECK(!e->has_crc);
	}
	CHECK(!module_description_export(&d, "author"));
	CHECK_STR(feature_info_get(&d.fields, "own"), "key");
	module_description_free(&d);
	CHECK(!d.exports && !d.text);
}

TEST(compiled)
{
	check_everything(FIXTURES "/everything.o");
	check_everything(FIXTURES "/everything.so");
}

/* A program exports to its modules by the same macros. */
TEST(host_programs)
{
	static const char *const paths[] = { FIXTURES "/host-pie",
		FIXTURES "/host-fixed" };

	for (unsigned i = 0; i < base_array_count(paths); i++) {
		struct elf_bytes file = read_file(paths[i]);
		struct elf_object object;
		struct module_description d;
		REQUIRE_INT(elf_object_open_any(&object, paths[i], &file, NULL), 0);
		CHECK_INT(object.type, i ? ET_EXEC : ET_DYN);
		CHECK_INT(module_describe(&object, paths[i], &d, NULL), 0);
		CHECK_INT(d.kind, MODULE_UMOD);
		CHECK_INT(d.export_count, 2);
		CHECK(module_description_export(&d, "host_answer") != NULL);
		const struct module_export *e =
			module_description_export(&d, "host_variable");
		REQUIRE(e != NULL);
		CHECK(e->gpl_only);
		CHECK_STR(e->space, "HOST");
		module_description_free(&d);
		feature_buffer_free(&(struct feature_buffer){
			.bytes = (uint8_t *)file.bytes, file.count });
	}
}

TEST(no_memory)
{
	struct elf_bytes file = read_file(FIXTURES "/everything.o");
	struct elf_object object;
	struct module_description d;
	int result = -1;

	REQUIRE_INT(elf_object_open_any(&object, "everything", &file, NULL), 0);
	for (uint64_t n = 1; result && n < 200; n++) {
		struct umod_error error = { 0 };
		base_fault_arm(n, ENOMEM);
		result = module_describe(&object, NULL, &d, &error);
		base_fault_arm(0, 0);
		if (result) {
			CHECK_INT(result, -ENOMEM);
			CHECK_INT(error.code, -ENOMEM);
			CHECK(!d.exports && !d.text && !d.kind);
		}
	}
	CHECK_INT(result, 0);
	module_description_free(&d);
	feature_buffer_free(
		&(struct feature_buffer){ .bytes = (uint8_t *)file.bytes, file.count });
}

/* ---- made ones ---- */

struct piece {
	const char *name;
	const void *bytes;
	size_t count;
	uint32_t type; /* 0: SHT_PROGBITS, and allocated and writable */
	uint64_t align, address, flags;
};

static uint8_t file[16384];

/* An object of sections @pieces, ended by a NULL name; its symbols are @names. */
static void make(const struct piece *pieces, uint16_t type, const char *const *symbols,
	struct elf_object *object)
{
	Elf64_Shdr headers[16] = { 0 };
	char names[400] = "", strings[400] = "";
	size_t at = sizeof(Elf64_Ehdr), name_bytes = 1, string_bytes = 1;
	unsigned count = 1;

	memset(file, 0, sizeof(file));
	for (; pieces->name; pieces++, count++) {
		headers[count] = (Elf64_Shdr){ .sh_name = (Elf64_Word)name_bytes,
			.sh_type = pieces->type ? pieces->type : SHT_PROGBITS,
			.sh_flags = pieces->type ? pieces->flags : SHF_ALLOC | SHF_WRITE,
			.sh_addralign = pieces->align ? pieces->align : 8,
			.sh_addr = pieces->address,
			.sh_offset = at,
			.sh_size = pieces->count };
		strcpy(names + name_bytes, pieces->name);
		name_bytes += strlen(pieces->name) + 1;
		memcpy(file + at, pieces->bytes, pieces->count);
		at += (pieces->count + 7) & ~(size_t)7;
	}
	Elf64_Sym table[8] = { 0 };
	unsigned symbol_count = 1;
	for (; symbols && *symbols; symbols++, symbol_count++) {
		bool defined = (*symbols)[0] != '-';
		table[symbol_count] = (Elf64_Sym){ .st_name = (Elf64_Word)string_bytes,
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			.st_shndx = defined };
		strcpy(strings + string_bytes, *symbols + !defined);
		string_bytes += strlen(strings + string_bytes) + 1;
	}
	headers[count] =
		(Elf64_Shdr){ .sh_type = type == ET_REL ? SHT_SYMTAB : SHT_DYNSYM,
			.sh_offset = at,
			.sh_size = symbol_count * sizeof(*table),
			.sh_entsize = sizeof(*table),
			.sh_info = 1,
			.sh_link = count + 1 };
	memcpy(file + at, table, sizeof(table));
	at += sizeof(table);
	headers[count + 1] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = string_bytes
	};
	memcpy(file + at, strings, sizeof(strings));
	at += sizeof(strings);
	headers[count + 2] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = name_bytes
	};
	memcpy(file + at, names, sizeof(names));
	at += sizeof(names);
	memcpy(file + at, headers, sizeof(headers));
	Elf64_Ehdr header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
				      EV_CURRENT },
		.e_type = type,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_shoff = at,
		.e_ehsize = sizeof(header),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = (Elf64_Half)(count + 3),
		.e_shstrndx = (Elf64_Half)(count + 2) };
	memcpy(file, &header, sizeof(header));
	struct elf_bytes bytes = { .bytes = file, .count = sizeof(file) };
	CHECK_INT(elf_object_open_any(object, "made", &bytes, NULL), 0);
}

#define THIS ".gnu.linkonce.this_module"
#define PIECE(name, bytes)                 \
	{                                  \
		name, bytes, sizeof(bytes) \
	}
#define INFO(text) PIECE(".modinfo", text)

static const struct umod_this_module fine = { sizeof(fine), UMOD_AUTHOR_ABI, "fi-ne",
	NULL, NULL, NULL };
static const struct umod_this_module nameless = { sizeof(fine), UMOD_AUTHOR_ABI, "", NULL,
	NULL, NULL };
static const struct umod_this_module slash = { sizeof(fine), UMOD_AUTHOR_ABI, "a/b", NULL,
	NULL, NULL };
static const struct umod_this_module newer = { sizeof(fine), UMOD_AUTHOR_ABI + 1, "fine",
	NULL, NULL, NULL };
static struct umod_this_module endless = { sizeof(fine), UMOD_AUTHOR_ABI, "", NULL, NULL,
	NULL };
static const char bytes_of[1216];

TEST(kinds_and_names)
{
	static const struct {
		struct piece pieces[3];
		const char *path;
		enum module_kind kind;
		const char *name;
		bool own;
	} cases[] = {
		{ { INFO("x=y") }, "/lib/libfoo-1.2.so.3", MODULE_PLAIN, "libfoo_1_2" },
		/* What a plain object says of its name does not count. */
		{ { INFO("name=other") }, "a-b.o", MODULE_PLAIN, "a_b" },
		{ { INFO("export=f") }, "x/y.o", MODULE_UMOD, "y" },
		{ { INFO("name=z\0export=f") }, "x/y.o", MODULE_UMOD, "z", true },
		{ { { THIS, &fine, sizeof(fine) } }, "y.o", MODULE_UMOD, "fi_ne", true },
		{ { { THIS, &fine, sizeof(fine) }, INFO("name=no") }, "y.o", MODULE_UMOD,
			"fi_ne", true },
		{ { { THIS, &nameless, sizeof(fine) }, INFO("name=from-info") }, "y.o",
			MODULE_UMOD, "from_info", true },
		{ { { THIS, &nameless, sizeof(fine) } }, "y.o.xz", MODULE_UMOD, "y" },
		{ { { THIS, bytes_of, 1216 }, INFO("name=ext4") }, "y.ko", MODULE_KERNEL,
			"ext4", true },
		{ { { THIS, bytes_of, sizeof(fine) } }, "snd-pcm.ko.zst", MODULE_KERNEL,
			"snd_pcm" },
	};
	static const char *const symbols[] = { "f", NULL };

	for (unsigned i = 0; i < base_array_count(cases); i++) {
		struct umod_error error = { 0 };
		struct elf_object object;
		struct module_description d;
		make(cases[i].pieces, ET_REL, symbols, &object);
		CHECK_INT(module_describe(&object, cases[i].path, &d, &error), 0);
		CHECK_STR(error.message, "");
		CHECK_INT(d.kind, cases[i].kind);
		CHECK_STR(d.name, cases[i].name);
		CHECK_INT(d.name_is_its_own, cases[i].own);
		module_description_free(&d);
	}
}

static const char long_name[] =
	"depends=an_hour_of_typing_makes_a_name_that_has_one_byte_too_much_";

TEST(refused)
{
	memset(endless.name, 'x', sizeof(endless.name));
	static const struct {
		struct piece pieces[3];
		uint16_t type;
		int result;
		const char *message;
	} cases[] = {
		{ { INFO("a=b"), INFO("a=b") }, ET_REL, -ENOEXEC,
			"it has two sections .modinfo" },
		{ { { THIS, &fine, sizeof(fine) }, { THIS, &fine, sizeof(fine) } },
			ET_REL, -ENOEXEC,
			"it has two sections .gnu.linkonce.this_module" },
		{ { { THIS, &newer, sizeof(fine) } }, ET_DYN, -ENOEXEC,
			"it was made for version 2 of umod's modules, not 1" },
		{ { { THIS, &slash, sizeof(fine) } }, ET_REL, -ENOEXEC,
			".gnu.linkonce.this_module: its name is none that a module may "
			"have" },
		{ { { THIS, &endless, sizeof(fine) } }, ET_REL, -ENOEXEC,
			".gnu.linkonce.this_module: its name is none that a module may "
			"have" },
		{ { { THIS, &fine, sizeof(fine), SHT_PROGBITS, 8, 0, SHF_ALLOC } },
			ET_REL, -ELIBBAD,
			".gnu.linkonce.this_module: it is not writable" },
		{ { { THIS, &fine, sizeof(fine), SHT_PROGBITS, 8, 0, SHF_WRITE } },
			ET_REL, -ELIBBAD, ".gnu.linkonce.this_module: it is not loaded" },
		{ { { THIS, &fine, sizeof(fine), 0, 4 } }, ET_REL, -ELIBBAD,
			".gnu.linkonce.this_module: it is aligned to 4" },
		{ { { THIS, &fine, sizeof(fine), 0, 8, 0x1004 } }, ET_DYN, -ELIBBAD,
			".gnu.linkonce.this_module: it lies at 0x1004" },
		{ { { THIS, &fine, sizeof(fine), 0, 8, -8ull } }, ET_DYN, -ELIBBAD,
			".gnu.linkonce.this_module: it lies at 0xfffffffffffffff8" },
		{ { { THIS, bytes_of, 1216 } }, ET_DYN, -ENOEXEC,
			".gnu.linkonce.this_module: 1216 bytes, which is no module of "
			"umod's" },
		{ { { THIS, &fine, sizeof(fine) }, { "__param", bytes_of, 33 } }, ET_REL,
			-ELIBBAD, "__param: 33 bytes are no whole parameters" },
		{ { { THIS, &fine, sizeof(fine) }, { "__param", bytes_of, 32, 0, 1 } },
			ET_REL, -ELIBBAD, "__param: it is aligned to 1" },
		{ { { THIS, &nameless, sizeof(fine) }, INFO("name=") }, ET_REL, -ENOEXEC,
			"its name '' is none that a module may have: 1 to 55 of A-Z a-z "
			"0-9 _ - . +" },
		{ { { THIS, &nameless, sizeof(fine) }, INFO("name=a b") }, ET_REL,
			-ENOEXEC,
			"its name 'a b' is none that a module may have: 1 to 55 of A-Z "
			"a-z "
			"0-9 _ - . +" },
		{ { INFO("depends=a,b/c,d") }, ET_REL, -ENOEXEC,
			"depends: 'b/c' is no name that a module may have" },
		{ { INFO(long_name) }, ET_REL, -ENOEXEC,
			"depends: 'an_hour_of_typing_makes_a_name_that_has_one_byte_too_"
			"much_' is no name that a module may have" },
		{ { INFO("export=f\0export_gpl=f") }, ET_REL, -ENOEXEC,
			"it exports symbol f twice" },
		{ { INFO("export=") }, ET_REL, -ENOEXEC, "an export has no name" },
		{ { INFO("export_ns=:SPACE") }, ET_REL, -ENOEXEC,
			"an export has no name" },
		{ { INFO("export_ns=f") }, ET_REL, -ENOEXEC,
			"export_ns=f: it names no namespace" },
		{ { INFO("export_gpl_ns=f:") }, ET_REL, -ENOEXEC,
			"export_gpl_ns=f:: it names no namespace" },
		{ { INFO("export=g") }, ET_REL, -ENOEXEC,
			"it exports symbol g, which is not among its global symbols" },
		{ { INFO("export=undefined") }, ET_DYN, -ENOEXEC,
			"it exports symbol undefined, which is not among its dynamic "
			"symbols: is it hidden, by -fvisibility or a version script?" },
	};
	static const char *const symbols[] = { "f", "-undefined", NULL };

	for (unsigned i = 0; i < base_array_count(cases); i++) {
		struct umod_error error = { 0 };
		struct elf_object object;
		struct module_description d;
		make(cases[i].pieces, cases[i].type, symbols, &object);
		CHECK_INT(module_describe(&object, NULL, &d, &error), cases[i].result);
		CHECK_STR(error.message, cases[i].message);
		CHECK_INT(error.code, cases[i].result);
		CHECK_INT(error.stage, UMOD_STAGE_DESCRIBE);
		CHECK(!d.text && !d.exports && !d.aliases.items);
	}
}

TEST(fields)
{
	static const uint32_t crcs[] = { 0x11111111, 0x22222222 };
	static const char info[] = "\0\0license=GPL v2\0license=none\0novalue\0depends=\0"
				   "softdep=ignored pre:  a-b\tc post: d pre: e\0"
				   "weakdep=x y,z\0livepatch=Y\0import_ns=\0alias=\0"
				   "export=f\0export_ns=g:module:a,b*\0unended=1";
	const struct piece pieces[] = { { ".modinfo", info, sizeof(info) - 1 },
		PIECE("__export_ext_crcs", crcs), PIECE("__export_ext_names", "g\0other"),
		PIECE("__export_ext_decls", "int g(void)\0int other"), { 0 } };
	static const char *const symbols[] = { "f", "g", NULL };
	struct elf_object object;
	struct module_description d;

	make(pieces, ET_REL, symbols, &object);
	REQUIRE_INT(module_describe(&object, "m.o", &d, NULL), 0);
	memset(file, 0xff, sizeof(file));
	CHECK_STR(d.license, "GPL v2");
	CHECK(d.gpl_compatible && d.livepatch);
	CHECK_INT(d.depends.count, 0);
	CHECK_INT(d.before.count, 3);
	check_strings(&d.before, "a-b", "e");
	CHECK_INT(d.after.count, 1);
	check_strings(&d.weak, "x", "z");
	CHECK_INT(d.imports.count + d.aliases.count, 0);
	CHECK(!feature_info_get(&d.fields, "unended"));
	REQUIRE_INT(d.export_count, 2);
	CHECK(!d.exports[0].has_crc && !d.exports[0].declaration);
	CHECK_INT(d.exports[1].crc, 0x11111111);
	CHECK_STR(d.exports[1].declaration, "int g(void)");
	CHECK_STR(d.exports[1].space, "module:a,b*");
	module_description_free(&d);
}

/* ---- places ---- */

TEST(places)
{
	static struct umod_this_module memory[2];
	struct elf_segment segments[] = {
		{ .vaddr = 0x1000, .memory_bytes = sizeof(fine), .flags = PF_R },
		{ .vaddr = 0x2000, .memory_bytes = sizeof(memory), .flags = PF_R | PF_W },
		{ .vaddr = 0x3000, .memory_bytes = UINT64_MAX - 0x3000, .flags = PF_W },
	};
	struct link_image image = { .bias = (uintptr_t)memory - 0x2000,
		.path = "made",
		.view = { .segments = segments, .segment_count = 3 } };
	struct module_description d = { 0 };
	struct umod_this_module *this = memory;
	const struct umod_parameter *items = (void *)memory;
	struct umod_error error = { 0 };

	CHECK_INT(module_this_find(&image, &d, &this, NULL), 0);
	CHECK_INT(module_parameters_find(&image, &d, &items, NULL), 0);
	CHECK(!this && !items);
	memory[0] = memory[1] = fine;
	d.this_module = (struct module_place){ 1, 0x2000, sizeof(fine) };
	d.parameters = d.this_module;
	CHECK_INT(module_this_find(&image, &d, &this, NULL), 0);
	CHECK_INT(module_parameters_find(&image, &d, &items, NULL), 0);
	CHECK(this == memory && (void *)items == memory);
	d.this_module.address += sizeof(fine);
	CHECK_INT(module_this_find(&image, &d, &this, NULL), 0);
	CHECK(this == memory + 1);
	memory[1].abi = 7;
	CHECK_INT(module_this_find(&image, &d, &this, &error), -ELIBBAD);
	CHECK(!this);
	CHECK_STR(error.message, "its sections and segments disagree about where the "
				 "module's struct is");
	/* Past the end, before the start, in none, not writable, not readable. */
	static const uint64_t wrong[] = { 0x2000 + sizeof(fine) + 8, 0x1ff8, 0x2f00,
		0x1000, 0x3000, UINT64_MAX - 7, 0 };
	for (unsigned i = 0; i < base_array_count(wrong); i++) {
		d.this_module.address = d.parameters.address = wrong[i];
		CHECK_INT(module_this_find(&image, &d, &this, NULL), -ELIBBAD);
		if (wrong[i] != 0x1000) /* parameters may be read-only */
			CHECK_INT(module_parameters_find(&image, &d, &items, NULL),
				-ELIBBAD);
	}
}

/* ---- rules ---- */

TEST(names)
{
	static const char *const paths[][2] = { { "/a/b-c.ko", "b_c" }, { "x.o", "x" },
		{ "libm.so.6", "libm" }, { "x.so", "x" }, { "a.b-c.ko.xz", "a_b_c" },
		{ "x.zst", "x" }, { "a b.o", "a_b" }, { ".o", "_o" }, { "", "_" },
		{ "dir/", "_" }, { ".so.1", "_so_1" }, { "\xc3\xa4.o", "__" } };
	char name[UMOD_MODULE_NAME_BYTES], text[80];

	for (unsigned i = 0; i < base_array_count(paths); i++) {
		module_name_of_path(paths[i][0], name);
		CHECK_STR(name, paths[i][1]);
	}
	module_name_of_path(NULL, name);
	CHECK_STR(name, "_");
	memset(text, 'x', sizeof(text));
	memcpy(text + 70, ".o", 3);
	module_name_of_path(text, name);
	CHECK_INT(strlen(name), 55);
	CHECK(module_name_fold(text, 55, name));
	CHECK(!module_name_fold(text, 56, name));
	CHECK(!module_name_fold("", 0, name));
	CHECK(!module_name_fold("a,b", 3, name));
	CHECK(!module_name_fold("a\0b", 3, name));
}

TEST(licenses)
{
	static const char *const fine_ones[] = { "GPL", "GPL v2",
		"GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL",
		"Dual MPL/GPL" };
	static const char *const others[] = { "", "gpl", "GPL v3", "GPL ", "MIT",
		"Proprietary", "GPLv2" };

	for (unsigned i = 0; i < base_array_count(fine_ones); i++)
		CHECK(module_license_is_gpl(fine_ones[i]));
	for (unsigned i = 0; i < base_array_count(others); i++)
		CHECK(!module_license_is_gpl(others[i]));
	CHECK(!module_license_is_gpl(NULL));
}

TEST(spaces)
{
	static const char *names[] = { "A", "B" };
	const struct module_strings imports = { names, 2, 2 };
	static const struct {
		const char *space;
		bool admits; /* module my_mod, which imports A and B */
	} cases[] = { { NULL, true }, { "", true }, { "A", true }, { "B", true },
		{ "C", false }, { "AB", false }, { "module:my_mod", true },
		{ "module:my-mod", true }, { "module:x,my_mod", true },
		{ "module:my_mod,x", true }, { "module:my", false },
		{ "module:my_mod2", false }, { "module:my*", true }, { "module:*", true },
		{ "module:my_mod*", true }, { "module:m*d", false }, { "module:", false },
		{ "module:,", false }, { "module:y*,x*", false } };

	for (unsigned i = 0; i < base_array_count(cases); i++)
		CHECK_INT(module_space_admits(cases[i].space, "my_mod", &imports),
			cases[i].admits);
	CHECK(!module_space_admits("A", "my_mod", NULL));
}
