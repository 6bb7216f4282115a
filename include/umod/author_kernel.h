/* SPDX-License-Identifier: MIT */
/*
 * umod/author_kernel.h: Linux's own names for what <umod/author.h> has, so that simple
 * sources of kernel modules compile as modules of umod's:
 *
 *	cc -c -fPIC -I/usr/share/umod/kernel foo.c
 *
 * That folder has <linux/module.h> and its neighbours, each of which includes this.
 *
 * Including it makes the object a module. Its name is KBUILD_MODNAME, a string, where
 * that is defined, else the file's; module_init and module_exit make the functions
 * init_module and cleanup_module, which are called. MODULE_LICENSE, which each module has
 * once, also emits the vermagic. In C alone. Not to be mixed with UMOD_MODULE.
 *
 * Nothing of the kernel's functions is here, but for printk and its kin, which write to
 * stderr.
 */
#ifndef UMOD_AUTHOR_KERNEL_H
#define UMOD_AUTHOR_KERNEL_H

#include <umod/author.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

/* ---- the module ---- */

#ifdef KBUILD_MODNAME
#define UMOD_KERNEL_NAME_ KBUILD_MODNAME
#else
#define UMOD_KERNEL_NAME_ ""
#endif

#ifdef __cplusplus
extern "C" {
#endif
/* Weak: each source of the module has one, and the linker keeps one. */
__attribute__((__weak__))
UMOD_THIS_MODULE_OBJECT() = { (uint32_t)sizeof(struct umod_this_module), UMOD_AUTHOR_ABI,
	UMOD_KERNEL_NAME_, 0, 0, 0 };
#ifdef __cplusplus
}
#endif

#define THIS_MODULE ((struct module *)&umod_this_module)

/* gcc wants an alias to have its target's attributes. */
#define UMOD_COPY_(function)
#if defined(__has_attribute) && !defined(__clang__)
#if __has_attribute(copy)
#undef UMOD_COPY_
#define UMOD_COPY_(function) __attribute__((__copy__(function)))
#endif
#endif
#define module_init(function)                 \
	UMOD_C_OBJECT UMOD_COPY_(function)    \
	int init_module(void) __attribute__(( \
		__alias__(#function), __visibility__("default"), __used__))
#define module_exit(function)                                                        \
	UMOD_C_OBJECT UMOD_COPY_(function) void cleanup_module(void) __attribute__(( \
		__alias__(#function), __visibility__("default"), __used__))

#define __init          UMOD_INIT
#define __initdata      UMOD_INIT_DATA
#define __initconst     UMOD_INIT_CONST
#define __exit          UMOD_EXIT
#define __ro_after_init UMOD_RO_AFTER_INIT

/* ---- what it says ---- */

#define MODULE_INFO(tag, info) UMOD_INFO(#tag, info)
#define MODULE_LICENSE(text) \
	UMOD_LICENSE(text);  \
	UMOD_INFO("vermagic", UMOD_VERMAGIC)
#define MODULE_AUTHOR(text)      UMOD_AUTHOR(text)
#define MODULE_DESCRIPTION(text) UMOD_DESCRIPTION(text)
#define MODULE_VERSION(text)     UMOD_VERSION(text)
#define MODULE_ALIAS(pattern)    UMOD_ALIAS(pattern)
#define MODULE_ALIAS_FS(name)    UMOD_ALIAS("fs-" name)
#define MODULE_SOFTDEP(text)     UMOD_SOFTDEP(text)
#define MODULE_WEAKDEP(text)     UMOD_WEAKDEP(text)
#define MODULE_FIRMWARE(path)    UMOD_INFO("firmware", path)
#define MODULE_IMPORT_NS(text)   UMOD_IMPORT_NS(text)

/* ---- exports ---- */

#define EXPORT_SYMBOL(symbol)               UMOD_EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_GPL(symbol)           UMOD_EXPORT_SYMBOL_GPL(symbol)
#define EXPORT_SYMBOL_NS(symbol, space)     UMOD_EXPORT_SYMBOL_NS(symbol, space)
#define EXPORT_SYMBOL_NS_GPL(symbol, space) UMOD_EXPORT_SYMBOL_NS_GPL(symbol, space)
/* In the kernel these are for GPL-compatible modules alone. */
#define EXPORT_SYMBOL_FOR_MODULES(symbol, modules) \
	UMOD_EXPORT_SYMBOL_FOR_GPL(symbol, modules)

/* ---- parameters ---- */

#define kernel_param              umod_parameter
#define kernel_param_ops          umod_parameter_ops
#define KERNEL_PARAM_OPS_FL_NOARG UMOD_PARAMETER_NOARG

/* bool may be a macro: what stands next to ## must be the caller's own word. */
#define module_param(name, type, perm) UMOD_PARAM_(name, name, type, perm, 0)
#define module_param_named(name, value, type, perm) \
	UMOD_PARAM_(name, value, type, perm, 0)
#define module_param_unsafe(name, type, perm) \
	UMOD_PARAM_(name, name, type, perm, UMOD_PARAMETER_UNSAFE)
#define module_param_named_unsafe(name, value, type, perm) \
	UMOD_PARAM_(name, value, type, perm, UMOD_PARAMETER_UNSAFE)
#define module_param_hw(name, type, hwtype, perm) \
	UMOD_PARAM_(name, name, type, perm, UMOD_PARAMETER_HARDWARE)
#define module_param_string(name, string, len, perm) \
	UMOD_PARAM_STRING_(name, string, len, perm)
#define module_param_array(name, type, nump, perm) \
	UMOD_PARAM_ARRAY_(name, name, type, nump, perm)
#define module_param_array_named(name, array, type, nump, perm) \
	UMOD_PARAM_ARRAY_(name, array, type, nump, perm)
#define module_param_cb(name, ops, arg, perm) UMOD_PARAM_CALLBACK(name, ops, arg, perm)
#define MODULE_PARM_DESC(name, text)          UMOD_PARAM_DESC(name, text)

/* ---- telling ---- */

#define KERN_EMERG   ""
#define KERN_ALERT   ""
#define KERN_CRIT    ""
#define KERN_ERR     ""
#define KERN_WARNING ""
#define KERN_NOTICE  ""
#define KERN_INFO    ""
#define KERN_DEBUG   ""
#define KERN_CONT    ""
#ifndef pr_fmt
#define pr_fmt(format) format
#endif
#define printk(...)            fprintf(stderr, __VA_ARGS__)
#define pr_err(format, ...)    fprintf(stderr, pr_fmt(format), ##__VA_ARGS__)
#define pr_warn(format, ...)   fprintf(stderr, pr_fmt(format), ##__VA_ARGS__)
#define pr_notice(format, ...) fprintf(stderr, pr_fmt(format), ##__VA_ARGS__)
#define pr_info(format, ...)   fprintf(stderr, pr_fmt(format), ##__VA_ARGS__)
#define pr_debug(format, ...)                                           \
	do {                                                            \
		if (0)                                                  \
			fprintf(stderr, pr_fmt(format), ##__VA_ARGS__); \
	} while (0)

#endif
