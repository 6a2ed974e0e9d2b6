// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that does not respond for a while: its memory decoding is disabled,
 * or it is being reset.  It must not be accessed then.  So VFIO first zaps the
 * mappings of all processes (drivers/vfio/pci/vfio_pci_core.c:
 * vfio_pci_zap_and_down_write_memory_lock()), and faults raise SIGBUS until the
 * device responds again.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <linux/vfio.h>

#include "lib/access.h"
#include "lib/fault_probe.h"
#include "lib/life_setup.h"
#include "lib/vfio.h"
#include "tests.h"

#define NR_READERS	4
#define ENOUGH_TOGGLES	100
#define ENOUGH_REFUSED	100
#define LONGEST_RACE	2	/* seconds */

/* Reading through the file must fail as well; it must not return ~0. */
static void read_file(struct life *life, int error, const char *when)
{
	__u32 word;
	int ret;

	ret = __file_read(&life->range, life->range.offset, &word,
			  sizeof(word));
	if (ret != error)
		test_not_ok(life->test, "pread of the region %s: %s, expected %s",
			    when, ret ? strerror(-ret) : "ok",
			    error ? strerror(-error) : "ok");
}

static void disable(struct life *life)
{
	const char *when = "with PCI_COMMAND_MEMORY cleared";
	struct entries entries;

	life_zapped(life, life->address, life->range.length, when);
	life_read(life, life->part, SIGBUS, when);
	life_entries(life, "off", &entries);
	read_file(life, -EIO, when);
}

void run_life_disable(struct test *test)
{
	struct life life;

	if (!life_begin(&life, test))
		return;
	if (!life_has_memory_bit(&life)) {
		test_skip(test, NO_MEMORY_BIT);
		life_end(&life);
		return;
	}
	if (life_memory(&life, false))
		disable(&life);
	if (life_memory(&life, true)) {
		life_as_before(&life, "again",
			       "with PCI_COMMAND_MEMORY set again");
		read_file(&life, 0, "with PCI_COMMAND_MEMORY set again");
	}
	life_end(&life);
}

/* Threads that read while memory is disabled and enabled. */
struct race {
	struct life *life;
	bool over;
	int reading;			/* threads that have started */
	__u64 toggles;
	__u64 read, refused, wrong;
	__u64 wrong_address;
	__u32 wrong_word;
};

static void race_read(struct race *race, const struct page_tag *tag)
{
	const struct life *life = race->life;
	__u64 at = life->address + tag->offset - life->range.offset;
	__u32 word;

	if (try_read(at, &word)) {
		__atomic_add_fetch(&race->refused, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_add_fetch(&race->read, 1, __ATOMIC_RELAXED);
	if (!life->tags.kept || word == tag->word)
		return;
	WRITE_ONCE(race->wrong_address, at);
	WRITE_ONCE(race->wrong_word, word);
	__atomic_add_fetch(&race->wrong, 1, __ATOMIC_RELAXED);
}

static void *race_reader(void *argument)
{
	struct race *race = argument;
	int i;

	race_read(race, &race->life->tags.tags[0]);
	__atomic_add_fetch(&race->reading, 1, __ATOMIC_RELAXED);
	while (!READ_ONCE(race->over))
		for (i = 0; i < race->life->tags.count; i++)
			race_read(race, &race->life->tags.tags[i]);
	return NULL;
}

static __u64 seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static bool race_enough(const struct race *race)
{
	return race->toggles >= ENOUGH_TOGGLES &&
	       READ_ONCE(race->refused) >= ENOUGH_REFUSED;
}

/*
 * Until enough reads were refused, yield the CPU to the readers while memory is
 * disabled.
 */
static void race_toggle(struct race *race)
{
	__u64 end;

	while (READ_ONCE(race->reading) < NR_READERS)
		sched_yield();
	end = seconds() + LONGEST_RACE;
	while (!race_enough(race) && seconds() <= end) {
		if (!life_memory(race->life, false))
			return;
		if (READ_ONCE(race->refused) < ENOUGH_REFUSED)
			sched_yield();
		if (!life_memory(race->life, true))
			return;
		race->toggles++;
	}
}

static void race_judge(struct race *race)
{
	struct test *test = race->life->test;

	test_say(test, "memory off and on %llu times: %llu reads, %llu of them raised SIGBUS",
		 race->toggles, race->read + race->refused, race->refused);
	test_varies(test, "toggles", race->toggles, "times");
	test_varies(test, "reads", race->read, "reads");
	test_varies(test, "refused", race->refused, "reads");
	if (race->wrong)
		test_not_ok(test, "%llu of %llu reads while memory was switched were wrong, the last 0x%08x at 0x%llx: expected the content or SIGBUS",
			    race->wrong, race->read, race->wrong_word,
			    race->wrong_address);
	if (!race->refused)
		test_skip(test, "no read took place while memory was disabled");
}

static void race(struct life *life)
{
	pthread_t threads[NR_READERS];
	struct race race = { .life = life };
	int count = 0, ret = 0;

	while (!ret && count < NR_READERS)
		ret = pthread_create(&threads[count++], NULL, race_reader,
				     &race);
	if (ret)
		test_failed(life->test, "start a thread", -ret);
	else
		race_toggle(&race);
	WRITE_ONCE(race.over, true);
	for (count -= !!ret; count; count--)
		pthread_join(threads[count - 1], NULL);
	if (!ret)
		race_judge(&race);
	life_as_before(life, "again", "after memory was off and on");
}

void run_life_race(struct test *test)
{
	struct life life;

	if (!life_begin(&life, test))
		return;
	if (life_has_memory_bit(&life))
		race(&life);
	else
		test_skip(test, NO_MEMORY_BIT);
	life_end(&life);
}

/*
 * The reset may clear the BAR's content and memory-enable.  So the entries are
 * checked before anything is read, and the tags need no longer be there.
 * life_end() still restores what was overwritten.
 */
static void reset(struct life *life)
{
	struct entries entries;

	if (ioctl(life->range.fd, VFIO_DEVICE_RESET)) {
		test_failed(life->test, "reset it (VFIO_DEVICE_RESET)",
			    -errno);
		return;
	}
	life->tags.kept = false;
	if (life_entries(life, "off", &entries) && entries.mapped)
		test_not_ok(life->test, "%llu PTE, %llu PMD and %llu PUD entries are left after VFIO_DEVICE_RESET, expected none",
			    entries.pte, entries.pmd, entries.pud);
	if (life_memory(life, true))
		life_as_before(life, "again", "after VFIO_DEVICE_RESET");
}

void run_life_reset(struct test *test)
{
	struct life life;

	if (!life_begin(&life, test))
		return;
	if (life_can_reset(&life))
		reset(&life);
	else
		test_skip(test, "the device has no reset of its own (VFIO_DEVICE_FLAGS_RESET)");
	life_end(&life);
}
