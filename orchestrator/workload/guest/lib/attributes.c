// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <sys/mman.h>

#include "lib/attributes.h"

/* The attributes that no entry of a BAR may have. */
static const struct {
	const char *measurement;
	size_t counter;
	const char *what;
} unwanted[] = {
	{
		"entries_cached", offsetof(struct attributes, cached),
		"not of the memory type of pgprot_noncached()",
	},
	{
		"entries_executable", offsetof(struct attributes, executable),
		"executable",
	},
	{
		"entries_global", offsetof(struct attributes, global),
		"global, so that they stay in the TLB of other processes",
	},
	{
		"entries_kernel", offsetof(struct attributes, kernel),
		"not for user space",
	},
};

static __u64 count_of(const struct attributes *attributes, size_t counter)
{
	return *(const __u64 *)((const char *)attributes + counter);
}

static __u64 count_all(const struct entries *entries, size_t counter)
{
	__u64 count = 0;
	int i;

	for (i = 0; i < NR_ENTRY_LEVELS; i++)
		count += count_of(&entries->attributes[i], counter);
	return count;
}

static void judge_unwanted(struct test *test, const struct entries *entries,
			   enum entry_level level, const char *name,
			   __u64 total, const char *when)
{
	__u64 count;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unwanted); i++) {
		count = count_of(&entries->attributes[level],
				 unwanted[i].counter);
		if (count)
			test_not_ok(test, "%llu of %llu %s entries %s are %s%s%s",
				    count, total, name, when, unwanted[i].what,
				    i ? "" : ", the first one is ",
				    i ? "" : entries->memory_type);
	}
}

static void judge_writable(struct test *test, const struct entries *entries,
			   enum entry_level level, const char *name,
			   __u64 total, int prot, const char *when)
{
	__u64 writable = entries->attributes[level].writable;

	if (!(prot & PROT_WRITE) && writable)
		test_not_ok(test, "%llu of %llu %s entries %s are writable, and only reading was asked for",
			    writable, total, name, when);
	if (prot & PROT_WRITE && writable < total && !entries->written_only)
		test_not_ok(test, "%llu of %llu %s entries %s are read-only, and writing was asked for",
			    total - writable, total, name, when);
}

void attributes_judge(struct test *test, const struct entries *entries,
		      int prot, const char *when)
{
	const struct {
		const char *name;
		__u64 total;
	} levels[NR_ENTRY_LEVELS] = {
		[ENTRY_PTE] = { "PTE", entries->pte },
		[ENTRY_PMD] = { "PMD", entries->pmd },
		[ENTRY_PUD] = { "PUD", entries->pud },
	};
	int i;

	for (i = 0; i < NR_ENTRY_LEVELS; i++) {
		judge_unwanted(test, entries, i, levels[i].name,
			       levels[i].total, when);
		judge_writable(test, entries, i, levels[i].name,
			       levels[i].total, prot, when);
	}
}

/*
 * If only entries that were written to are writable, their number cannot be
 * predicted.
 */
void attributes_measure(struct test *test, const struct entries *entries,
			int prot)
{
	bool write = prot & PROT_WRITE;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unwanted); i++)
		test_exact(test, unwanted[i].measurement,
			   count_all(entries, unwanted[i].counter), "entries");
	if (!write || !entries->written_only) {
		test_exact(test, "asked_writable", write, "answer");
		test_exact(test, "entries_writable",
			   count_all(entries, offsetof(struct attributes,
						       writable)), "entries");
	}
	attributes_judge(test, entries, prot, "of the fresh mapping");
}
