/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an entry that maps a BAR allows, and how the CPU treats what is there,
 * held against what vfio-pci asks for (drivers/vfio/pci/vfio_pci_core.c:
 * vfio_pci_core_mmap()): the protection of the mmap, which is never to
 * execute here, and pgprot_noncached().  Drivers of single devices may ask
 * for another memory type (drivers/vfio/pci/nvgrace-gpu); this program binds
 * vfio-pci.
 */
#ifndef ALIGNMENT_ATTRIBUTES_H
#define ALIGNMENT_ATTRIBUTES_H

#include "pagetable.h"
#include "test.h"

/* Not ok for each level with an entry that is not as `prot`, of mmap, asks. */
void attributes_judge(struct test *test, const struct entries *entries,
		      int prot, const char *when);

/* The same, with the numbers as measurements; once in a test. */
void attributes_measure(struct test *test, const struct entries *entries,
			int prot);

#endif /* ALIGNMENT_ATTRIBUTES_H */
