// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many threads touch the same fresh mapping at once.  The second fault on a
 * page finds the entry present (mm/huge_memory.c: insert_pud(), insert_pmd();
 * mm/memory.c: insert_pfn()) or, in 6.1, the area in VFIO's list.
 */
#include <pthread.h>
#include <stdio.h>

#include "lib/cost.h"
#include "lib/fault_probe.h"
#include "lib/levels.h"
#include "lib/life_setup.h"
#include "tests.h"

#define NR_THREADS	16
#define NR_ROUNDS	8

struct thread {
	struct life *life;
	pthread_barrier_t *barrier;
	pthread_t id;
	__u64 first;		/* the first address it reads */
	__u64 bad;
	int signal;
};

/* Half of the threads start at the same address, the others at their own. */
static void *touch_from(void *argument)
{
	struct thread *thread = argument;
	const struct life *life = thread->life;
	__u64 end = life->address + life->range.length;

	pthread_barrier_wait(thread->barrier);
	thread->signal = try_pages(thread->first, end - thread->first,
				   &thread->bad);
	if (!thread->signal)
		thread->signal = try_pages(life->address, thread->first -
					   life->address, &thread->bad);
	return NULL;
}

static int __touch_at_once(struct life *life, struct thread *threads)
{
	static pthread_barrier_t barrier;
	__u64 step = life->range.length / PTE_SIZE / NR_THREADS * PTE_SIZE;
	int i, ret;

	pthread_barrier_init(&barrier, NULL, NR_THREADS);
	for (i = 0; i < NR_THREADS; i++) {
		threads[i] = (struct thread) {
			.life = life,
			.barrier = &barrier,
			.first = life->address + (i % 2 ? i * step : 0),
		};
		ret = pthread_create(&threads[i].id, NULL, touch_from,
				     &threads[i]);
		if (ret)
			return -ret;	/* the threads end with the process */
	}
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i].id, NULL);
	pthread_barrier_destroy(&barrier);
	return 0;
}

static void judge_threads(struct life *life, const struct thread *threads)
{
	int i;

	for (i = 0; i < NR_THREADS; i++)
		if (threads[i].signal)
			test_not_ok(life->test, "read of 0x%llx by one of %d threads: %s, expected no signal",
				    threads[i].bad, NR_THREADS,
				    signal_name(threads[i].signal));
	life_content_all(life, "after many threads touched it at once");
}

/* Use a fresh mapping each time; false if that failed. */
static bool run_round(struct life *life, __u64 *faults)
{
	struct thread threads[NR_THREADS];
	struct cost cost;
	int ret;

	range_unmap(&life->range, life->address);
	ret = __range_map(&life->range, life->address);
	if (!ret) {
		cost_begin(&cost);
		ret = __touch_at_once(life, threads);
		cost_end(&cost);
	}
	if (ret) {
		test_failed(life->test, "touch a fresh mapping with threads",
			    ret);
		return false;
	}
	*faults += cost.faults;
	judge_threads(life, threads);
	return true;
}

void run_life_threads(struct test *test)
{
	struct entries entries;
	__u64 faults = 0;
	struct life life;
	int round = 0;

	if (!life_begin(&life, test))
		return;
	while (round < NR_ROUNDS && run_round(&life, &faults))
		round++;
	test_say(test, "%d threads, %d times: %llu faults", NR_THREADS, round,
		 faults);
	test_varies(test, "faults_all", faults, "faults");
	if (life_entries(&life, "again", &entries))
		life_judge(&life, &entries, life.range.length, 0,
			   "after many threads touched it at once");
	life_end(&life);
}
