// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a virtual machine see the right pages of the BAR?  The process's mapping
 * can be right and stage 2 wrong: KVM computes the first page of a large entry
 * itself (kvm_mmu_hugepage_adjust() in arch/x86/kvm/mmu/mmu.c).
 *
 * Two passes on the sample pages of lib/sample_pages.h, as in content.c: what
 * the file wrote is read by the vCPU, which causes the faults, and what the
 * vCPU wrote is read by the file.  Only RAM is written, see lib/ram.h.
 */
#include <stdlib.h>

#include "lib/pattern.h"
#include "lib/pattern_report.h"
#include "lib/ram.h"
#include "lib/stage2.h"
#include "tests.h"

static const struct {
	const char *name;
	const char *measurement;
	enum pass pass;
	enum way from, to;
} passes[] = {
	{ "fresh", "pages_fresh", PASS_FRESH, BY_FILE, BY_VM },
	{ "back", "pages_back", PASS_BACK, BY_VM, BY_FILE },
};

/* Whether the vCPU, or the file, reads what the other wrote. */
static bool run_pass(struct test *test, struct pattern *pattern, int i)
{
	__u64 right = 0;
	bool ok;
	int ret = __pattern_write(pattern, passes[i].from, passes[i].pass);

	if (ret) {
		pattern_failed(test, pattern, "write", ret);
		return false;
	}
	ok = pattern_judge(test, pattern, passes[i].name, passes[i].pass,
			   passes[i].to, &right);
	test_exact(test, passes[i].measurement, right, "pages");
	return ok;
}

/* The second pass uses the entries of the whole range. */
static void run_passes(struct test *test, struct guest *guest,
		       struct pattern *pattern)
{
	struct stage2 stage2;

	if (!run_pass(test, pattern, 0) ||
	    !guest_read(guest, "after the first pass") ||
	    !guest_stage2(guest, &stage2))
		return;
	stage2_report(guest->test, "stage2", "of the whole range", &stage2);
	run_pass(test, pattern, 1);
}

static void check(struct test *test, struct guest *guest,
		  struct pattern *pattern)
{
	int ret = __pattern_save(pattern);

	if (ret) {
		pattern_failed(test, pattern, "read", ret);
	} else {
		run_passes(test, guest, pattern);
		ret = __pattern_restore(pattern);
		if (ret)
			pattern_failed(test, pattern, "restore", ret);
	}
	free(pattern->before);
}

void run_stage2_content(struct test *test)
{
	const struct guest_setup setup = {
		.placement = test->kind->variant,
		.longest = test->kind->variant == PLACE_MISALIGNED ?
			   ENOUGH_PTES : 0,
		.shorten = test->kind->variant == PLACE_OFFSET,
	};
	struct guest guest;
	struct pattern pattern = {
		.range = &guest.range,
		.seed = test->options->seed,
		.vm = &guest.vm,
	};
	int ret;

	if (!is_ram(test) || !guest_begin(&guest, test, &setup))
		return;
	pattern.address = guest.address;
	ret = __sample_pages_choose(pattern.range, guest.address, pattern.seed,
				    &pattern.sample);
	if (ret) {
		test_failed(test, "choose pages", ret);
	} else {
		check(test, &guest, &pattern);
		sample_pages_free(&pattern.sample);
	}
	guest_end(&guest);
}
