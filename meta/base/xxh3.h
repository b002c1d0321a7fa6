// SPDX-License-Identifier: Apache-2.0
// XXH3, by the widest vector instructions that the processor has: the plain
// functions of a distribution's library know only those that all have, and
// take an eighth of the time that a span takes to be decoded.
#ifndef IMGMOUNT_META_BASE_XXH3_H_
#define IMGMOUNT_META_BASE_XXH3_H_

#include <xxhash.h>

#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>  // renames the functions of xxhash.h
#endif

#endif  // IMGMOUNT_META_BASE_XXH3_H_
