// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping in a child process, and a mapping of a device that was closed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/attributes.h"
#include "lib/fault_probe.h"
#include "lib/life_setup.h"
#include "lib/sysfs.h"
#include "lib/vfio.h"
#include "tests.h"

/* A byte in each direction, in turn; none arrives from a process that ended. */
struct turns {
	int to_child[2], to_parent[2];
};

static bool give(const int pipe[2])
{
	return write(pipe[1], "", 1) == 1;
}

static bool await(const int pipe[2])
{
	char byte;

	return read(pipe[0], &byte, 1) == 1;
}

static void child_writes(struct life *life)
{
	struct page_tag *tag = &life->tags.tags[0];
	__u64 at = life->address + tag->offset - life->range.offset;

	if (life->tags.kept && try_write(at, ~tag->word))
		test_not_ok(life->test, "a child cannot write to 0x%llx",
			    at);
}

/* The mapping is shared, and so is what the child wrote. */
static void parent_reads(struct life *life)
{
	struct page_tag *tag = &life->tags.tags[0];
	__u64 at = life->address + tag->offset - life->range.offset;
	__u32 word = 0;

	if (!life->tags.kept)
		return;
	try_read(at, &word);
	if (word != ~tag->word)
		test_not_ok(life->test, "0x%llx reads 0x%08x after a child wrote 0x%08x there",
			    at, word, ~tag->word);
	if (__page_tag_write(&life->tags, tag))
		test_not_ok(life->test, "cannot write through the region's file");
}

/*
 * The entries are copied, since they map a device (mm/memory.c:
 * vma_needs_copy()).  6.1 copies them after it has called vfio_pci_mmap_open()
 * (kernel/fork.c: dup_mmap()), and zaps only areas that have faulted
 * (drivers/vfio/pci/vfio_pci_core.c: vfio_pci_zap_and_vma_lock()).  So entries
 * of a child that has not faulted, and of what mremap moved, stay there when
 * memory-enable is cleared.
 */
static void judge_copied(struct life *life, const struct entries *entries)
{
	const struct entries *parent = &life->entries;

	if (entries->pte != parent->pte || entries->pmd != parent->pmd ||
	    entries->pud != parent->pud)
		test_not_ok(life->test, "%llu PTE, %llu PMD and %llu PUD entries in a child that has touched nothing, expected those of its parent",
			    entries->pte, entries->pmd, entries->pud);
	attributes_judge(life->test, entries, life->range.prot, "in a child");
}

static void child_main(struct life *life, struct turns *turns)
{
	struct entries entries;

	if (life_entries(life, "child", &entries))
		judge_copied(life, &entries);
	life_content_all(life, "in a child");
	child_writes(life);
	if (!give(turns->to_parent) || !await(turns->to_child))
		return;
	if (life_has_memory_bit(life))
		life_zapped(life, life->address, life->range.length,
			  "in a child, with memory off");
	if (!give(turns->to_parent) || !await(turns->to_child))
		return;
	life_as_before(life, "child_again",
		       "in a child, with memory on again");
}

static void parent_main(struct life *life, struct turns *turns)
{
	if (!await(turns->to_parent)) {
		test_not_ok(life->test, "the child ended early");
		return;
	}
	parent_reads(life);
	if (life_has_memory_bit(life))
		life_memory(life, false);
	else
		test_say(life->test, "not tried with memory off: %s",
			 NO_MEMORY_BIT);
	if (!give(turns->to_child) || !await(turns->to_parent))
		test_not_ok(life->test, "the child ended early");
	life_memory(life, true);
	give(turns->to_child);
}

static pid_t start_child(struct life *life, struct turns *turns)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(turns->to_child[1]);
	close(turns->to_parent[0]);
	child_main(life, turns);
	fflush(NULL);
	_exit(0);
}

static void fork_and_wait(struct life *life)
{
	struct turns turns;
	int status = 0;
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	if (pipe(turns.to_child) || pipe(turns.to_parent)) {
		test_failed(life->test, "make a pipe", -errno);
		return;
	}
	pid = start_child(life, &turns);
	if (pid < 0) {
		test_failed(life->test, "fork", -errno);
		return;
	}
	close(turns.to_child[0]);
	close(turns.to_parent[1]);
	parent_main(life, &turns);
	close(turns.to_child[1]);
	if (waitpid(pid, &status, 0) != pid || status)
		test_not_ok(life->test, "the child ended with wait status 0x%x",
			    status);
}

void run_life_fork(struct test *test)
{
	struct life life;

	if (!life_begin(&life, test))
		return;
	fork_and_wait(&life);
	life_as_before(&life, "again", "after a child ended");
	life_end(&life);
}

static pid_t start_without(struct life *life)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	life_read(life, life->part, SIGSEGV,
		  "in a child, which must not have that part");
	life_read(life, life->block, 0, "in a child");
	life_read(life, life->part + life->part_size, 0, "in a child");
	fflush(NULL);
	_exit(0);
}

/*
 * A part with MADV_DONTFORK is an area of its own, and no entry of it may be
 * copied to a child, also not as a piece of a larger entry (mm/memory.c:
 * copy_pud_range() copies a huge entry as a whole).
 */
void run_life_dontfork(struct test *test)
{
	struct life life;
	int status = 0;
	pid_t pid;

	if (!life_begin(&life, test))
		return;
	if (madvise((void *)life.part, life.part_size, MADV_DONTFORK))
		test_failed(test, "madvise(MADV_DONTFORK)", -errno);
	life_content_all(&life, "with a part that no child is to have");
	pid = start_without(&life);
	if (pid < 0)
		test_failed(test, "fork", -errno);
	else if (waitpid(pid, &status, 0) != pid || status)
		test_not_ok(test, "the child ended with wait status 0x%x",
			    status);
	life_content_all(&life, "after a child ended");
	life_end(&life);
}

/* The mapping keeps the device's file open, so the group is still in use. */
static void try_open(struct life *life, int group)
{
	struct vfio vfio;
	const char *step;
	int ret;

	ret = __vfio_open(&vfio, life->test->options->device, group,
			  MODE_TYPE1V2, &step);
	test_say(life->test, "opening it while only a mapping is left: %s: %s",
		 ret ? step : "works", ret ? strerror(-ret) : "ok");
	test_exact(life->test, "errno_open", -ret, "errno");
	vfio_close(&vfio);
}

static void open_again(struct life *life, int group)
{
	static struct vfio vfio;
	const char *step;
	int ret;

	ret = __vfio_open(&vfio, life->test->options->device, group,
			  MODE_TYPE1V2, &step);
	if (!ret) {
		life->range.fd = vfio.device;
		life->tags.range.fd = vfio.device;
		step = "map it again";
		ret = __range_map(&life->range, life->address);
	}
	if (ret)
		test_not_ok(life->test, "cannot open the device again after its last mapping was unmapped: %s: %s",
			    step, strerror(-ret));
	else
		life_as_before(life, "again", "after it was opened again");
}

void run_life_close(struct test *test)
{
	struct life life;
	bool resets;
	int group, ret;

	ret = __read_group(test->options->device, &group);
	if (ret) {
		test_failed(test, "read the IOMMU group", ret);
		return;
	}
	if (!life_begin(&life, test))
		return;
	resets = life_can_reset(&life);
	vfio_close(test->vfio);
	life_as_before(&life, "closed", "after the device was closed");
	try_open(&life, group);
	life_as_before(&life, "tried", "after the device was closed");
	range_unmap(&life.range, life.address);
	/* A reset may clear the BAR's content. */
	if (resets)
		life.tags.kept = false;
	open_again(&life, group);
	life_end(&life);
}
