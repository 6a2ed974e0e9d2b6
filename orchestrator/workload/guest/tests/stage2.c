// SPDX-License-Identifier: GPL-2.0-only
/*
 * With which entries does KVM map the BAR into a virtual machine (stage 2,
 * AMD's nested page tables, Intel's EPT)?  That is what the guest of a VMM gets.
 *
 * Each test maps the range, gives it to a virtual machine of its own as one
 * memory slot, and lets the vCPU read every page of it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "lib/cost.h"
#include "lib/levels.h"
#include "lib/map_range.h"
#include "lib/pagetable.h"
#include "lib/stage2.h"
#include "lib/vm.h"
#include "tests.h"

#define SECONDS(ns)	((ns) / 1e9)

static const struct guest_setup best = {
	.placement = PLACE_OFFSET,
	.shorten = true,
};

/* Report the entries of this process, which KVM's faults created. */
static void report_entries(const struct guest *guest)
{
	struct test *test = guest->test;
	__u64 end = guest->address + guest->range.length;
	struct entries entries;
	int ret;

	if (test->options->no_dump)
		return;
	ret = __entries_read(guest->address, end, &entries);
	if (ret)
		test_failed(test, "read the page tables (CONFIG_PTDUMP_DEBUGFS, debugfs)",
			    ret);
	else
		report_mapped(test, &guest->range, &entries);
}

static void report_cost(struct test *test, const struct stage2 *stage2,
			const struct cost *cost)
{
	test_say(test, "faults of the process when the vCPU reads every page: %llu, in %.6f s",
		 cost->faults, SECONDS(cost->ns));
	test_exact(test, "faults", cost->faults, "faults");
	test_varies(test, "stage2_time", cost->ns, "ns");
	if (!stage2->counts_faults)
		return;
	test_say(test, "faults of the vCPU: %llu", stage2->faults);
	test_exact(test, "stage2_faults", stage2->faults, "faults");
}

/* A second pass must not fault. */
static void read_again(struct guest *guest, const struct stage2 *first)
{
	struct test *test = guest->test;
	struct stage2 again;

	if (!guest_read(guest, "a second time") ||
	    !guest_stage2(guest, &again))
		return;
	if (!again.counts_faults)
		return;
	test_exact(test, "stage2_own_faults", again.faults - first->faults,
		   "faults");
	if (again.faults != first->faults)
		test_not_ok(test, "reading the pages again took %llu faults of the vCPU: entries were removed",
			    again.faults - first->faults);
}

/* Let the vCPU read the range for the first time, and report all there is. */
static bool measure(struct guest *guest)
{
	struct test *test = guest->test;
	struct stage2 stage2;
	struct cost cost;
	bool ok;

	cost_begin(&cost);
	ok = guest_read(guest, "for the first time");
	cost_end(&cost);
	if (!ok || !guest_stage2(guest, &stage2))
		return false;
	stage2_report(guest->test, "stage2", "after every page was read", &stage2);
	report_cost(test, &stage2, &cost);
	report_entries(guest);
	if (stage2_bytes(&stage2) != guest->range.length)
		test_not_ok(test, "every page was read, but stage 2 maps 0x%llx bytes of 0x%zx",
			    stage2_bytes(&stage2), guest->range.length);
	read_again(guest, &stage2);
	return true;
}

static void run_placement(struct test *test)
{
	const struct guest_setup setup = { .placement = test->kind->placement };
	struct guest guest;

	if (!guest_begin(&guest, test, &setup))
		return;
	measure(&guest);
	guest_end(&guest);
}

/* At the best address, but at a guest-physical address that does not fit. */
static void run_gpa(struct test *test)
{
	bool pmd = test->kind->variant == ENTRY_PMD;
	const struct guest_setup setup = {
		.placement = PLACE_OFFSET,
		.distance = pmd ? PMD_SIZE : PTE_SIZE,
		.longest = pmd ? 0 : ENOUGH_PTES,
		.shorten = true,
	};
	struct guest guest;

	if (!guest_begin(&guest, test, &setup))
		return;
	measure(&guest);
	guest_end(&guest);
}

/*
 * While dirty pages are logged, KVM maps single pages (kvm_mmu_hugepage_adjust()
 * in arch/x86/kvm/mmu/mmu.c).  Larger entries are split when logging begins.
 * When it ends, Linux since 6.13 creates them again, and before it leaves that
 * to the next fault.
 */
static void log_dirty(struct guest *guest)
{
	struct stage2 stage2;

#ifdef __aarch64__
	/* In kvm_arch_prepare_memory_region(), for every VM_PFNMAP. */
	if (__vm_set_memory(&guest->vm, guest->address, guest->range.length,
			    KVM_MEM_LOG_DIRTY_PAGES) == -EINVAL) {
		test_skip(guest->test, "KVM on arm64 does not log dirty pages of a BAR (EINVAL)");
		return;
	}
#endif
	if (!guest_flags(guest, KVM_MEM_LOG_DIRTY_PAGES) ||
	    !guest_stage2(guest, &stage2))
		return;
	stage2_report(guest->test, "stage2_log_on", "when logging begins", &stage2);
	if (!guest_read(guest, "while dirty pages are logged") ||
	    !guest_stage2(guest, &stage2))
		return;
	stage2_report(guest->test, "stage2_logged", "after all was read with logging",
		     &stage2);
	if (!guest_flags(guest, 0) || !guest_stage2(guest, &stage2))
		return;
	stage2_report(guest->test, "stage2_log_off", "when logging ends", &stage2);
	if (!guest_read(guest, "after logging") ||
	    !guest_stage2(guest, &stage2))
		return;
	stage2_report(guest->test, "stage2_again", "after all was read again",
		     &stage2);
}

static void run_dirty_log(struct test *test)
{
	struct guest guest;

	if (!guest_begin(&guest, test, &best))
		return;
	if (measure(&guest))
		log_dirty(&guest);
	guest_end(&guest);
}

/* Whether a write by the vCPU ended in this way. */
static void write_page(struct guest *guest, int error)
{
	int ret = __vm_write64(&guest->vm, guest->vm.window, 0);

	if (ret != error)
		test_not_ok(guest->test, "a write of the vCPU to read-only memory: %s, expected %s",
			    ret ? strerror(-ret) : "ok", strerror(-error));
}

static void run_read_only(struct test *test)
{
	const struct guest_setup setup = {
		.placement = PLACE_OFFSET,
		.flags = KVM_MEM_READONLY,
		.shorten = true,
	};
	struct guest guest;

	if (!guest_begin(&guest, test, &setup))
		return;
	if (measure(&guest))
		write_page(&guest, -EACCES);
	guest_end(&guest);
}

/* Nothing of the range may be mapped, and a read must fail. */
static void expect_nothing(struct guest *guest, const char *when)
{
	struct test *test = guest->test;
	struct stage2 stage2;
	__u64 word;
	int ret;

	if (guest_stage2(guest, &stage2) && stage2_bytes(&stage2))
		test_not_ok(test, "%s, stage 2 still has %llu PTE, %llu PMD, %llu PUD",
			    when, stage2.pte, stage2.pmd, stage2.pud);
	ret = __vm_read64(&guest->vm, guest->vm.window, &word);
	if (ret != -EFAULT)
		test_not_ok(test, "%s, a read of the vCPU: %s, expected %s",
			    when, ret ? strerror(-ret) : "ok",
			    strerror(EFAULT));
}

static void expect_as_before(struct guest *guest, const char *when)
{
	struct stage2 stage2;

	if (!guest_read(guest, when) || !guest_stage2(guest, &stage2))
		return;
	stage2_report(guest->test, "stage2_again", when, &stage2);
}

static void run_memory_disable(struct test *test)
{
	const char *off = "with PCI_COMMAND_MEMORY cleared";
	const char *on = "with PCI_COMMAND_MEMORY set again";
	struct guest guest;

	if (!guest_begin(&guest, test, &best))
		return;
	if (measure(&guest) && guest_memory(&guest, false)) {
		expect_nothing(&guest, off);
		if (guest_memory(&guest, true))
			expect_as_before(&guest, on);
	}
	guest_end(&guest);
}

/* The mapping keeps the device open; only munmap() ends it. */
static void run_close(struct test *test)
{
	struct guest guest;

	if (!guest_begin(&guest, test, &best))
		return;
	if (measure(&guest)) {
		close(guest.range.fd);
		expect_as_before(&guest, "after close() of the device");
		range_unmap(&guest.range, guest.address);
		guest.mapped = false;
		expect_nothing(&guest, "after munmap()");
	}
	guest_end(&guest);
}

#define STAGE2(name_, placement_) {	\
	.name = "stage2." name_,	\
	.placement = placement_,	\
	.run = run_placement,		\
}

#define STAGE2_AT(name_, run_, variant_) {	\
	.name = "stage2." name_,		\
	.placement = NO_PLACEMENT,		\
	.run = run_,				\
	.variant = variant_,			\
}

static const struct test_kind kinds[] = {
	STAGE2("kernel", PLACE_KERNEL),
	STAGE2("qemu", PLACE_QEMU),
	STAGE2("qemu-v4", PLACE_QEMU_V4),
	STAGE2("cloud-hypervisor", PLACE_CLOUD_HYPERVISOR),
	STAGE2("offset", PLACE_OFFSET),
	STAGE2("pmd", PLACE_PMD),
	STAGE2("misaligned", PLACE_MISALIGNED),
	STAGE2_AT("gpa-pmd", run_gpa, ENTRY_PMD),
	STAGE2_AT("gpa-page", run_gpa, ENTRY_PTE),
	STAGE2_AT("dirty-log", run_dirty_log, 0),
	STAGE2_AT("read-only", run_read_only, 0),
	STAGE2_AT("memory-disable", run_memory_disable, 0),
	STAGE2_AT("memory-race", run_stage2_race, 0),
	STAGE2_AT("close", run_close, 0),
	STAGE2_AT("content", run_stage2_content, PLACE_OFFSET),
	STAGE2_AT("content-pmd", run_stage2_content, PLACE_PMD),
	STAGE2_AT("content-pte", run_stage2_content, PLACE_MISALIGNED),
};

const struct test_list stage2_tests = { kinds, ARRAY_SIZE(kinds) };
