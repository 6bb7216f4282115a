/* SPDX-License-Identifier: MIT */
/*
 * umod/author.h: what a module says of itself. For authors of modules, not of programs
 * that load them; it needs no other header of umod's and no library.
 *
 *	#include <umod/author.h>
 *
 *	static int level = 3;
 *	UMOD_PARAM(level, int, 0644);
 *	UMOD_PARAM_DESC(level, "how much it tells");
 *
 *	int sky_colour(void) { return level; }
 *	UMOD_EXPORT_SYMBOL(sky_colour);
 *
 *	static int sky_init(void) { return 0; }
 *	static void sky_exit(void) {}
 *	UMOD_MODULE(sky, sky_init, sky_exit);
 *	UMOD_LICENSE("MIT");
 *	UMOD_DESCRIPTION("The colour of the sky");
 *
 * `cc -c -fPIC sky.c` makes a module, sky.o, and so does `cc -shared -fPIC -o sky.so
 * sky.c`: relocatable objects (`ld -r` of several too) and shared objects are equals. All
 * that is said stands in sections of the file, in the form of Linux's modules, and is
 *read without running the module: `umod modinfo sky.o`.
 *
 * Everything here is a macro to be used outside of functions (in C++: and of namespaces),
 * with a semicolon. Nothing is emitted by including the header. Names and macros of Linux
 * itself are in <umod/author_kernel.h>. C99 to C23, C++11 and later; gcc and clang.
 *
 * Sections:
 *   .modinfo                    NUL-ended strings "key=value"
 *   .gnu.linkonce.this_module   one struct umod_this_module
 *   __param                     an array of struct umod_parameter
 *
 * Since 0.1. Structs and numbers here do not change while UMOD_AUTHOR_ABI stays.
 */
#ifndef UMOD_AUTHOR_H
#define UMOD_AUTHOR_H

#ifdef __cplusplus
#include <cstddef> /* also tells which C++ library it is */
#else
#include <stddef.h>
#endif
#include <stdint.h>

/* Of the structs below and of their sections. */
#define UMOD_AUTHOR_ABI 1
/* Of a module's name, its NUL included. */
#define UMOD_MODULE_NAME_BYTES 56

#ifdef __cplusplus
extern "C" {
#endif

struct umod_module; /* <umod/module.h> */

/* What UMOD_MODULE emits. */
struct umod_this_module {
	uint32_t size_bytes;               /* of this struct */
	uint32_t abi;                      /* UMOD_AUTHOR_ABI */
	char name[UMOD_MODULE_NAME_BYTES]; /* empty: from the file's name */
	/* Either may be NULL. With an init and no exit the module stays for good. */
	int (*init)(void); /* 0, or a negative errno: then it is not loaded */
	void (*exit)(void);
	struct umod_module *module; /* set by the load, before anything of it runs */
};

/* The object that UMOD_MODULE defines; also for the module's other sources. */
extern struct umod_this_module umod_this_module __attribute__((visibility("hidden")));

/* This module: what functions of libumod's take. NULL where it was not loaded by umod. */
#define UMOD_THIS_MODULE (umod_this_module.module)

/* ---- parameters: structs ---- */

/* Types of parameters; the numbers stand in files. What they take is told at UMOD_PARAM.
 */
enum umod_parameter_type {
	UMOD_TYPE_CUSTOM = 0, /* ops do all */
	UMOD_TYPE_BYTE = 1,
	UMOD_TYPE_SHORT = 2,
	UMOD_TYPE_USHORT = 3,
	UMOD_TYPE_INT = 4,
	UMOD_TYPE_UINT = 5,
	UMOD_TYPE_LONG = 6,
	UMOD_TYPE_ULONG = 7,
	UMOD_TYPE_ULLONG = 8,
	UMOD_TYPE_HEXINT = 9,
	UMOD_TYPE_CHARP = 10,
	UMOD_TYPE_STRING = 11, /* arg: struct umod_parameter_string */
	UMOD_TYPE_BOOL = 12,
	UMOD_TYPE_INVBOOL = 13,
	UMOD_TYPE_BINT = 14,
	UMOD_TYPE_BOOL_ENABLE_ONLY = 15,
	UMOD_TYPE_ARRAY = 16 /* arg: struct umod_parameter_array */
};

/* Of umod_parameter.flags. */
#define UMOD_PARAMETER_UNSAFE   1 /* setting it taints */
#define UMOD_PARAMETER_HARDWARE 2 /* describes hardware, as the kernel has it */
/* Of umod_parameter_ops.flags. */
#define UMOD_PARAMETER_NOARG 1 /* may stand without a value: set() then gets NULL */
/* Room that get() has, its NUL included. */
#define UMOD_PARAMETER_TEXT_BYTES 4096

struct umod_parameter;

/*
 * Callbacks of a parameter, in the kernel's form. One call of a module's parameters runs
 * at a time. @set gets the value as given and returns 0 or a negative errno; NULL: it
 * cannot be set. @get writes the value to @buffer, of UMOD_PARAMETER_TEXT_BYTES, and
 * returns its length or a negative errno; NULL: it cannot be read. @free, if not NULL, is
 * called once with `arg`, after exit or after a load that failed.
 */
struct umod_parameter_ops {
	unsigned int flags;
	int (*set)(const char *value, const struct umod_parameter *parameter);
	int (*get)(char *buffer, const struct umod_parameter *parameter);
	void (*free)(void *arg);
};

/* One parameter, as it stands in the section __param. */
struct umod_parameter {
	const char *name;
	uint32_t type;        /* of enum umod_parameter_type */
	uint16_t permissions; /* as a file's: 0444 may be read, 0200 set while it lives */
	int8_t level;         /* -1 */
	uint8_t flags;
	const struct umod_parameter_ops *ops; /* of UMOD_TYPE_CUSTOM alone */
	void *arg;                            /* the variable */
};

/* Characters in place; @bytes with the NUL. */
struct umod_parameter_string {
	uint32_t bytes;
	char *text;
};

/* An array: values with commas between. */
struct umod_parameter_array {
	uint32_t max, element_bytes;
	uint32_t type; /* of an element: neither an array nor a string in place */
	uint32_t reserved;
	unsigned int *count; /* how many were given; NULL: nobody asks */
	void *elements;
};

#ifdef __cplusplus
}
#endif

/* ---- how things are emitted; not to be used by itself ---- */

#define UMOD_TEXT_(x)    #x
#define UMOD_TEXT(x)     UMOD_TEXT_(x)
#define UMOD_JOIN_(a, b) a##b
#define UMOD_JOIN(a, b)  UMOD_JOIN_(a, b)

/*
 * Neither the compiler nor `ld --gc-sections` takes it for unused. clang's attribute for
 * that would give each object a section of its own; there a section that is kept refers
 * to those that are to be. Nor may AddressSanitizer put something between objects that
 * stand side by side.
 */
#define UMOD_RETAINED
#ifdef __has_attribute
#if __has_attribute(retain)
#undef UMOD_RETAINED
#define UMOD_RETAINED , __retain__
#endif
#endif
#ifdef __clang__
#define UMOD_RETAINED_TOGETHER
#define UMOD_UNPADDED , __no_sanitize__("address")
#define UMOD_KEEP_(name)                                        \
	__asm__(".pushsection .umod.keep,\"aR\",@progbits\n"    \
		".reloc ., BFD_RELOC_NONE, " name "\n.byte 0\n" \
		".popsection");
#else
#define UMOD_RETAINED_TOGETHER UMOD_RETAINED
#define UMOD_UNPADDED
#define UMOD_KEEP_(name)
#endif
#define UMOD_IN_SECTION(name, align)                \
	__attribute__((__section__(name), __used__, \
		__aligned__(align) UMOD_RETAINED_TOGETHER UMOD_UNPADDED))

#ifdef __cplusplus
#define UMOD_C_OBJECT extern "C"
#else
#define UMOD_C_OBJECT extern
#endif

/* ---- what it says ---- */

/* A field of .modinfo; @key and @value are string literals. */
#define UMOD_INFO(key, value)                                                   \
	UMOD_KEEP_(".modinfo")                                                  \
	static const char UMOD_JOIN(umod_info_, __COUNTER__)[] UMOD_IN_SECTION( \
		".modinfo", 1) = key "=" value

/*
 * The licence decides what it may use: "GPL", "GPL v2", "GPL and additional rights",
 * "Dual BSD/GPL", "Dual MIT/GPL" and "Dual MPL/GPL" may use exports for such alone.
 */
#define UMOD_LICENSE(text)     UMOD_INFO("license", text)
#define UMOD_AUTHOR(text)      UMOD_INFO("author", text) /* one for each */
#define UMOD_DESCRIPTION(text) UMOD_INFO("description", text)
#define UMOD_VERSION(text)     UMOD_INFO("version", text)
/* Another name, or a pattern with * ? [], that it is found by: umod_request. */
#define UMOD_ALIAS(pattern) UMOD_INFO("alias", pattern)
/* Modules, with commas between, that must be there first. */
#define UMOD_DEPENDS(names) UMOD_INFO("depends", names)
/* "pre: a b post: c": modules to be loaded before and after, if they can be. */
#define UMOD_SOFTDEP(text) UMOD_INFO("softdep", text)
/* "a b": modules that it may use one day; nothing is loaded for that. */
#define UMOD_WEAKDEP(text) UMOD_INFO("weakdep", text)
/*
 * A shared library, by its soname, that an object needs: what the linker notes in a
 * shared object. C++'s own is noted by UMOD_MODULE.
 */
#define UMOD_NEEDED(soname) UMOD_INFO("needed", soname)
/* An export namespace that it uses symbols of. */
#define UMOD_IMPORT_NS(text) UMOD_INFO("import_ns", text)

/*
 * What must be alike for host and module, as one line:
 *   umod-1     UMOD_AUTHOR_ABI
 *   x86_64     the processor
 *   ptr64      bits of a pointer
 *   wchar32    bits of wchar_t (-fshort-wchar)
 *   ldouble64  bits of a long double's fraction (-mlong-double-64, -128)
 *   schar      whether plain char is signed (-funsigned-char)
 */
#define UMOD_VERMAGIC                                                        \
	"umod-" UMOD_TEXT(                                                   \
		UMOD_AUTHOR_ABI) " " UMOD_MAGIC_PROCESSOR " " UMOD_MAGIC_PTR \
				 " " UMOD_MAGIC_WCHAR " ldouble" UMOD_TEXT(  \
					 __LDBL_MANT_DIG__) " " UMOD_MAGIC_CHAR
#if defined(__x86_64__)
#define UMOD_MAGIC_PROCESSOR "x86_64"
#elif defined(__aarch64__)
#define UMOD_MAGIC_PROCESSOR "aarch64"
#elif defined(__riscv)
#define UMOD_MAGIC_PROCESSOR "riscv64"
#else
#define UMOD_MAGIC_PROCESSOR "unknown"
#endif
#if __SIZEOF_POINTER__ == 8
#define UMOD_MAGIC_PTR "ptr64"
#else
#define UMOD_MAGIC_PTR "ptr32"
#endif
#if __SIZEOF_WCHAR_T__ == 4
#define UMOD_MAGIC_WCHAR "wchar32"
#else
#define UMOD_MAGIC_WCHAR "wchar16"
#endif
#ifdef __CHAR_UNSIGNED__
#define UMOD_MAGIC_CHAR "uchar"
#else
#define UMOD_MAGIC_CHAR "schar"
#endif

/*
 * The language's run-time library, of C++ alone: field "runtime". It is no part of the
 * vermagic, since modules in C and in C++ go together; two in C++ that hand one another
 * library types need the same one.
 */
#if defined(_LIBCPP_VERSION)
#define UMOD_RUNTIME                \
	UMOD_NEEDED("libc++.so.1"); \
	UMOD_INFO("runtime", "libc++ abi" UMOD_TEXT(_LIBCPP_ABI_VERSION))
#elif defined(__GLIBCXX__) && _GLIBCXX_USE_CXX11_ABI
#define UMOD_RUNTIME                   \
	UMOD_NEEDED("libstdc++.so.6"); \
	UMOD_INFO("runtime", "libstdc++ cxx11")
#elif defined(__GLIBCXX__)
#define UMOD_RUNTIME                   \
	UMOD_NEEDED("libstdc++.so.6"); \
	UMOD_INFO("runtime", "libstdc++ cxx98")
#else
#define UMOD_RUNTIME typedef int umod_no_runtime
#endif

/*
 * Makes the object a module called @name (a word of C, at most 55 characters), started by
 * @init and ended by @exit; either may be NULL. To be used once: a second one in another
 * source of the module is a symbol defined twice. Before @init runs, constructors have
 * run and parameters are set; after @exit, destructors run.
 */
#define UMOD_MODULE(name, init, exit)                                            \
	typedef char umod_name_##name##_is_too_long                              \
		[sizeof(#name) <= UMOD_MODULE_NAME_BYTES ? 1 : -1];              \
	UMOD_C_OBJECT __attribute__((__visibility__("hidden")))                  \
	const char umod_only_one_UMOD_MODULE;                                    \
	const char umod_only_one_UMOD_MODULE = 1;                                \
                                                                                 \
	UMOD_THIS_MODULE_OBJECT() = { (uint32_t)sizeof(struct umod_this_module), \
		UMOD_AUTHOR_ABI, #name, init, exit, 0 };                         \
	UMOD_RUNTIME;                                                            \
	UMOD_INFO("name", #name);                                                \
	UMOD_INFO("vermagic", UMOD_VERMAGIC)
#define UMOD_THIS_MODULE_OBJECT()                                                  \
	struct umod_this_module umod_this_module                                   \
		__attribute__((__section__(".gnu.linkonce.this_module"), __used__, \
			__aligned__(sizeof(void *)) UMOD_RETAINED UMOD_UNPADDED))

/* What is needed no more once init has returned, or before exit runs. */
#define UMOD_INIT       __attribute__((__section__(".init.text"), __cold__))
#define UMOD_INIT_DATA  __attribute__((__section__(".init.data")))
#define UMOD_INIT_CONST __attribute__((__section__(".init.rodata")))
#define UMOD_EXIT       __attribute__((__section__(".exit.text"), __cold__))
/* Data that may be written until init has returned. */
#define UMOD_RO_AFTER_INIT __attribute__((__section__(".data..ro_after_init")))

/* ---- exports ---- */

/*
 * Offer @symbol, a function or object with C linkage that is declared above, to other
 * modules; a module that has UMOD_MODULE offers nothing else. _GPL: to modules of such a
 * licence alone. _NS: to those that import the namespace @space, a string. _FOR: to those
 * named in @modules alone, "a,b*", where * stands for any ending.
 *
 * A program may say the same of what it has for its modules; it is then linked with
 * -rdynamic.
 *
 * In a shared object compiled with -fvisibility=hidden by clang, that must stand above
 * the symbol's definition, below a declaration; gcc takes it anywhere.
 */
#define UMOD_EXPORT_SYMBOL(symbol)     UMOD_EXPORT_AS_(symbol, "export", "")
#define UMOD_EXPORT_SYMBOL_GPL(symbol) UMOD_EXPORT_AS_(symbol, "export_gpl", "")
#define UMOD_EXPORT_SYMBOL_NS(symbol, space) \
	UMOD_EXPORT_AS_(symbol, "export_ns", ":" space)
#define UMOD_EXPORT_SYMBOL_NS_GPL(symbol, space) \
	UMOD_EXPORT_AS_(symbol, "export_gpl_ns", ":" space)
#define UMOD_EXPORT_SYMBOL_FOR(symbol, modules) \
	UMOD_EXPORT_AS_(symbol, "export_ns", ":module:" modules)
#define UMOD_EXPORT_SYMBOL_FOR_GPL(symbol, modules) \
	UMOD_EXPORT_AS_(symbol, "export_gpl_ns", ":module:" modules)
#define UMOD_EXPORT_AS_(symbol, key, rest)                  \
	UMOD_LATE_ATTRIBUTE_BEGIN_                          \
	UMOD_C_OBJECT __typeof__(symbol) symbol             \
		__attribute__((__visibility__("default"))); \
	UMOD_LATE_ATTRIBUTE_END_                            \
	UMOD_INFO(key, #symbol rest)
/* clang warns of an attribute after the definition, where nothing need be wrong. */
#ifdef __clang__
#define UMOD_LATE_ATTRIBUTE_BEGIN_       \
	_Pragma("clang diagnostic push") \
		_Pragma("clang diagnostic ignored \"-Wignored-attributes\"")
#define UMOD_LATE_ATTRIBUTE_END_ _Pragma("clang diagnostic pop")
#else
#define UMOD_LATE_ATTRIBUTE_BEGIN_
#define UMOD_LATE_ATTRIBUTE_END_
#endif

/* ---- parameters ---- */

/*
 * Makes the variable @variable a parameter of its own name, of type @type, with the
 * @permissions of a file, 0 if it is not to be seen at all. Types, with the C type that
 * the variable must have, and what they take:
 *   byte unsigned char, short, ushort unsigned short, int, uint unsigned int, long,
 *   ulong unsigned long, ullong unsigned long long
 *                       whole numbers: decimal, 0x..., 0... octal
 *   hexint unsigned int the same, shown as 0x...
 *   charp char *        text of at most 1,024 characters. The value is umod's copy, kept
 *                       until the module is gone, also when another is set
 *   bool                y yes t true 1 e enable on, n no f false 0 d disable off; no
 * value: y invbool bool        the same, turned round; needs a value bint int the same as
 * bool, kept as 0 or 1 bool_enable_only bool  the same, but once it is set it stays so
 */
#define UMOD_PARAM(variable, type, permissions) \
	UMOD_PARAM_(variable, variable, type, permissions, 0)
/* The same under another name. */
#define UMOD_PARAM_NAMED(name, variable, type, permissions) \
	UMOD_PARAM_(name, variable, type, permissions, 0)
/* Setting it taints. */
#define UMOD_PARAM_UNSAFE(variable, type, permissions) \
	UMOD_PARAM_(variable, variable, type, permissions, UMOD_PARAMETER_UNSAFE)
#define UMOD_PARAM_NAMED_UNSAFE(name, variable, type, permissions) \
	UMOD_PARAM_(name, variable, type, permissions, UMOD_PARAMETER_UNSAFE)
/* Text in the array of characters @array. */
#define UMOD_PARAM_STRING(name, array, permissions) \
	UMOD_PARAM_STRING_(name, array, sizeof(array), permissions)
/*
 * The elements of @array; @type is an element's. @count, an unsigned int *, receives how
 * many were given, and may be NULL.
 */
#define UMOD_PARAM_ARRAY(array, type, count, permissions) \
	UMOD_PARAM_ARRAY_(array, array, type, count, permissions)
#define UMOD_PARAM_ARRAY_NAMED(name, array, type, count, permissions) \
	UMOD_PARAM_ARRAY_(name, array, type, count, permissions)
/* Set and shown by @operations, a const struct umod_parameter_ops *; @argument is theirs.
 */
#define UMOD_PARAM_CALLBACK(name, operations, argument, permissions) \
	UMOD_PARAM_ENTRY_(name, UMOD_TYPE_CUSTOM, permissions, 0, operations, argument)
/* What parameter @name is for. */
#define UMOD_PARAM_DESC(name, text) UMOD_INFO("parm", #name ":" text)

#define UMOD_PARAM_(name, variable, type, permissions, flags)                     \
	UMOD_PARAM_CHECK_(name, variable, type);                                  \
	UMOD_PARAM_ENTRY_(                                                        \
		name, UMOD_NUMBER_OF_##type, permissions, flags, 0, &(variable)); \
	UMOD_INFO("parmtype", #name ":" UMOD_WORD_OF_##type)
#define UMOD_PARAM_STRING_(name, array, count, permissions)                              \
	typedef char                                                                     \
		umod_parameter_##name##_must_be_chars[sizeof((array)[0]) == 1 ? 1 : -1]; \
	static const struct umod_parameter_string umod_parameter_string_##name = {       \
		(uint32_t)(count), array                                                 \
	};                                                                               \
	UMOD_PARAM_ENTRY_(name, UMOD_TYPE_STRING, permissions, 0, 0,                     \
		&umod_parameter_string_##name);                                          \
	UMOD_INFO("parmtype", #name ":string")
#define UMOD_PARAM_ARRAY_(name, array, type, count, permissions)                         \
	UMOD_PARAM_CHECK_(name, (array)[0], type);                                       \
	static const struct umod_parameter_array umod_parameter_array_##name = {         \
		(uint32_t)(sizeof(array) / sizeof((array)[0])),                          \
		(uint32_t)sizeof((array)[0]), UMOD_NUMBER_OF_##type, 0, count, array     \
	};                                                                               \
	UMOD_PARAM_ENTRY_(                                                               \
		name, UMOD_TYPE_ARRAY, permissions, 0, 0, &umod_parameter_array_##name); \
	UMOD_INFO("parmtype", #name ":array of " UMOD_WORD_OF_##type)
#define UMOD_PARAM_ENTRY_(name, type, permissions, flags, ops, arg)                    \
	typedef char umod_parameter_##name##_has_wrong_permissions                     \
		[(permissions) >= 0 && (permissions) <= 0777 && ((permissions)&2) == 0 \
				? 1                                                    \
				: -1];                                                 \
	UMOD_KEEP_("__param")                                                          \
	static const struct umod_parameter umod_parameter_##name UMOD_IN_SECTION(      \
		"__param", sizeof(void *)) = { #name, (uint32_t)(type),                \
		(uint16_t)(permissions), -1, (uint8_t)(flags), ops, (void *)(arg) }

/* That a variable has the type that its parameter promises. */
#ifdef __cplusplus
#define UMOD_PARAM_CHECK_(name, variable, type)                     \
	typedef char umod_parameter_##name##_must_be_##type[sizeof( \
		umod_takes_##type(&(variable)))]
#define UMOD_TAKES_(type, ctype)         \
	char umod_takes_##type(ctype *); \
	char umod_takes_##type(volatile ctype *)
UMOD_TAKES_(byte, unsigned char);
UMOD_TAKES_(short, short);
UMOD_TAKES_(ushort, unsigned short);
UMOD_TAKES_(int, int);
UMOD_TAKES_(uint, unsigned int);
UMOD_TAKES_(long, long);
UMOD_TAKES_(ulong, unsigned long);
UMOD_TAKES_(ullong, unsigned long long);
UMOD_TAKES_(hexint, unsigned int);
UMOD_TAKES_(charp, char *);
UMOD_TAKES_(charp, const char *);
UMOD_TAKES_(bool, bool);
UMOD_TAKES_(invbool, bool);
UMOD_TAKES_(bint, int);
UMOD_TAKES_(bool_enable_only, bool);
#else
#define UMOD_PARAM_CHECK_(name, variable, type)                                          \
	typedef char umod_parameter_##name##_must_be_##type                              \
		[__builtin_types_compatible_p(__typeof__(variable), UMOD_C_OF_##type) || \
					__builtin_types_compatible_p(                    \
						__typeof__(variable),                    \
						UMOD_OTHER_C_OF_##type)                  \
				? 1                                                      \
				: -1]
#define UMOD_C_OF_byte                   unsigned char
#define UMOD_C_OF_short                  short
#define UMOD_C_OF_ushort                 unsigned short
#define UMOD_C_OF_int                    int
#define UMOD_C_OF_uint                   unsigned int
#define UMOD_C_OF_long                   long
#define UMOD_C_OF_ulong                  unsigned long
#define UMOD_C_OF_ullong                 unsigned long long
#define UMOD_C_OF_hexint                 unsigned int
#define UMOD_C_OF_charp                  char *
#define UMOD_C_OF_bool                   _Bool
#define UMOD_C_OF__Bool                  _Bool
#define UMOD_C_OF_invbool                _Bool
#define UMOD_C_OF_bint                   int
#define UMOD_C_OF_bool_enable_only       _Bool
#define UMOD_OTHER_C_OF_byte             unsigned char
#define UMOD_OTHER_C_OF_short            short
#define UMOD_OTHER_C_OF_ushort           unsigned short
#define UMOD_OTHER_C_OF_int              int
#define UMOD_OTHER_C_OF_uint             unsigned int
#define UMOD_OTHER_C_OF_long             long
#define UMOD_OTHER_C_OF_ulong            unsigned long
#define UMOD_OTHER_C_OF_ullong           unsigned long long
#define UMOD_OTHER_C_OF_hexint           unsigned int
#define UMOD_OTHER_C_OF_charp            const char *
#define UMOD_OTHER_C_OF_bool             _Bool
#define UMOD_OTHER_C_OF__Bool            _Bool
#define UMOD_OTHER_C_OF_invbool          _Bool
#define UMOD_OTHER_C_OF_bint             int
#define UMOD_OTHER_C_OF_bool_enable_only _Bool
#endif

/* <stdbool.h> makes bool a macro for _Bool, so that each stands for the other. */
#define UMOD_NUMBER_OF_byte             UMOD_TYPE_BYTE
#define UMOD_NUMBER_OF_short            UMOD_TYPE_SHORT
#define UMOD_NUMBER_OF_ushort           UMOD_TYPE_USHORT
#define UMOD_NUMBER_OF_int              UMOD_TYPE_INT
#define UMOD_NUMBER_OF_uint             UMOD_TYPE_UINT
#define UMOD_NUMBER_OF_long             UMOD_TYPE_LONG
#define UMOD_NUMBER_OF_ulong            UMOD_TYPE_ULONG
#define UMOD_NUMBER_OF_ullong           UMOD_TYPE_ULLONG
#define UMOD_NUMBER_OF_hexint           UMOD_TYPE_HEXINT
#define UMOD_NUMBER_OF_charp            UMOD_TYPE_CHARP
#define UMOD_NUMBER_OF_bool             UMOD_TYPE_BOOL
#define UMOD_NUMBER_OF__Bool            UMOD_TYPE_BOOL
#define UMOD_NUMBER_OF_invbool          UMOD_TYPE_INVBOOL
#define UMOD_NUMBER_OF_bint             UMOD_TYPE_BINT
#define UMOD_NUMBER_OF_bool_enable_only UMOD_TYPE_BOOL_ENABLE_ONLY
#define UMOD_WORD_OF_byte               "byte"
#define UMOD_WORD_OF_short              "short"
#define UMOD_WORD_OF_ushort             "ushort"
#define UMOD_WORD_OF_int                "int"
#define UMOD_WORD_OF_uint               "uint"
#define UMOD_WORD_OF_long               "long"
#define UMOD_WORD_OF_ulong              "ulong"
#define UMOD_WORD_OF_ullong             "ullong"
#define UMOD_WORD_OF_hexint             "hexint"
#define UMOD_WORD_OF_charp              "charp"
#define UMOD_WORD_OF_bool               "bool"
#define UMOD_WORD_OF__Bool              "bool"
#define UMOD_WORD_OF_invbool            "invbool"
#define UMOD_WORD_OF_bint               "bint"
#define UMOD_WORD_OF_bool_enable_only   "bool_enable_only"

#endif
