/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is it memory that is behind a BAR?  Only then may a test write to it.
 *
 * The first condition is that the BAR is prefetchable.  PCI lets a device call
 * a BAR so where reads have no side effects and writes may be merged: that is
 * memory, such as a graphics card's, and no register file.  Nothing is written
 * to any other BAR, not even to find out.  The second condition is that the
 * first word of the range keeps two words that are written to it by the file;
 * what was there before is put back.
 */
#ifndef ALIGNMENT_RAM_H
#define ALIGNMENT_RAM_H

#include <stdbool.h>

#include "test.h"

/* Whether the test may write to the BAR; skips it, with the reason, if not. */
bool is_ram(struct test *test);

#endif /* ALIGNMENT_RAM_H */
