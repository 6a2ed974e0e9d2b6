/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sizes that entries of x86-64 page tables map, in bytes.  Extend this file
 * for an architecture with other levels.
 */
#ifndef ALIGNMENT_LEVELS_H
#define ALIGNMENT_LEVELS_H

#include <linux/types.h>

#define PTE_SIZE	(1ULL << 12)
#define PMD_SIZE	(1ULL << 21)
#define PUD_SIZE	(1ULL << 30)

#endif /* ALIGNMENT_LEVELS_H */
