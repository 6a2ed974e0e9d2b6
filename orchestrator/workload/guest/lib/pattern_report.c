// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "lib/pattern_report.h"

static const char * const way_names[] = {
	[BY_FILE] = "the region's file descriptor",
	[BY_MAPPING] = "the mapping",
	[BY_VM] = "the virtual machine",
};

void pattern_failed(struct test *test, const struct pattern *pattern,
		    const char *what, int error)
{
	char step[96];

	snprintf(step, sizeof(step), "%s BAR offset 0x%llx through %s", what,
		 pattern->offset, way_names[pattern->way]);
	test_failed(test, step, error);
}

static void report_wrong(struct test *test, const struct pattern *pattern,
			 const char *name, enum pass pass, enum way way,
			 const struct wrong *wrong)
{
	char origin[ORIGIN_LENGTH];

	test_not_ok(test, "pass %s: through %s the page at BAR offset 0x%llx, mapped at 0x%llx, shows %s: 0x%016llx, expected 0x%016llx; wrong are %llu of %zu",
		    name, way_names[way], wrong->offset,
		    pattern->address + wrong->offset - pattern->range->offset,
		    pattern_origin(pattern, pass, wrong, origin),
		    wrong->found, wrong->expected, wrong->count,
		    pattern->sample.count);
}

bool pattern_judge(struct test *test, struct pattern *pattern,
		   const char *name, enum pass pass, enum way way,
		   __u64 *right)
{
	struct wrong wrong;
	int ret = __pattern_check(pattern, way, pass, &wrong);

	if (ret) {
		pattern_failed(test, pattern, "read", ret);
		return false;
	}
	if (wrong.count)
		report_wrong(test, pattern, name, pass, way, &wrong);
	*right = pattern->sample.count - wrong.count;
	return !wrong.count;
}
