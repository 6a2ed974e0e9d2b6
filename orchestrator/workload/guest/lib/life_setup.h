/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Set up and end every test of the groups life and split.
 */
#ifndef ALIGNMENT_LIFE_SETUP_H
#define ALIGNMENT_LIFE_SETUP_H

#include "lib/life.h"

/*
 * Map the range, touch all of it, measure the entries, and write tags to its
 * pages.  False if that failed, and the test is over.
 */
bool life_begin(struct life *life, struct test *test);

/* Restore the tags, check the kernel's log, and unmap what is left. */
void life_end(struct life *life);

#endif /* ALIGNMENT_LIFE_SETUP_H */
