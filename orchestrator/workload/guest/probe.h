/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Touch memory that may answer with a signal, and live to tell which.
 */
#ifndef ALIGNMENT_PROBE_H
#define ALIGNMENT_PROBE_H

#include <stddef.h>
#include <linux/types.h>

/*
 * Answer SIGBUS and SIGSEGV from now on, in every thread; where none of the
 * functions below is at work, they end the program as ever.  __cost_prepare()
 * has done it for every test.  0 or -errno.
 */
int __probe_prepare(void);

/*
 * One word.  0, or the signal that answered: SIGSEGV where nothing is mapped
 * or the access is not allowed, SIGBUS where the device does not answer.
 */
int try_read(__u64 address, __u32 *word);
int try_write(__u64 address, __u32 word);
int try_read64(__u64 address, __u64 *word);
int try_write64(__u64 address, __u64 word);

/* The same for a word of each page; *bad is where it went wrong. */
int try_pages(__u64 address, size_t length, __u64 *bad);

/* "SIGBUS", "SIGSEGV", or "no signal" for 0. */
const char *signal_name(int signal);

#endif /* ALIGNMENT_PROBE_H */
