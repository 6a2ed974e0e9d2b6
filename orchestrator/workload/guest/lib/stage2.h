/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A range of a BAR, mapped by this process and given to a virtual machine.
 */
#ifndef ALIGNMENT_STAGE2_H
#define ALIGNMENT_STAGE2_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/levels.h"
#include "lib/vm.h"
#include "test.h"

struct guest {
	struct test *test;
	struct range range;
	__u64 address;		/* virtual, of this process */
	bool mapped;		/* by this process */
	struct vm vm;
};

/* If every entry is a PTE by design, more would only take time. */
#define ENOUGH_PTES	(32 * PMD_SIZE)

struct guest_setup {
	enum placement placement;
	/*
	 * 0: the guest-physical address is congruent to the virtual address
	 * modulo PUD_SIZE.  Otherwise it is so many bytes after such an address.
	 */
	__u64 distance;
	__u32 flags;		/* of the memory slot */
	size_t longest;		/* bytes of the range at most; 0: all of it */
	/*
	 * ENOUGH_PTES of a kernel without PUD entries: more would only be more
	 * of the same.
	 */
	bool shorten;
};

/*
 * Map the range, start a virtual machine, and make the range its memory.  false
 * if that failed or is not possible here: the reason is reported, and nothing
 * is left.
 */
bool guest_begin(struct guest *guest, struct test *test,
		 const struct guest_setup *setup);
void guest_end(struct guest *guest);

/* Each reports what failed, and returns whether nothing did. */
bool guest_read(struct guest *guest, const char *when);
bool guest_stage2(struct guest *guest, struct stage2 *stage2);
bool guest_flags(struct guest *guest, __u32 flags);
bool guest_memory(struct guest *guest, bool enable);

/* Measure the entries as name_pte, name_pmd and name_pud. */
void stage2_report(const struct test *test, const char *name, const char *when,
		   const struct stage2 *stage2);

/* How many bytes the entries map. */
__u64 stage2_bytes(const struct stage2 *stage2);

#endif /* ALIGNMENT_STAGE2_H */
