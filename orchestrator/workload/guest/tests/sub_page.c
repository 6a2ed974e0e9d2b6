// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs smaller than a page: an mmap maps whole pages, and with the BAR
 * everything else in its page.
 *
 * vfio_pci_probe_mmaps() (drivers/vfio/pci/vfio_pci_core.c, in 7.3 as in 6.1
 * on all architectures but s390) offers mmap of such a BAR only if it begins a
 * page and the rest of that page is unused.  It reserves the rest while the
 * device is open, so that no other device is hotplugged there.  It does not
 * offer I/O ports, nor a BAR that begins elsewhere in a page: in a guest the
 * BAR may be at another offset in a page, and user space cannot find out where
 * it is.  vfio_pci_core_mmap() refuses what was not offered, and everything
 * beyond the BAR, rounded up to a page.
 *
 * All of this is compared with what the kernel reports about physical
 * addresses.  The page is not read beyond the BAR: nothing responds there,
 * which a PCI bus may treat as an error.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "lib/levels.h"
#include "lib/page_sharers.h"
#include "lib/pagetable.h"
#include "lib/registers.h"
#include "lib/vfio_region.h"
#include "tests.h"

struct sub_page {
	struct test *test;
	struct range range;	/* the page of the region's file */
	struct span span;	/* physical addresses of the BAR */
	__u64 page_offset;
	bool offered;
	bool reserved;		/* by VFIO: the rest of the page */
	char sharer[SHARER_LENGTH];
};

static void *map(const struct sub_page *sub, __u64 offset, size_t length)
{
	const struct range *range = &sub->range;

	return mmap(NULL, length, range->prot, MAP_SHARED, range->fd,
		    range->fd_offset + offset);
}

static void expect_refusal(const struct sub_page *sub, __u64 offset,
			   size_t length, const char *what)
{
	void *at = map(sub, offset, length);
	int error = errno;

	if (at == MAP_FAILED) {
		test_say(sub->test, "an mmap of %s is refused: %s", what,
			 strerror(error));
		return;
	}
	munmap(at, length);
	test_not_ok(sub->test, "an mmap of %s is not refused, it went to %p",
		    what, at);
}

/* A read of the file beyond the BAR must fail as well. */
static void expect_end(const struct sub_page *sub)
{
	const struct range *range = &sub->range;
	__u64 size = sub->test->bar->size;
	__u32 word;
	ssize_t length;

	length = pread(range->fd, &word, sizeof(word), range->fd_offset + size);
	if (length > 0)
		test_not_ok(sub->test, "the region's file descriptor reads %zd bytes (0x%x) at offset 0x%llx, beyond the BAR's end",
			    length, word, size);
}

static void report_registers(const struct sub_page *sub,
			     const struct registers *registers)
{
	struct test *test = sub->test;

	test_say(test, "%llu registers of 32 bits, %llu of them steady, of which %llu are neither 0 nor all ones",
		 registers->count, registers->steady, registers->telling);
	test_exact(test, "registers", registers->count, "registers");
	test_varies(test, "registers_steady", registers->steady,
		    "registers");
	test_varies(test, "registers_telling", registers->telling,
		    "registers");
	if (!registers->telling)
		test_say(test, "all registers read 0 or all ones: comparing them proves nothing");
	if (registers->different)
		test_not_ok(test, "the mapping shows other registers than the file descriptor: at BAR offset 0x%llx 0x%08x, not 0x%08x; %llu of %llu differ",
			    registers->offset, registers->by_mapping,
			    registers->by_file, registers->different,
			    registers->steady);
}

static void compare_registers(const struct sub_page *sub, __u64 address)
{
	struct registers registers;
	char step[64];
	int ret;

	ret = __registers_compare(&sub->range, address,
				  sub->test->bar->size, &registers);
	if (!ret) {
		report_registers(sub, &registers);
		return;
	}
	snprintf(step, sizeof(step), "read the register at BAR offset 0x%llx",
		 registers.offset);
	test_failed(sub->test, step, ret);
}

static void count_entries(const struct sub_page *sub, __u64 address)
{
	struct entries entries;
	int ret = __entries_read(address, address + PTE_SIZE, &entries);

	if (ret) {
		test_failed(sub->test, "read the page tables (CONFIG_PTDUMP_DEBUGFS, debugfs)",
			    ret);
		return;
	}
	test_exact(sub->test, "entries_pte", entries.pte, "entries");
	if (entries.pte != 1 || entries.mapped != PTE_SIZE)
		test_not_ok(sub->test, "the page at 0x%llx is mapped by %llu PTE, %llu PMD and %llu PUD entries, not by one PTE",
			    address, entries.pte, entries.pmd, entries.pud);
}

/* If mmap is offered: of exactly one page, and of exactly this BAR. */
static void check_mapping(const struct sub_page *sub)
{
	void *at = map(sub, 0, PTE_SIZE);

	if (at == MAP_FAILED) {
		test_failed(sub->test, "map the page of the BAR, although mmap is offered",
			    -errno);
		return;
	}
	compare_registers(sub, (__u64)at);
	if (!sub->test->options->no_dump)
		count_entries(sub, (__u64)at);
	munmap(at, PTE_SIZE);
	expect_refusal(sub, 0, 2 * PTE_SIZE, "two pages");
	expect_refusal(sub, PTE_SIZE, PTE_SIZE, "the page after the first");
}

static void check_offer(const struct sub_page *sub)
{
	struct test *test = sub->test;

	if (sub->page_offset)
		test_not_ok(test, "mmap is offered, but the BAR begins 0x%llx bytes into its page (physical 0x%llx): user space cannot know where",
			    sub->page_offset, sub->span.first);
	if (*sub->sharer)
		test_not_ok(test, "mmap is offered, but %s is in the same page as the BAR (physical 0x%llx): a process that maps one can access the other",
			    sub->sharer, sub->span.first);
	else if (!sub->reserved)
		test_not_ok(test, "mmap is offered, but the rest of the page, from physical 0x%llx, is not reserved: a device that is plugged in may get it",
			    sub->span.last + 1);
	check_mapping(sub);
}

/* If mmap is not offered, there must be a reason. */
static void check_no_offer(const struct sub_page *sub)
{
	struct test *test = sub->test;

	if (sub->page_offset)
		test_say(test, "mmap is not offered: the BAR is not page-aligned, it begins 0x%llx bytes into its page",
			 sub->page_offset);
	if (*sub->sharer)
		test_say(test, "mmap is not offered: the BAR shares its page with %s",
			 sub->sharer);
	if (!sub->page_offset && !*sub->sharer)
		test_not_ok(test, "mmap is not offered, but the BAR begins its page (physical 0x%llx) and nothing else is in it",
			    sub->span.first);
	expect_refusal(sub, 0, PTE_SIZE, "its page");
}

static void report(const struct sub_page *sub, __u64 region_size)
{
	struct test *test = sub->test;
	const struct bar *bar = test->bar;

	test_say(test, "BAR%d is %llu bytes at physical 0x%llx, its region %llu bytes, mmap %s",
		 bar->index, bar->size, bar->address, region_size,
		 sub->offered ? "offered" : "not offered");
	test_exact(test, "size", bar->size, "bytes");
	test_exact(test, "region_size", region_size, "bytes");
	test_exact(test, "mmap_offered", sub->offered, "flag");
	if (region_size != bar->size)
		test_not_ok(test, "the region has %llu bytes, but the BAR has %llu",
			    region_size, bar->size);
}

static void check_memory(struct sub_page *sub)
{
	struct test *test = sub->test;
	char other[SHARER_LENGTH];
	int ret;

	ret = __find_pci_sharer(test->options->device, test->bar->index,
				   &sub->span, sub->sharer);
	if (!ret)
		ret = __find_iomem_sharer(&sub->span, other,
					     &sub->reserved);
	if (ret) {
		test_failed(test, "find what else is in the page", ret);
		return;
	}
	if (!*sub->sharer)
		memcpy(sub->sharer, other, sizeof(other));
	test_exact(test, "page_offset", sub->page_offset, "bytes");
	test_exact(test, "shared_page", *sub->sharer != '\0', "flag");
	if (sub->offered)
		check_offer(sub);
	else
		check_no_offer(sub);
}

static void check_ports(const struct sub_page *sub)
{
	if (sub->offered)
		test_not_ok(sub->test, "mmap is offered of I/O ports, which cannot be mapped");
	else
		test_say(sub->test, "mmap is not offered: I/O ports");
	expect_refusal(sub, 0, PTE_SIZE, "I/O ports");
}

static void fill(struct sub_page *sub, const struct region *region)
{
	const struct bar *bar = sub->test->bar;

	sub->range = (struct range) {
		.fd = sub->test->vfio->device,
		.prot = PROT_READ,
		.fd_offset = region->fd_offset,
		.length = PTE_SIZE,
	};
	if (region->flags & VFIO_REGION_INFO_FLAG_WRITE)
		sub->range.prot |= PROT_WRITE;
	sub->span.first = bar->address;
	sub->span.last = bar->address + bar->size - 1;
	sub->page_offset = bar->address % PTE_SIZE;
	sub->offered = region->flags & VFIO_REGION_INFO_FLAG_MMAP;
}

static void check_bar(struct test *test, bool io_ports)
{
	struct sub_page sub = { .test = test };
	struct region region;
	int ret;

	ret = __vfio_region(test->vfio, test->bar->index, 0, PTE_SIZE,
			    &region);
	if (ret) {
		test_failed(test, "ask VFIO for the region", ret);
		return;
	}
	fill(&sub, &region);
	report(&sub, region.size);
	expect_end(&sub);
	if (io_ports)
		check_ports(&sub);
	else
		check_memory(&sub);
}

static void run_sub_page(struct test *test)
{
	struct resource resources[NR_BARS];
	const struct resource *own = &resources[test->bar->index];
	int ret = __read_resources(test->options->device, resources);

	if (ret)
		test_failed(test, "read the device's resources", ret);
	else if (!own->size)
		test_skip(test, "the device has no such BAR");
	else if (!own->io_ports && own->size >= PTE_SIZE)
		test_skip(test, "a page or more");
	else
		check_bar(test, own->io_ports);
}

static const struct test_kind kinds[] = {
	{
		.name = "sub-page",
		.placement = NO_PLACEMENT,
		.any_bar = true,
		.run = run_sub_page,
	},
};

const struct test_list sub_page_tests = { kinds, ARRAY_SIZE(kinds) };
