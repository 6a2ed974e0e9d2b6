// SPDX-License-Identifier: GPL-2.0-only
/*
 * One mmap proves little: the top of the mmap area is random, and an address
 * that was not aligned is still a multiple of 2 MiB once in 512 times.  And the
 * next boot gives another result.  So every placement looks for an address that
 * its rule allows and that is not better aligned than the rule requires.
 *
 * A rule is: address = phase (modulo align).  Take two addresses that follow it
 * and are `align` apart.  Either neither is congruent to the BAR offset modulo
 * `align`; then both have exactly the alignment that phase and offset dictate.
 * Or both are; then exactly one of them is congruent modulo 2 * align.  In both
 * cases the worse of the two has an alignment that does not depend on chance.
 *
 * For `kernel` the rule itself is unknown.  Let the kernel align to G (4 KiB if
 * it does not align) and search from the top down.  The first mmap is placed at
 * A0, the highest address in the first hole with room at which the mapping ends
 * in the hole and which is a multiple of G (shifted by the offset, if the
 * kernel takes it into account).  Unmap it, and reserve one page, the wall,
 * where its last page was.  Above the wall no multiple of G has room, or A0
 * would not have been the highest; below it A0 - G is the highest address at
 * which the mapping ends before the wall.  So the second mmap is placed at
 * A0 - G, and by the same argument the third, with another wall, at A0 - 2G.
 * A0 and A0 - G are G apart, so the worse of them is aligned to G and not
 * better, whether G is 4 KiB, 64 KiB, 2 MiB or 1 GiB.  If the kernel searches
 * from the bottom up, the wall replaces the first page, and the second mmap is
 * placed at A0 + G.
 *
 * The argument needs a hole that continues for some GiB past A0.  A smaller
 * hole is filled first: an address in it would be aligned only by chance.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/levels.h"
#include "lib/placement.h"

/* One step more than the probes, for kernels that search for length + G. */
#define ROOM		(NR_PROBES * PUD_SIZE)
#define MAX_PLUGS	64

struct plug {
	__u64 start, length;
};

const char * const placement_names[NR_PLACEMENTS] = {
	[PLACE_KERNEL] = "kernel",
	[PLACE_QEMU] = "qemu",
	[PLACE_QEMU_V4] = "qemu-v4",
	[PLACE_CLOUD_HYPERVISOR] = "cloud-hypervisor",
	[PLACE_OFFSET] = "offset",
	[PLACE_PMD] = "pmd",
	[PLACE_MISALIGNED] = "misaligned",
};

static __u64 lowest_bit(__u64 value)
{
	return value & -value;
}

__u64 alignment_of(__u64 address, __u64 offset)
{
	__u64 bit = lowest_bit(address - offset);

	return bit && bit < PUD_SIZE ? bit : PUD_SIZE;
}

/* Reserve PROT_NONE memory; if address is 0, the kernel chooses. */
static int __reserve(__u64 address, size_t length, __u64 *at)
{
	int fixed = address ? MAP_FIXED_NOREPLACE : 0;
	void *p = mmap((void *)address, length, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed,
		       -1, 0);

	*at = p == MAP_FAILED ? 0 : (__u64)p;
	return *at ? 0 : -errno;
}

static void release(__u64 address, size_t length)
{
	munmap((void *)address, length);
}

int __range_mmap(const struct range *range, __u64 address, __u64 *at)
{
	int fixed = address ? MAP_FIXED_NOREPLACE : 0;
	void *p = mmap((void *)address, range->length, range->prot,
		       MAP_SHARED | fixed, range->fd,
		       range->fd_offset + range->offset);

	*at = p == MAP_FAILED ? 0 : (__u64)p;
	return *at ? 0 : -errno;
}

int __range_map(const struct range *range, __u64 address)
{
	__u64 at;

	return __range_mmap(range, address, &at);
}

void range_unmap(const struct range *range, __u64 address)
{
	release(address, range->length);
}

static void choose_worse(const struct range *range, __u64 address,
			 struct placed *placed)
{
	__u64 alignment = alignment_of(address, range->offset);

	if (placed->alignment && placed->alignment <= alignment)
		return;
	placed->address = address;
	placed->alignment = alignment;
}

/* Reserve more than is needed, so that an address in it follows the rule. */
int __place_modulo(const struct range *range, __u64 align, __u64 phase,
		   struct placed *placed)
{
	size_t length = range->length + 2 * align;
	__u64 base, address;
	int ret;

	ret = __reserve(0, length, &base);
	if (ret)
		return ret;
	address = base + ((phase - base) & (align - 1));
	release(base, length);
	choose_worse(range, address, placed);
	choose_worse(range, address + align, placed);
	return 0;
}

/*
 * As QEMU does since 9.2: align to the lowest set bit of the length, at most
 * 1 GiB, regardless of the range's offset in the BAR.
 */
static int __place_qemu(const struct range *range, struct placed *placed)
{
	__u64 align = lowest_bit(range->length);

	if (align > PUD_SIZE)
		align = PUD_SIZE;
	return __place_modulo(range, align, 0, placed);
}

/* The next power of two of the length, at least a page and at most 1 GiB. */
static __u64 round_up_to_power(__u64 length)
{
	__u64 power = PTE_SIZE;

	while (power < length && power < PUD_SIZE)
		power *= 2;
	return power;
}

/*
 * As version 4 of a proposal for QEMU, "hw/vfio: align mmap to power-of-2 of
 * region size for hugepfnmap" of February 2026: the address of the whole region
 * is aligned to the next power of two of its size, and each area that can be
 * mapped is laid over it at its own offset.  More than 1 GiB makes no
 * difference to the levels.
 */
static int __place_qemu_v4(const struct range *range, struct placed *placed)
{
	return __place_modulo(range, round_up_to_power(range->bar_size),
			      range->offset, placed);
}

/*
 * As cloud-hypervisor does since July 2026 (pci/src/mmap.rs,
 * find_alignment()): align to the next power of two of the length, at most
 * 1 GiB, regardless of the range's offset in the BAR.
 */
static int __place_cloud_hypervisor(const struct range *range,
				    struct placed *placed)
{
	return __place_modulo(range, round_up_to_power(range->length), 0,
			      placed);
}

static int __place_offset(const struct range *range, struct placed *placed)
{
	__u64 align = PTE_SIZE;

	if (range->length >= PUD_SIZE)
		align = PUD_SIZE;
	else if (range->length >= PMD_SIZE)
		align = PMD_SIZE;
	return __place_modulo(range, align, range->offset, placed);
}

/*
 * Good for PMD entries and for none that are larger: a kernel that enters PUDs
 * if they fit would have no PMD entry in a BAR that is placed better.  The
 * address is off by half a GiB: a kernel that checks too few bits of it enters
 * a PUD, and is detected.
 */
static int __place_pmd(const struct range *range, struct placed *placed)
{
	return __place_modulo(range, PUD_SIZE, range->offset + PUD_SIZE / 2,
			      placed);
}

static int __place_misaligned(const struct range *range, struct placed *placed)
{
	return __place_modulo(range, PMD_SIZE, range->offset + PTE_SIZE,
			      placed);
}

/* First fit: the second of two reservations is further along the search. */
int __searches_down(bool *down)
{
	__u64 first, second;
	int ret;

	ret = __reserve(0, PTE_SIZE, &first);
	if (ret)
		return ret;
	ret = __reserve(0, PTE_SIZE, &second);
	if (!ret)
		release(second, PTE_SIZE);
	release(first, PTE_SIZE);
	*down = second < first;
	return ret;
}

static bool has_room(const struct range *range, __u64 address, bool down)
{
	__u64 start = down ? address - ROOM : address;
	__u64 at;

	if ((down && address <= ROOM) ||
	    __reserve(start, range->length + ROOM, &at))
		return false;
	release(at, range->length + ROOM);
	return true;
}

/* Where the kernel places an mmap of the range now. */
static int __probe(const struct range *range, __u64 *address)
{
	int ret = __range_mmap(range, 0, address);

	if (!ret)
		range_unmap(range, *address);
	return ret;
}

/*
 * Fill the hole at the address, from there on in the direction of the search.
 * The steps become smaller, and their sum is more than ROOM.
 */
static int __plug(const struct range *range, __u64 address, bool down,
		  struct plug *plug)
{
	__u64 step, at, end = address + range->length;

	plug->length = range->length;
	for (step = 2 * PUD_SIZE; step >= PTE_SIZE; step /= 2) {
		at = down ? end - plug->length - step : address;
		if (at >= end || __reserve(at, plug->length + step, &at))
			continue;
		release(at, plug->length + step);
		plug->length += step;
	}
	at = down ? end - plug->length : address;
	return __reserve(at, plug->length, &plug->start);
}

/* Fill every hole that is too small for all probes; the plugs stay mapped. */
static int __probe_with_room(const struct range *range, bool down,
			     struct plug *plugs, int *nr_plugs, __u64 *address)
{
	int ret;

	for (;;) {
		ret = __probe(range, address);
		if (ret || has_room(range, *address, down))
			return ret;
		if (*nr_plugs == MAX_PLUGS)
			return -ENOSPC;
		ret = __plug(range, *address, down, &plugs[*nr_plugs]);
		if (ret)
			return ret;
		++*nr_plugs;
	}
}

/* Reserve a page where the last probe ended, or began; then probe again. */
static int __probe_again(const struct range *range, bool down, __u64 *wall,
			 __u64 last, __u64 *address)
{
	__u64 end = down ? range->length - PTE_SIZE : 0;
	int ret;

	ret = __reserve(last + end, PTE_SIZE, wall);
	return ret ? ret : __probe(range, address);
}

static int __place_kernel(const struct range *range, struct placed *placed)
{
	__u64 walls[NR_PROBES] = { 0 };
	struct plug plugs[MAX_PLUGS];
	__u64 *probes = placed->probes;
	int nr_plugs = 0;
	bool down;
	int i, ret;

	ret = __searches_down(&down);
	if (!ret)
		ret = __probe_with_room(range, down, plugs, &nr_plugs, probes);
	for (i = 1; !ret && i < NR_PROBES; i++)
		ret = __probe_again(range, down, &walls[i], probes[i - 1],
				    &probes[i]);
	for (i = 0; i < NR_PROBES; i++)
		if (walls[i])
			release(walls[i], PTE_SIZE);
	while (nr_plugs--)
		release(plugs[nr_plugs].start, plugs[nr_plugs].length);
	if (ret)
		return ret;
	placed->nr_probes = NR_PROBES;
	for (i = 0; i < NR_PROBES; i++)
		choose_worse(range, probes[i], placed);
	return 0;
}

int __place(enum placement placement, const struct range *range,
	    struct placed *placed)
{
	static int (* const place[NR_PLACEMENTS])(const struct range *range,
						  struct placed *placed) = {
		[PLACE_KERNEL] = __place_kernel,
		[PLACE_QEMU] = __place_qemu,
		[PLACE_QEMU_V4] = __place_qemu_v4,
		[PLACE_CLOUD_HYPERVISOR] = __place_cloud_hypervisor,
		[PLACE_OFFSET] = __place_offset,
		[PLACE_PMD] = __place_pmd,
		[PLACE_MISALIGNED] = __place_misaligned,
	};

	memset(placed, 0, sizeof(*placed));
	return place[placement](range, placed);
}
