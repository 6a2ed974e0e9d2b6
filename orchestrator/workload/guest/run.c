// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "lib/ktap.h"
#include "run.h"
#include "tests.h"

/* How many tests run on each BAR. */
static int count_tests(const struct options *options)
{
	struct test_position position = { 0 };
	int count = 0;

	while (next_test(options, &position))
		count++;
	return count;
}

static bool any_for_unmappable(const struct options *options)
{
	struct test_position position = { 0 };
	const struct test_kind *kind;

	while ((kind = next_test(options, &position)))
		if (kind->any_bar)
			return true;
	return false;
}

/* Print the result of a test; true if it is ok. */
static bool report_test(int number, const char *name,
			const struct outcome *outcome)
{
	if (!*outcome->why) {
		ktap_result(TEST_DEPTH, true, number, name);
		return true;
	}
	ktap_result_why(TEST_DEPTH, outcome->skipped, number, name,
			outcome->skipped ? "SKIP" : NULL, "%s", outcome->why);
	return outcome->skipped;
}

static void run_test(const struct options *options, int group,
		     const struct bar *bar, const struct test_kind *kind,
		     struct outcome *outcome)
{
	int ret;

	memset(outcome, 0, sizeof(*outcome));
	if (bar->skip && !kind->any_bar) {
		outcome->skipped = true;
		snprintf(outcome->why, sizeof(outcome->why), "%s", bar->skip);
		return;
	}
	ret = __test_run(options, group, bar, kind, outcome);
	if (ret)
		snprintf(outcome->why, sizeof(outcome->why),
			 "cannot start a process: %s", strerror(-ret));
}

/* Run every test on one BAR; true if all were ok. */
static bool run_bar(const struct options *options, int group,
		    const struct bar *bar, const char *name)
{
	struct test_position position = { 0 };
	const struct test_kind *kind;
	struct outcome outcome;
	bool all_ok = true;
	int number = 0;

	ktap_subtests(TEST_DEPTH, name, count_tests(options));
	while ((kind = next_test(options, &position))) {
		run_test(options, group, bar, kind, &outcome);
		all_ok &= report_test(++number, kind->name, &outcome);
	}
	return all_ok;
}

int run_bars(const struct options *options, int group,
	     const struct bar *bars, int nr_bars)
{
	bool any = any_for_unmappable(options);
	int status = NOTHING_TO_MEASURE;
	char name[16];
	bool ok;
	int i;

	ktap_subtests(1, options->device, nr_bars);
	for (i = 0; i < nr_bars; i++) {
		snprintf(name, sizeof(name), "BAR%d", bars[i].index);
		if (bars[i].skip && !any) {
			ktap_result_why(1, true, i + 1, name, "SKIP", "%s",
					bars[i].skip);
			continue;
		}
		ok = run_bar(options, group, &bars[i], name);
		ktap_result(1, ok, i + 1, name);
		if (!ok)
			status = SOME_NOT_OK;
		else if (status == NOTHING_TO_MEASURE)
			status = ALL_OK;
	}
	return status;
}
