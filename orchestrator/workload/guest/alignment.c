// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where does this kernel place the mmap of a VFIO device's BAR, with which
 * page-table entries does it map it, and what does that cost?
 *
 * The program prints KTAP (a test for each BAR, in it a test for each placement
 * and for everything else that was chosen) and writes measurements.  orch
 * decides whether the numbers are good.  A test is not ok if the program could
 * not do what it was asked to do, or if the kernel did not do what it must.
 *
 * A child process measures.  So the parent can bind the device to its former
 * driver again, even if the child crashes.
 *
 * The program is also the init of the guests that VMMs start in the test `vmm`.
 *
 * lib/ has what the tests share, tests/ has a file for each group of tests or
 * for a part of it.
 *
 * Build: gcc -O2 -static -I. -o alignment $(find . -name '*.c')
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bar.h"
#include "lib/exec_mmap.h"
#include "lib/inner.h"
#include "lib/ktap.h"
#include "lib/measurements.h"
#include "lib/sysfs.h"
#include "lib/vfio.h"
#include "options.h"
#include "run.h"
#include "tests.h"

static const int stop_signals[] = { SIGHUP, SIGINT, SIGTERM };

#define NR_STOP_SIGNALS	(sizeof(stop_signals) / sizeof(*stop_signals))

/* The child process; 0 if there is none. */
static sig_atomic_t child;

static void on_stop(int signal)
{
	if (child)
		kill(child, signal);
}

static void catch_stop(void (*handler)(int signal))
{
	struct sigaction action = { .sa_handler = handler };
	size_t i;

	for (i = 0; i < NR_STOP_SIGNALS; i++)
		sigaction(stop_signals[i], &action, NULL);
}

static void block_stop(int how)
{
	sigset_t signals;
	size_t i;

	sigemptyset(&signals);
	for (i = 0; i < NR_STOP_SIGNALS; i++)
		sigaddset(&signals, stop_signals[i]);
	sigprocmask(how, &signals, NULL);
}

/* Returns the number of the IOMMU group. */
static int open_vfio(const char *device, struct vfio *vfio)
{
	const char *step;
	int group, ret;

	ret = __read_group(device, &group);
	if (ret)
		ktap_setup_failed(device, "no IOMMU group: %s",
				  strerror(-ret));
	ret = __vfio_open(vfio, device, group, MODE_TYPE1V2, &step);
	if (ret)
		ktap_setup_failed(device, "cannot %s: %s (errno %d)", step,
				  strerror(-ret), -ret);
	return group;
}

static int measure(const struct options *options)
{
	struct bar bars[NR_BARS];
	struct vfio vfio;
	int group, nr_bars;

	group = open_vfio(options->device, &vfio);
	nr_bars = __bars_find(options, &vfio, bars);
	if (nr_bars < 0)
		ktap_setup_failed(options->device, "cannot find its BARs: %s",
				  strerror(-nr_bars));
	vfio_close(&vfio);
	return run_bars(options, group, bars, nr_bars);
}

/* 0 or -errno; status is that of waitpid(). */
static int __measure_in_child(const struct options *options, int *status)
{
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		catch_stop(SIG_DFL);
		block_stop(SIG_UNBLOCK);
		exit(measure(options));
	}
	child = pid;
	block_stop(SIG_UNBLOCK);
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	block_stop(SIG_BLOCK);
	child = 0;
	return 0;
}

/* Report the only top-level test, the device.  Returns the exit status. */
static int report_device(const char *device, int status)
{
	if (WIFSIGNALED(status))
		ktap_setup_failed(device, "ended by signal %d (%s)",
				  WTERMSIG(status),
				  strsignal(WTERMSIG(status)));
	switch (WEXITSTATUS(status)) {
	case NOTHING_TO_MEASURE:
		ktap_result_why(0, true, 1, device, "SKIP", "no mappable BAR");
		return ALL_OK;
	case ALL_OK:
	case SOME_NOT_OK:
		ktap_result(0, WEXITSTATUS(status) == ALL_OK, 1, device);
	}
	return WEXITSTATUS(status);
}

static void open_outputs(const struct options *options)
{
	int ret = __ktap_open(options->ktap);

	ktap_plan(0, 1);
	if (ret)
		ktap_setup_failed(options->device, "cannot write %s: %s",
				  options->ktap, strerror(-ret));
	ret = __measurements_open(options->measurements);
	if (ret)
		ktap_setup_failed(options->device, "cannot write %s: %s",
				  options->measurements, strerror(-ret));
}

/* Returns the exit status. */
static int bind_and_measure(const struct options *options)
{
	struct binding binding, undo;
	int ret, undone, status = 0;

	ret = __vfio_bind(options->device, &binding);
	undo = binding;
	if (!ret) {
		snprintf(binding.step, sizeof(binding.step), "start a process");
		ret = __measure_in_child(options, &status);
	}
	undone = __vfio_unbind(&undo);
	if (ret)
		ktap_setup_failed(options->device, "cannot %s: %s (errno %d)",
				  binding.step, strerror(-ret), -ret);
	if (undone)
		ktap_setup_failed(options->device,
				  "cannot give the device back: %s: %s (errno %d)",
				  undo.step, strerror(-undone), -undone);
	return report_device(options->device, status);
}

static int list_tests(const struct options *options)
{
	struct test_position position = { 0 };
	const struct test_kind *kind;

	while ((kind = next_test(options, &position)))
		puts(kind->name);
	return ALL_OK;
}

int main(int argc, char **argv)
{
	struct options options;

	if (getpid() == 1)
		inner_main();
	if (argc > 1 && !strcmp(argv[1], EXEC_MMAP))
		return exec_mmap_main(argc, argv);
	options_parse(argc, argv, &options);
	if (options.list)
		return list_tests(&options);
	open_outputs(&options);
	if (geteuid())
		ktap_setup_failed(options.device, "root is needed");
	block_stop(SIG_BLOCK);
	catch_stop(on_stop);
	return bind_and_measure(&options);
}
