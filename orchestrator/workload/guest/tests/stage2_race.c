// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's memory is disabled and enabled while the vCPU reads.  Each read
 * has the right content, or KVM_RUN fails with EFAULT; none may hang, and none
 * may see another page.  A thread of this process switches the memory.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "lib/levels.h"
#include "lib/page_tags.h"
#include "lib/ram.h"
#include "lib/stage2.h"
#include "tests.h"

#define ENOUGH_TOGGLES	100
#define ENOUGH_REFUSED	20
#define MOST_READS	20000

struct race {
	struct guest guest;
	struct page_tags tags;
	bool over;
	bool failed;			/* memory could not be switched */
	__u64 toggles;
	__u64 reads, refused, wrong;
	int error;			/* of a read, other than EFAULT */
};

static void *switch_memory(void *argument)
{
	struct race *race = argument;

	while (!READ_ONCE(race->over) && !race->failed) {
		race->failed = !guest_memory(&race->guest, false);
		sched_yield();
		race->failed |= !guest_memory(&race->guest, true);
		WRITE_ONCE(race->toggles, race->toggles + 1);
		sched_yield();
	}
	return NULL;
}

static void read_tag(struct race *race, const struct page_tag *tag)
{
	struct vm *vm = &race->guest.vm;
	__u64 word = 0;
	int ret = __vm_read64(vm, vm->window + tag->offset -
			      race->guest.range.offset, &word);

	race->reads++;
	if (ret == -EFAULT)
		race->refused++;
	else if (ret)
		race->error = ret;
	else if (race->tags.kept && (__u32)word != tag->word)
		race->wrong++;
}

static bool enough(const struct race *race)
{
	return race->error || READ_ONCE(race->failed) ||
	       race->reads >= MOST_READS ||
	       (READ_ONCE(race->toggles) >= ENOUGH_TOGGLES &&
		race->refused >= ENOUGH_REFUSED);
}

static void read_all(struct race *race)
{
	int i;

	while (!enough(race))
		for (i = 0; i < race->tags.count; i++)
			read_tag(race, &race->tags.tags[i]);
}

static void judge(struct race *race)
{
	struct test *test = race->guest.test;

	test_say(test, "memory off and on %llu times: %llu reads of the vCPU, %llu of them failed with EFAULT",
		 race->toggles, race->reads, race->refused);
	test_varies(test, "toggles", race->toggles, "times");
	test_varies(test, "reads", race->reads, "reads");
	test_varies(test, "refused", race->refused, "reads");
	if (race->error)
		test_failed(test, "let the vCPU read while memory is switched",
			    race->error);
	if (race->wrong)
		test_not_ok(test, "%llu of %llu reads of the vCPU while memory was switched had the wrong content",
			    race->wrong, race->reads);
	if (!race->refused)
		test_skip(test, "no read of the vCPU took place while memory was disabled");
}

static void run_race(struct race *race)
{
	struct stage2 stage2;
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, switch_memory, race);

	if (ret) {
		test_failed(race->guest.test, "start a thread", -ret);
		return;
	}
	read_all(race);
	WRITE_ONCE(race->over, true);
	pthread_join(thread, NULL);
	judge(race);
	if (guest_read(&race->guest, "after memory was off and on") &&
	    guest_stage2(&race->guest, &stage2))
		stage2_report(race->guest.test, "stage2", "at the end", &stage2);
}

/* The first and the last page of the range, and of its first entries. */
static int __write_tags(struct race *race, bool ram)
{
	const struct range *range = &race->guest.range;
	const __u64 at[] = {
		0, PTE_SIZE, PMD_SIZE - PTE_SIZE, PMD_SIZE, PUD_SIZE - PTE_SIZE,
		PUD_SIZE, range->length - PTE_SIZE,
	};
	size_t i;

	race->tags.range = *range;
	if (!ram)
		race->tags.range.prot &= ~PROT_WRITE;
	for (i = 0; i < ARRAY_SIZE(at); i++)
		page_tags_add(&race->tags, range->offset + at[i]);
	return __page_tags_write(&race->tags);
}

void run_stage2_race(struct test *test)
{
	const struct guest_setup setup = {
		.placement = PLACE_OFFSET,
		.shorten = true,
	};
	struct race race = { 0 };
	const char *not_ram;
	int ret = __ram_check(test, &not_ram);

	if (ret) {
		test_failed(test, "find out whether the BAR is RAM", ret);
		return;
	}
	if (!guest_begin(&race.guest, test, &setup))
		return;
	ret = __write_tags(&race, !not_ram);
	if (ret)
		test_failed(test, "write the BAR", ret);
	else
		run_race(&race);
	ret = __page_tags_restore(&race.tags);
	if (ret)
		test_failed(test, "restore the BAR", ret);
	guest_end(&race.guest);
}
