// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flags of the area, which do not depend on its entries: it is not memory
 * (VM_IO, VM_PFNMAP), must not grow (VM_DONTEXPAND), and must not be in a core
 * dump (VM_DONTDUMP); drivers/vfio/pci/vfio_pci_core.c: vfio_pci_core_mmap().
 * It can only be shared: a write to a private mapping would never reach the
 * device.  Nothing behind the BAR can be mapped: it belongs to another device.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/levels.h"
#include "lib/life_setup.h"
#include "tests.h"

#define VM_FLAGS	"VmFlags:"

/* The words of fs/proc/task_mmu.c: show_smap_vma_flags(). */
static const struct {
	const char *word, *name;
} expected[] = {
	{ "sh", "VM_SHARED" },
	{ "io", "VM_IO" },
	{ "pf", "VM_PFNMAP" },
	{ "de", "VM_DONTEXPAND" },
	{ "dd", "VM_DONTDUMP" },
};

/* Find the flags of the area at the address; -ENODATA if there is none. */
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

	for (i = 0; i < ARRAY_SIZE(expected); i++)
		if (!has_word(line, expected[i].word))
			test_not_ok(life->test, "the mapping has no %s: its flags are%.*s",
				    expected[i].name,
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
		test_not_ok(life->test, "%s was accepted, at 0x%llx, expected it to be refused",
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

	/* Without MAP_NORESERVE the guest may not have enough memory. */
	refused(life, life->range.offset, life->range.length,
		MAP_PRIVATE | MAP_NORESERVE, "a private mmap of the BAR");
	refused(life, end - PTE_SIZE, 2 * PTE_SIZE, MAP_SHARED,
		"an mmap that ends a page behind the BAR");
	refused(life, end, PTE_SIZE, MAP_SHARED,
		"an mmap of the page behind the BAR");
	refused(life, life->range.offset, end - life->range.offset + PTE_SIZE,
		MAP_SHARED, "an mmap that is a page longer than the BAR");
}

/* A free address with room for so many bytes; 0 if there is none. */
static __u64 find_room(__u64 length)
{
	void *room = mmap(NULL, length, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return 0;
	munmap(room, length);
	return (__u64)room;
}

/* The address of an mmap with this hint, without MAP_FIXED; 0 if it failed. */
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
 * The kernel uses a hint if the address is free, with any alignment
 * (mmap(2), and mm/mmap.c: generic_get_unmapped_area_topdown()): a VMM that
 * chose an address itself relies on that.  There is room around the hint for a
 * kernel that searches for more, to align the result.  A hint that is in use is
 * no error.
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
		test_not_ok(life->test, "an mmap with a hint that is in use was placed there");
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
