// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start a VMM that passes the device through to a guest of its own, let that
 * guest read every page of the BAR, and see how the VMM maps it: its address,
 * the entries of the process, and those of stage 2.
 *
 * The counters of stage 2 are of the whole virtual machine.  What reading the
 * BAR adds to them is for the BAR, and now and then for a page of RAM that the
 * inner kernel uses for the first time.  After every page of the BAR was read,
 * the entries for it map exactly its size.  What maps more is for RAM.
 */
#define _GNU_SOURCE		/* asprintf() */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/inner.h"
#include "lib/map_range.h"
#include "lib/pagetable.h"
#include "lib/remote.h"
#include "lib/stage2.h"
#include "lib/vmm.h"
#include "tests.h"

#define LINE_LENGTH	1024

/* Stands for parameters of the inner kernel in the VMM's command line. */
#define CMDLINE		"{cmdline}"

struct run {
	struct test *test;
	struct vmm vmm;
	FILE *log;
	__u64 guest_address;	/* of the BAR in the inner guest */
	struct stage2 before;	/* the BAR was read */
	bool started, mapped, read;
};

/* False after the last line. */
static bool next_line(const struct run *run, char line[LINE_LENGTH])
{
	if (!fgets(line, LINE_LENGTH, run->vmm.output))
		return false;
	fputs(line, run->log);
	fflush(run->log);
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

static void count_before(struct run *run)
{
	int ret = __vmm_stage2(&run->vmm, &run->before);

	if (ret)
		test_failed(run->test, "count the entries of stage 2 before the BAR is read",
			    ret);
}

/* Remove the entries that map more than `size` bytes: the largest that fit. */
static void remove_ram(struct stage2 *stage2, __u64 size)
{
	__u64 mapped = stage2_bytes(stage2);
	__u64 excess = mapped > size ? mapped - size : 0;
	__u64 pmd = excess / PMD_SIZE;

	if (pmd > stage2->pmd)
		pmd = stage2->pmd;
	stage2->pmd -= pmd;
	excess = (excess - pmd * PMD_SIZE) / PTE_SIZE;
	stage2->pte -= excess > stage2->pte ? stage2->pte : excess;
}

static void report_stage2(struct run *run)
{
	struct test *test = run->test;
	struct stage2 stage2;
	int ret = __vmm_stage2(&run->vmm, &stage2);

	if (ret) {
		test_failed(test, "count the entries of stage 2", ret);
		return;
	}
	test_say(test, "stage 2 of all the VM had %llu PTE, %llu PMD, %llu PUD",
		 run->before.pte, run->before.pmd, run->before.pud);
	stage2.pte -= run->before.pte;
	stage2.pmd -= run->before.pmd;
	stage2.pud -= run->before.pud;
	test_say(test, "reading the BAR added %llu PTE, %llu PMD, %llu PUD",
		 stage2.pte, stage2.pmd, stage2.pud);
	remove_ram(&stage2, test->bar->size);
	stage2_report(test, "stage2", "for the BAR", &stage2);
	test_varies(test, "vcpu_faults", stage2.faults - run->before.faults,
		    "faults");
}

static void report_entries_of_vmm(struct run *run, const struct range *range,
				  const struct vmm_mapping *mapping)
{
	struct test *test = run->test;
	struct entries entries;
	int ret;

	if (test->options->no_dump)
		return;
	ret = __remote_entries(run->vmm.pid, mapping->start, mapping->end,
			       &entries);
	if (ret)
		test_failed(test, "read the page tables of the VMM", ret);
	else
		report_mapped(test, range, &entries);
}

static void report_mapping(struct run *run, const struct vmm_mapping *mapping)
{
	struct range range = run->test->bar->range;
	struct placed placed = {
		.address = mapping->start,
		.alignment = alignment_of(mapping->start, mapping->offset),
	};

	range.prot = mapping->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	range.offset = mapping->offset;
	range.length = mapping->end - mapping->start;
	report_place(run->test, &range, &placed);
	report_entries_of_vmm(run, &range, mapping);
}

static void report_guest_address(struct run *run, __u64 address)
{
	struct test *test = run->test;
	__u64 alignment = alignment_of(run->guest_address, address);

	test_varies(test, "guest_address", run->guest_address, "bytes");
	test_varies(test, "guest_alignment", alignment, "bytes");
}

/*
 * The oracle predicts the entries of a BAR that is mapped in one piece.  For
 * more pieces there is no address and no prediction.
 */
static void report_mappings(struct run *run)
{
	const struct bar *bar = run->test->bar;
	struct vmm_mapping largest;
	int count;

	count = __vmm_find_mapping(&run->vmm, bar->range.fd_offset, bar->size,
				   &largest);
	if (count < 0) {
		test_failed(run->test, "read the mappings of the VMM", count);
		return;
	}
	test_exact(run->test, "mappings", count, "mappings");
	if (count != 1) {
		test_say(run->test, "the VMM maps the BAR in %d pieces", count);
		return;
	}
	report_guest_address(run, largest.start);
	report_mapping(run, &largest);
}

static void report_cost(struct run *run)
{
	struct vmm_cost cost;
	int ret = __vmm_cost(&run->vmm, &cost);

	if (ret) {
		test_failed(run->test, "read what the VMM used", ret);
		return;
	}
	test_varies(run->test, "vmm_faults", cost.faults, "faults");
	test_varies(run->test, "vmm_tables", cost.tables, "bytes");
}

static void on_started(struct run *run)
{
	run->started = true;
	test_varies(run->test, "start_time", vmm_age(&run->vmm), "ns");
}

static void on_mapped(struct run *run, const char *numbers)
{
	__u64 size;

	if (sscanf(numbers, "%llx %llx", &run->guest_address, &size) != 2 ||
	    size != run->test->bar->size) {
		test_not_ok(run->test, "the inner guest has another BAR: %s",
			    numbers);
		return;
	}
	run->mapped = true;
	count_before(run);
	test_varies(run->test, "mapped_time", vmm_age(&run->vmm), "ns");
	vmm_continue(&run->vmm);
}

static void on_read(struct run *run)
{
	run->read = true;
	test_varies(run->test, "read_time", vmm_age(&run->vmm), "ns");
	report_stage2(run);
	report_cost(run);
	report_mappings(run);
}

/* What a line says after a word; NULL if it does not begin with it. */
static const char *after(const char *line, const char *word)
{
	size_t length = strlen(word);

	return strncmp(line, word, length) ? NULL : line + length;
}

/* False after the last line that counts. */
static bool handle(struct run *run, const char *line)
{
	const char *mark = strstr(line, INNER_MARK);
	const char *rest;

	if (!mark)
		return true;
	mark += strlen(INNER_MARK);
	if (after(mark, INNER_STARTED)) {
		on_started(run);
	} else if ((rest = after(mark, INNER_MAPPED))) {
		on_mapped(run, rest);
	} else if (after(mark, INNER_READ) && run->mapped) {
		on_read(run);
	} else if ((rest = after(mark, INNER_FAILED))) {
		test_not_ok(run->test, "the inner guest failed:%s", rest);
	}
	return !run->read && !*run->test->outcome->why;
}

static void judge_end(struct run *run, int status, const char *last)
{
	if (run->read || *run->test->outcome->why)
		return;
	if (WIFSIGNALED(status))
		test_not_ok(run->test, "the VMM ended by signal %d (%s); it wrote last: %.150s",
			    WTERMSIG(status), strsignal(WTERMSIG(status)), last);
	else
		test_not_ok(run->test, "the VMM ended with status %d %s; it wrote last: %.150s",
			    WEXITSTATUS(status),
			    run->started ? "before the BAR was read" :
			    "before its guest ran", last);
}

static void watch(struct run *run)
{
	char line[LINE_LENGTH], last[LINE_LENGTH] = "nothing";
	bool more = true;

	while (more && next_line(run, line)) {
		if (*line)
			memcpy(last, line, sizeof(last));
		more = handle(run, line);
	}
	judge_end(run, vmm_end(&run->vmm, !more), last);
}

/* An identity as in 0x1b36, without 0x; empty if it cannot be read. */
static void read_id(const char *device, const char *name, char id[8])
{
	char path[96];
	FILE *file;

	*id = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", device, name);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "0x%7s", id) != 1)
		*id = '\0';
	fclose(file);
}

/* The word with the parameters of the inner kernel for CMDLINE; NULL if it has none. */
static char *fill(const struct test *test, const char *word)
{
	const char *place = strstr(word, CMDLINE);
	char vendor[8], device[8];
	char *filled;

	if (!place)
		return NULL;
	read_id(test->options->device, "vendor", vendor);
	read_id(test->options->device, "device", device);
	if (asprintf(&filled, "%.*spanic=-1 " INNER_DEVICE "=%s:%s " INNER_BAR "=%d%s",
		     (int)(place - word), word, vendor, device,
		     test->bar->index, place + strlen(CMDLINE)) < 0)
		return NULL;
	return filled;
}

/* In a process of its own for each BAR, so the words can be replaced. */
static void fill_command(const struct test *test)
{
	char **word, *filled;

	for (word = test->options->vmm; *word; word++) {
		filled = fill(test, *word);
		if (filled)
			*word = filled;
	}
}

static void run_vmm(struct test *test)
{
	const struct options *options = test->options;
	const char *step = "create the log of the VMM";
	struct run run = { .test = test };
	int ret;

	if (vcpu_missing()) {
		test_skip(test, "%s", vcpu_missing());
		return;
	}
	run.log = fopen(options->vmm_log, "ae");
	ret = run.log ? __vmm_prepare(options->vmm_root, options->kernel, &step)
		      : -errno;
	if (!ret) {
		step = "start the VMM";
		fill_command(test);
		ret = __vmm_start(&run.vmm, options->vmm_root, options->vmm);
	}
	if (ret)
		test_failed(test, step, ret);
	else
		watch(&run);
	if (run.log)
		fclose(run.log);
}

static const struct test_kind kinds[] = {
	{
		.name = "vmm",
		.placement = NO_PLACEMENT,
		.by_others = true,
		.run = run_vmm,
	},
};

const struct test_list vmm_tests = { kinds, ARRAY_SIZE(kinds) };
