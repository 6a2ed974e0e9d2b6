// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cost.h"
#include "lib/iommufd.h"
#include "lib/ktap.h"
#include "lib/measurements.h"
#include "lib/vfio.h"
#include "test.h"

__printf(2, 0)
static void vsay(const struct test *test, const char *format, va_list args)
{
	char text[WHY_LENGTH];

	vsnprintf(text, sizeof(text), format, args);
	ktap_diag(TEST_DEPTH, "%s: %s", test->kind->name, text);
}

void test_say(const struct test *test, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(test, format, args);
	va_end(args);
}

void test_not_ok(struct test *test, const char *format, ...)
{
	struct outcome *outcome = test->outcome;
	va_list args;

	va_start(args, format);
	vsay(test, format, args);
	va_end(args);
	if (*outcome->why && !outcome->skipped)
		return;
	outcome->skipped = false;
	va_start(args, format);
	vsnprintf(outcome->why, sizeof(outcome->why), format, args);
	va_end(args);
}

void test_failed(struct test *test, const char *step, int error)
{
	test_not_ok(test, "cannot %s: %s (errno %d)", step, strerror(-error),
		    -error);
}

void test_skip(struct test *test, const char *format, ...)
{
	struct outcome *outcome = test->outcome;
	va_list args;

	if (*outcome->why)
		return;
	outcome->skipped = true;
	va_start(args, format);
	vsnprintf(outcome->why, sizeof(outcome->why), format, args);
	va_end(args);
}

static void measure(const struct test *test, const char *name, __u64 value,
		    const char *unit, bool exact)
{
	const struct subject subject = {
		.device = test->options->device,
		.bar = test->bar->index,
		.test = test->kind->name,
	};

	measured(&subject, name, value, unit, exact);
}

void test_exact(const struct test *test, const char *name, __u64 value,
		const char *unit)
{
	measure(test, name, value, unit, !test->kind->by_others);
}

void test_varies(const struct test *test, const char *name, __u64 value,
		 const char *unit)
{
	measure(test, name, value, unit, false);
}

const char *human(__u64 bytes, char text[32])
{
	static const char * const units[] = { "bytes", "KiB", "MiB", "GiB" };
	int i = 0;

	while (bytes && !(bytes % 1024) && i < 3) {
		bytes /= 1024;
		i++;
	}
	snprintf(text, 32, "%llu %s", bytes, units[i]);
	return text;
}

/*
 * If the kernel does not have the mode, there is nothing to test.  The same
 * error from any later step means that the mode exists, and is broken.
 */
static bool lacks_mode(enum iommu_mode mode, const char *step, int error)
{
	static const char * const steps[] = {
		STEP_IOMMUFD, STEP_EXTENSION, STEP_FIND_CDEV, STEP_OPEN_CDEV,
	};
	size_t i;

	if (mode == MODE_TYPE1V2 ||
	    (error != -ENOENT && error != -ENODEV && error != -EOPNOTSUPP))
		return false;
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		if (!strcmp(step, steps[i]))
			return true;
	return false;
}

static void open_and_run(struct test *test, int group, struct bar *bar)
{
	enum iommu_mode mode = test->kind->mode;
	struct cost cost;
	struct vfio vfio;
	const char *step;
	int ret;

	if (test->kind->by_others) {
		test->kind->run(test);
		return;
	}
	ret = __vfio_open(&vfio, test->options->device, group, mode, &step);
	if (ret && lacks_mode(mode, step, ret)) {
		test_skip(test, "cannot %s: %s", step, strerror(-ret));
		return;
	}
	if (!ret && test->kind->needs_iommu && vfio.mode == MODE_NOIOMMU) {
		test_skip(test, NO_IOMMU);
		return;
	}
	if (!ret) {
		step = "lock the program in memory";
		ret = __cost_prepare();
	}
	if (ret) {
		test_failed(test, step, ret);
		return;
	}
	bar->range.fd = vfio.device;
	test->vfio = &vfio;
	cost_begin(&cost);
	test->kind->run(test);
	cost_end(&cost);
	/* For comparison with the times that were measured. */
	test_varies(test, "test_time", cost.ns, "ns");
}

/* Run the test in the child, and exit. */
static __noreturn void run(struct test *test, int group)
{
	struct bar bar = *test->bar;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	test->bar = &bar;
	open_and_run(test, group, &bar);
	ret = __measurements_written();
	if (ret)
		test_failed(test, "write the measurements", ret);
	exit(0);
}

static void judge_end(struct test *test, int status)
{
	if (WIFSIGNALED(status))
		test_not_ok(test, "ended by signal %d (%s)", WTERMSIG(status),
			    strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		test_not_ok(test, "ended with status %d",
			    WEXITSTATUS(status));
}

static int __run_in_child(struct test *test, int group)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		run(test, group);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	judge_end(test, status);
	return 0;
}

int __test_run(const struct options *options, int group,
	       const struct bar *bar, const struct test_kind *kind,
	       struct outcome *outcome)
{
	struct test test = {
		.options = options,
		.kind = kind,
		.bar = bar,
	};
	int ret;

	test.outcome = mmap(NULL, sizeof(*test.outcome),
			    PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (test.outcome == MAP_FAILED)
		return -errno;
	ret = __run_in_child(&test, group);
	*outcome = *test.outcome;
	munmap(test.outcome, sizeof(*test.outcome));
	return ret;
}
