/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The attributes of entries that map a BAR: what they allow, and the memory
 * type.  They are compared with what vfio-pci sets up
 * (drivers/vfio/pci/vfio_pci_core.c: vfio_pci_core_mmap()): the protection of
 * the mmap, which never includes PROT_EXEC here, and pgprot_noncached().
 * Drivers of single devices may choose another memory type
 * (drivers/vfio/pci/nvgrace-gpu); this program binds vfio-pci.
 */
#ifndef ALIGNMENT_ATTRIBUTES_H
#define ALIGNMENT_ATTRIBUTES_H

#include "lib/pagetable.h"
#include "test.h"

/*
 * Report not ok for each level with an entry that does not match `prot`, the
 * protection of the mmap.
 */
void attributes_judge(struct test *test, const struct entries *entries,
		      int prot, const char *when);

/* The same, with the numbers as measurements; at most once in a test. */
void attributes_measure(struct test *test, const struct entries *entries,
			int prot);

#endif /* ALIGNMENT_ATTRIBUTES_H */
