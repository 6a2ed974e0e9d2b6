/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Access memory that may raise a signal, and return which one.
 */
#ifndef ALIGNMENT_FAULT_PROBE_H
#define ALIGNMENT_FAULT_PROBE_H

#include <stddef.h>
#include <linux/types.h>

/*
 * Handle SIGBUS and SIGSEGV from now on, in every thread.  Outside the
 * functions below they still end the program.  __cost_prepare() calls this for
 * every test.  0 or -errno.
 */
int __fault_probe_prepare(void);

/*
 * Access one word.  Returns 0, or the signal that it raised: SIGSEGV if nothing
 * is mapped or the access is not allowed, SIGBUS if the device does not
 * respond.
 */
int try_read(__u64 address, __u32 *word);
int try_write(__u64 address, __u32 word);
int try_read64(__u64 address, __u64 *word);
int try_write64(__u64 address, __u64 word);

/* Read a word of each page; *bad is the address that raised the signal. */
int try_pages(__u64 address, size_t length, __u64 *bad);

/* "SIGBUS", "SIGSEGV", or "no signal" for 0. */
const char *signal_name(int signal);

#endif /* ALIGNMENT_FAULT_PROBE_H */
