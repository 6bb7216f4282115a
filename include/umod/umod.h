/* SPDX-License-Identifier: MIT */
/* umod/umod.h: the whole public interface of libumod. */
#ifndef UMOD_UMOD_H
#define UMOD_UMOD_H

#include <umod/error.h>
#include <umod/context.h>
#include <umod/namespace.h>
#include <umod/module.h>
#include <umod/image.h>
#include <umod/address.h>
#include <umod/tls.h>
#include <umod/life.h>
#include <umod/modtree.h>
#include <umod/kernel.h>

#endif
