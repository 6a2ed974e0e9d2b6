// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel must know of the area itself, whatever its entries are: that
 * it is no memory (VM_IO, VM_PFNMAP), must not grow (VM_DONTEXPAND), and has no
 * place in a core dump (VM_DONTDUMP); drivers/vfio/pci/vfio_pci_core.c:
 * vfio_pci_core_mmap().  It is shared, and only that: what is written to a
 * private mapping would never reach the device.  And nothing is mapped that is
 * behind the BAR: that would be another device's.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "levels.h"
#include "life.h"

#define VM_FLAGS	"VmFlags:"

/* As fs/proc/task_mmu.c: show_smap_vma_flags() has them. */
static const struct {
	const char *word, *name;
} wanted[] = {
	{ "sh", "VM_SHARED" },
	{ "io", "VM_IO" },
	{ "pf", "VM_PFNMAP" },
	{ "de", "VM_DONTEXPAND" },
	{ "dd", "VM_DONTDUMP" },
};

/* The flags of the area at the address; -ENODATA where it is not there. */
static int __find_flags(FILE *smaps, __u64 address, char *line, int size)
{
	__u64 start, end;
	bool here = false;

	while (fgets(line, size, smaps)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
			here = start <= address && address < end;
		else if (here && !strncmp(line, VM_FLAGS, strlen(VM_FLAGS)))
			return 0;
	}
	return -ENODATA;
}

static bool has_word(const char *line, const char *word)
{
	char padded[8];

	snprintf(padded, sizeof(padded), " %s ", word);
	return strstr(line, padded);
}

static void judge_flags(struct life *life, const char *line)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!has_word(line, wanted[i].word))
			test_not_ok(life->test, "the mapping has no %s: its flags are%.*s",
				    wanted[i].name,
				    (int)strcspn(line + strlen(VM_FLAGS), "\n"),
				    line + strlen(VM_FLAGS));
}

static void check_flags(struct life *life)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512];
	int ret;

	if (!smaps) {
		test_skip(life->test, "the kernel does not show the flags of a mapping (CONFIG_PROC_PAGE_MONITOR)");
		return;
	}
	ret = __find_flags(smaps, life->address, line, sizeof(line));
	fclose(smaps);
	if (ret)
		test_failed(life->test, "find the mapping in /proc/self/smaps",
			    ret);
	else
		judge_flags(life, line);
}

static void refused(struct life *life, __u64 offset, __u64 length, int flags,
		    const char *what)
{
	const struct range *range = &life->range;
	void *p = mmap(NULL, length, range->prot, flags, range->fd,
		       range->fd_offset + offset);

	if (p != MAP_FAILED) {
		test_not_ok(life->test, "%s was done, at 0x%llx, expected it to be refused",
			    what, (__u64)p);
		munmap(p, length);
	} else if (errno != EINVAL) {
		test_not_ok(life->test, "%s: %s, expected %s", what,
			    strerror(errno), strerror(EINVAL));
	}
}

static void refuse(struct life *life)
{
	__u64 end = (life->test->bar->size + PTE_SIZE - 1) & ~(PTE_SIZE - 1);

	/* Without MAP_NORESERVE the guest's memory may be too small for it. */
	refused(life, life->range.offset, life->range.length,
		MAP_PRIVATE | MAP_NORESERVE, "a private mmap of the BAR");
	refused(life, end - PTE_SIZE, 2 * PTE_SIZE, MAP_SHARED,
		"an mmap that ends a page behind the BAR");
	refused(life, end, PTE_SIZE, MAP_SHARED,
		"an mmap of the page behind the BAR");
	refused(life, life->range.offset, end - life->range.offset + PTE_SIZE,
		MAP_SHARED, "an mmap that is a page longer than the BAR");
}

/* Room for so many bytes that nothing has; 0 if there is none. */
static __u64 find_room(__u64 length)
{
	void *room = mmap(NULL, length, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return 0;
	munmap(room, length);
	return (__u64)room;
}

/* Where an mmap with this hint, which is not MAP_FIXED, goes; 0 for nowhere. */
static __u64 try_hint(struct life *life, __u64 hint)
{
	const struct range *range = &life->range;
	void *p = mmap((void *)hint, range->length, range->prot, MAP_SHARED,
		       range->fd, range->fd_offset + range->offset);

	if (p == MAP_FAILED) {
		test_failed(life->test, "mmap the BAR with a hint", -errno);
		return 0;
	}
	munmap(p, range->length);
	return (__u64)p;
}

/*
 * A hint is taken if nothing is there, however it is aligned (mmap(2), and
 * mm/mmap.c: generic_get_unmapped_area_topdown()): a VMM that chose an address
 * itself relies on that.  Around it is room for a kernel that looks for more,
 * to align what it finds.  A hint where something is, is no error.
 */
static void check_hint(struct life *life)
{
	__u64 room = find_room(life->range.length + 4 * PUD_SIZE);
	__u64 hint, at;

	if (!room) {
		test_failed(life->test, "find room for a hint", -ENOMEM);
		return;
	}
	/* Two pages past what would be congruent, modulo any size. */
	hint = (room + 2 * PUD_SIZE) & ~(PUD_SIZE - 1);
	hint += (life->range.offset + 2 * PTE_SIZE) & (PUD_SIZE - 1);
	at = try_hint(life, hint);
	if (at && at != hint)
		test_not_ok(life->test, "an mmap with the free hint 0x%llx went to 0x%llx",
			    hint, at);
	at = try_hint(life, life->address);
	if (at == life->address)
		test_not_ok(life->test, "an mmap whose hint is taken by another went there");
}

void run_life_flags(struct test *test)
{
	struct life life;

	if (!life_begin(&life, test))
		return;
	check_flags(&life);
	refuse(&life);
	check_hint(&life);
	life_end(&life);
}
