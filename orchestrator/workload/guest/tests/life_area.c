// SPDX-License-Identifier: GPL-2.0-only
/*
 * The middle of a huge entry becomes another area, or is unmapped.  The kernel
 * then removes the whole entry (mm/huge_memory.c: __split_huge_pud_locked() and
 * __split_huge_pmd_locked(); if an entry maps no memory, they only clear it).
 * Faults create entries for what is still mapped, the largest that fit into an
 * area (drivers/vfio/pci/vfio_pci_core.c: vfio_pci_mmap_huge_fault()).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/levels.h"
#include "lib/life_setup.h"
#include "lib/vfio_dma.h"
#include "lib/vfio.h"
#include "tests.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22	/* asm-generic/mman-common.h, 5.14 */
#endif

/* Bytes of the block that are touched after each advice; faults are slow. */
#define REFAULT_LENGTH	(32 * PMD_SIZE)

/* Read at once, before anything else can flush the TLB. */
static void unmap_part(struct life *life)
{
	life_read(life, life->part, 0, "before it was unmapped");
	if (munmap((void *)life->part, life->part_size))
		test_failed(life->test, "unmap a part of the mapping",
			    -errno);
	else
		life_read(life, life->part, SIGSEGV, "that was unmapped");
}

/* Map the whole range again, with this protection; false if that failed. */
static bool map_again(struct life *life, int prot)
{
	struct range range = life->range;
	int ret;

	range.prot = prot;
	range_unmap(&range, life->address);
	ret = __range_map(&range, life->address);
	if (ret)
		test_failed(life->test, "map the BAR again", ret);
	return !ret;
}

/*
 * Unmap all that one entry maps, so that it need not be split.  The page table
 * stays, since it has entries of other areas: freeing it would flush the TLB
 * as well.
 */
static bool unmap_block(struct life *life)
{
	const char *when = "after a block of it was unmapped";

	life_read(life, life->block, 0, "before its block was unmapped");
	if (munmap((void *)life->block, life->block_size)) {
		test_failed(life->test, "unmap a block of the mapping", -errno);
		return false;
	}
	life_read(life, life->block, SIGSEGV, when);
	return map_again(life, life->range.prot) &&
	       life_touch(life, life->address, life->range.length, when);
}

/* Check the unmapped part, and the mapping on both sides of it. */
static void check_around(struct life *life, const char *when)
{
	__u64 before = life->part - life->address;
	__u64 after = before + life->part_size;

	life_read(life, life->part, SIGSEGV, when);
	life_read(life, life->part + life->part_size - PTE_SIZE, SIGSEGV,
		  when);
	life_content(life, life->address, 0, before, when);
	life_content(life, life->part + life->part_size, after,
		     life->range.length - after, when);
}

static void refill_around(struct life *life)
{
	const char *when = "beside a part that was unmapped";
	__u64 end = life->address + life->range.length;
	__u64 after = life->part + life->part_size;
	struct entries entries;

	if (!life_touch(life, life->address, life->part - life->address,
			when) ||
	    !life_touch(life, after, end - after, when) ||
	    !life_entries(life, "again", &entries))
		return;
	life_judge(life, &entries, life->range.length - life->part_size,
		   life_more(life) - 1, when);
}

void run_life_munmap(struct test *test)
{
	struct entries entries;
	struct life life;

	if (!life_begin(&life, test))
		return;
	if (unmap_block(&life))
		unmap_part(&life);
	life_entries(&life, "after", &entries);
	check_around(&life, "after a part of it was unmapped");
	refill_around(&life);
	check_around(&life, "after all else was touched again");
	life_end(&life);
}

static void protect(struct life *life, __u64 address, __u64 length, int prot)
{
	if (mprotect((void *)address, length, prot))
		test_failed(life->test, "mprotect", -errno);
}

static void attributes_around(struct life *life, const char *when)
{
	__u64 after = life->part + life->part_size;
	__u64 end = life->address + life->range.length;

	life_attributes(life, life->address, life->part - life->address,
			life->range.prot, when);
	life_attributes(life, after, end - after, life->range.prot, when);
}

/* Make the part read-only; everything else must stay as it is. */
static void protect_part(struct life *life)
{
	const char *when = "with a read-only part in it";
	__u64 part = life->part, size = life->part_size;
	struct entries entries;

	life_write(life, part, 0, "before it is made read-only");
	protect(life, part, size, PROT_READ);
	life_write(life, part, SIGSEGV, "that is read-only");
	life_entries(life, "after", &entries);
	life_content_all(life, when);
	life_attributes(life, part, size, PROT_READ, "that are read-only");
	life_write(life, part - PTE_SIZE, 0, "before a read-only part");
	life_write(life, part + size, 0, "after a read-only part");
	if (life_touch(life, life->address, life->range.length, when) &&
	    life_entries(life, "again", &entries))
		life_judge(life, &entries, life->range.length,
			   life_more(life), when);
	attributes_around(life, when);
	protect(life, part, size, life->range.prot);
	life_attributes(life, part, size, life->range.prot,
			"that are no longer read-only");
	life_write(life, part, 0, "that is no longer read-only");
	life_content_all(life, "that can be written again");
}

/*
 * Protect all that one entry maps, and access it right before and right after:
 * nothing else may flush the TLB.  The kernel flushes one range, which would
 * include this entry if others on both sides changed as well
 * (asm-generic/tlb.h).
 */
static void protect_block(struct life *life, int prot, const char *when)
{
	life_read(life, life->block, 0, "before its block is protected");
	protect(life, life->block, life->block_size, prot);
	if (prot & PROT_READ)
		life_write(life, life->block, SIGSEGV, when);
	else
		life_read(life, life->block, SIGSEGV, when);
	protect(life, life->address, life->range.length, prot);
}

/* Protect the whole mapping, so that huge entries change without a split. */
static void protect_all(struct life *life)
{
	__u64 address = life->address;
	__u64 length = life->range.length;

	life_write(life, life->block, 0, "before it is all made read-only");
	protect_block(life, PROT_READ, "that was just made read-only");
	life_attributes(life, address, length, PROT_READ,
			"just made read-only");
	life_content_all(life, "that is all read-only");
	life_attributes(life, address, length, PROT_READ,
			"that are all read-only");
	life_write(life, life->block, SIGSEGV, "that is all read-only");
	life_read(life, life->block, 0, "that is all read-only");
	protect_block(life, PROT_NONE, "that is all inaccessible");
	protect(life, address, length, life->range.prot);
	life_attributes(life, address, length, life->range.prot,
			"that are accessible again");
	life_content_all(life, "that is accessible again");
	life_write(life, life->block, 0, "that is accessible again");
}

/* Map for reading only; mprotect may add PROT_WRITE later. */
static void protect_read_only(struct life *life)
{
	const char *when = "of a mapping for reading only";
	__u64 address = life->address, length = life->range.length;

	if (!map_again(life, PROT_READ) ||
	    !life_touch(life, address, length, when))
		return;
	life_attributes(life, address, length, PROT_READ, when);
	life_write(life, life->block, SIGSEGV, when);
	life_write(life, life->part, SIGSEGV, when);
	protect(life, address, length, life->range.prot);
	life_attributes(life, address, length, life->range.prot,
			"just made writable");
	life_write(life, life->part, 0, "that was made writable");
}

void run_life_mprotect(struct test *test)
{
	struct life life;

	if (!(test->bar->range.prot & PROT_WRITE)) {
		test_skip(test, "VFIO does not let the BAR be written");
		return;
	}
	if (!life_begin(&life, test))
		return;
	protect_all(&life);
	life_as_before(&life, "restored", "after its protection was restored");
	protect_read_only(&life);
	life_as_before(&life, "writable", "after it was made writable");
	protect_part(&life);
	life_end(&life);
}

/* Cause new faults, which shows what the advice does to later entries. */
static void refault(struct life *life, const char *name, const char *when)
{
	__u64 length = life->block_size < REFAULT_LENGTH ? life->block_size :
							   REFAULT_LENGTH;
	struct entries entries;
	char prefix[32];

	if (!life_has_memory_bit(life)) {
		test_say(life->test, "its entries were not removed: %s",
			 NO_MEMORY_BIT);
		return;
	}
	if (!life_memory(life, false) || !life_memory(life, true) ||
	    !life_touch(life, life->block, length, when))
		return;
	snprintf(prefix, sizeof(prefix), "after_%s", name);
	life_entries(life, prefix, &entries);
	life_content_all(life, when);
}

static void advise(struct life *life, const char *name, int advice)
{
	char when[WHY_LENGTH], what[32];
	int error = 0;

	if (madvise((void *)life->address, life->range.length, advice))
		error = errno;
	snprintf(when, sizeof(when), "after madvise(MADV_%s), which returned '%s'",
		 name, error ? strerror(error) : "ok");
	test_say(life->test, "%s", when);
	snprintf(what, sizeof(what), "errno_%s", name);
	test_exact(life->test, what, error, "errno");
	life_content_all(life, when);
	refault(life, name, when);
}

/*
 * Advice about memory, for a mapping that is not memory.  Much is refused
 * (mm/madvise.c skips VM_PFNMAP).  Populating is refused as well, so that the
 * faults cannot be taken in advance (mm/gup.c: check_vma_flags()).
 * MADV_HUGEPAGE and MADV_NOHUGEPAGE are accepted (mm/khugepaged.c:
 * hugepage_madvise()), and MADV_NOHUGEPAGE may keep later faults from creating
 * huge entries.  It is the last one: page tables that were created stay, so
 * nothing reverts it in this mapping.  Content and signals must be right; the
 * entries are only measured.
 */
void run_life_madvise(struct test *test)
{
	struct life life;

	if (!life_begin(&life, test))
		return;
	advise(&life, "DONTNEED", MADV_DONTNEED);
	advise(&life, "FREE", MADV_FREE);
	advise(&life, "REMOVE", MADV_REMOVE);
	advise(&life, "POPULATE_READ", MADV_POPULATE_READ);
	advise(&life, "HUGEPAGE", MADV_HUGEPAGE);
	advise(&life, "NOHUGEPAGE", MADV_NOHUGEPAGE);
	life_end(&life);
}

static void check_dma(struct life *life, __u64 iova)
{
	const struct vfio *vfio = life->test->vfio;
	__u64 length = life->range.length;
	int ret;

	unmap_part(life);
	check_around(life, "unmapped while mapped for DMA");
	ret = __vfio_dma_unmap(vfio, length, iova);
	if (ret)
		test_failed(life->test, "unmap all of it for DMA", ret);
	ret = __vfio_dma_map(vfio, life->address, length, iova,
			     life->range.prot);
	if (!ret) {
		test_not_ok(life->test, "0x%llx bytes at 0x%llx were mapped for DMA although a part at 0x%llx is not mapped",
			    length, life->address, life->part);
		__vfio_dma_unmap(vfio, length, iova);
	}
}

/*
 * A DMA mapping stays when the program unmaps a part of it; but a range that
 * is only partly mapped cannot be mapped for DMA again.
 */
void run_life_dma(struct test *test)
{
	struct life life;
	__u64 iova;
	int ret;

	if (!life_begin(&life, test))
		return;
	ret = __vfio_choose_iova(test->vfio, life.range.length, &iova);
	if (!ret)
		ret = __vfio_dma_map(test->vfio, life.address,
				     life.range.length, iova,
				     life.range.prot);
	if (ret)
		test_failed(test, "map it for DMA", ret);
	else
		check_dma(&life, iova);
	life_end(&life);
}
