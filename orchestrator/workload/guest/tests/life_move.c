// SPDX-License-Identifier: GPL-2.0-only
/*
 * mremap of a huge mapping.  All of it, or a part of it, may move, but it must
 * not grow: VFIO sets VM_DONTEXPAND, since what follows it in the file does not
 * belong to the BAR (mm/mremap.c: check_prep_vma(), formerly vma_to_resize()).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/levels.h"
#include "lib/life_setup.h"
#include "lib/vfio.h"
#include "tests.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4	/* linux/mman.h, since 5.7 */
#endif

/* A free address that equals `like` modulo 1 GiB; 0 if there is none. */
static __u64 find_room(__u64 like, __u64 length)
{
	__u64 enough = length + 2 * PUD_SIZE;
	void *room = mmap(NULL, enough, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return 0;
	munmap(room, enough);
	return (__u64)room + ((like - (__u64)room) & (PUD_SIZE - 1));
}

/* Check that mremap fails with this error. */
static void refused(struct life *life, __u64 new_length, int flags, int error,
		    const char *what)
{
	void *moved = mremap((void *)life->address, life->range.length,
			     new_length, flags);

	if (moved != MAP_FAILED)
		test_not_ok(life->test, "%s was accepted, at 0x%llx, expected it to be refused",
			    what, (__u64)moved);
	else if (errno != error)
		test_not_ok(life->test, "%s: %s, expected %s", what,
			    strerror(errno), strerror(error));
}

static void check_refused(struct life *life)
{
	__u64 length = life->range.length;

	refused(life, length + PTE_SIZE, 0, EFAULT,
		"mremap to grow by a page");
	refused(life, length + PTE_SIZE, MREMAP_MAYMOVE, EFAULT,
		"mremap to grow by a page and move");
	refused(life, length, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, EINVAL,
		"mremap with MREMAP_DONTUNMAP");
	life_content_all(life, "after mremap was refused");
}

/*
 * False if it failed.  The old address is read at once, before anything else
 * can flush from the TLB what mremap should have flushed.
 */
static bool move(struct life *life, __u64 from, __u64 to, __u64 length)
{
	void *moved = MAP_FAILED;

	life_read(life, from, 0, "before mremap");
	if (to)
		moved = mremap((void *)from, length, length,
			       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (moved == MAP_FAILED)
		test_failed(life->test, "move the mapping with mremap",
			    to ? -errno : -ENOMEM);
	else
		life_read(life, from, SIGSEGV, "from which mremap moved it");
	return moved != MAP_FAILED;
}

/* A mapping that moved must still be found when all mappings are zapped. */
static void disable_moved(struct life *life, __u64 address, __u64 length,
			  __u64 from)
{
	if (!life_has_memory_bit(life)) {
		test_say(life->test, "not tried with memory off: %s",
			 NO_MEMORY_BIT);
		return;
	}
	if (!life_memory(life, false))
		return;
	life_zapped(life, address, length,
		  "where mremap moved the mapping, with memory off");
	if (life_memory(life, true))
		life_content(life, address, from, length,
			     "where mremap moved it, with memory on again");
}

static void move_all(struct life *life)
{
	__u64 old = life->address;
	__u64 new = find_room(old, life->range.length);
	struct entries entries;

	if (!move(life, old, new, life->range.length))
		return;
	life->address = new;
	life_entries(life, "after", &entries);
	life_content_all(life, "where mremap moved it");
	life_as_before(life, "again", "where mremap moved it");
	disable_moved(life, new, life->range.length, 0);
}

void run_life_mremap(struct test *test)
{
	struct life life;

	if (!life_begin(&life, test))
		return;
	check_refused(&life);
	move_all(&life);
	life_end(&life);
}

static void move_part(struct life *life)
{
	__u64 length = life->part_size;
	__u64 old = life->part;
	__u64 new = find_room(old, length);
	__u64 before = old - life->address;
	__u64 after = before + length;
	struct entries entries;

	if (!move(life, old, new, length))
		return;
	life_entries(life, "after", &entries);
	life_content(life, new, before, length,
		     "where mremap moved a part of it");
	life_content(life, life->address, 0, before,
		     "before the part that mremap moved");
	life_content(life, old + length, after, life->range.length - after,
		     "after the part that mremap moved");
	if (life_touch(life, life->address, before, "left by mremap") &&
	    life_touch(life, old + length, life->range.length - after,
		       "left by mremap"))
		life_entries(life, "again", &entries);
	disable_moved(life, new, length, before);
	munmap((void *)new, length);
}

void run_life_mremap_part(struct test *test)
{
	struct life life;

	if (!life_begin(&life, test))
		return;
	move_part(&life);
	life_end(&life);
}
