/* SPDX-License-Identifier: MIT */
/* For sources of kernel modules that are built as modules of umod's. */
#include <umod/author_kernel.h>
