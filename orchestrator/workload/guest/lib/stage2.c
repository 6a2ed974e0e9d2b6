// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/access.h"
#include "lib/levels.h"
#include "lib/map_range.h"
#include "lib/pagetable.h"
#include "lib/stage2.h"
#include "lib/sysfs.h"
#include "lib/vfio.h"

static bool start_vm(struct guest *guest, __u64 distance)
{
	struct test *test = guest->test;
	__u64 phase = guest->address % PUD_SIZE;
	__u64 window = VM_WINDOW + PUD_SIZE + phase + distance;
	char alignment[32];
	const char *step;
	int ret;

	ret = __vm_open(&guest->vm, window, guest->range.length, &step);
	if (ret == -ENOENT && !strcmp(step, STEP_STAGE2)) {
		test_skip(test, "this kernel does not show stage 2 (CONFIG_PTDUMP_STAGE2_DEBUGFS, debugfs)");
		return false;
	}
	if (ret) {
		test_failed(test, step, ret);
		return false;
	}
	test_say(test, "guest-physical 0x%llx, congruent to the virtual address modulo %s",
		 window, human(alignment_of(window, guest->address),
			       alignment));
	test_varies(test, "guest_address", window, "bytes");
	test_exact(test, "guest_alignment",
		   alignment_of(window, guest->address), "bytes");
	return true;
}

static bool map(struct guest *guest, enum placement placement)
{
	struct placed placed;
	int ret;

	ret = __place(placement, &guest->range, &placed);
	if (ret) {
		test_failed(guest->test, "find an address for the mmap", ret);
		return false;
	}
	guest->address = placed.address;
	report_place(guest->test, &guest->range, &placed);
	ret = __range_map(&guest->range, guest->address);
	if (ret)
		test_failed(guest->test, "map the BAR", ret);
	guest->mapped = !ret;
	return !ret;
}

/* The first multiple of PUD_SIZE in the mapping, or else its first byte. */
static __u64 first_block(const struct range *range, __u64 address)
{
	__u64 block = (address + PUD_SIZE - 1) & ~(PUD_SIZE - 1);

	return block < address + range->length ? block : address;
}

/* Whether this kernel maps any of the range with a PUD entry. */
static int __find_pud(const struct range *range, bool *pud)
{
	struct entries entries;
	struct placed placed;
	__u32 word;
	int ret;

	ret = __place(PLACE_OFFSET, range, &placed);
	if (!ret)
		ret = __range_map(range, placed.address);
	if (ret)
		return ret;
	ret = __mapped_read32(first_block(range, placed.address), &word);
	if (!ret)
		ret = __entries_read(placed.address, placed.address +
				     range->length, &entries);
	*pud = !ret && entries.pud;
	range_unmap(range, placed.address);
	return ret;
}

static void choose_length(struct guest *guest, const struct guest_setup *setup)
{
	size_t longest = setup->longest;
	bool pud = true;

	if (setup->shorten && !guest->test->options->no_dump &&
	    !__find_pud(&guest->range, &pud) && !pud)
		longest = ENOUGH_PTES;
	if (longest && guest->range.length > longest)
		guest->range.length = longest;
}

bool guest_begin(struct guest *guest, struct test *test,
		 const struct guest_setup *setup)
{
	const char *missing = vcpu_missing();

	*guest = (struct guest) { .test = test, .range = test->bar->range };
	if (missing) {
		test_skip(test, "%s", missing);
		return false;
	}
	choose_length(guest, setup);
	if (!map(guest, setup->placement))
		return false;
	if (!start_vm(guest, setup->distance)) {
		range_unmap(&guest->range, guest->address);
		return false;
	}
	if (guest_flags(guest, setup->flags))
		return true;
	guest_end(guest);
	return false;
}

void guest_end(struct guest *guest)
{
	vm_close(&guest->vm);
	if (guest->mapped)
		range_unmap(&guest->range, guest->address);
}

bool guest_read(struct guest *guest, const char *when)
{
	char step[96];
	int ret = __vm_read_pages(&guest->vm, guest->vm.window,
				  guest->range.length);

	snprintf(step, sizeof(step), "let the vCPU read every page %s", when);
	if (ret)
		test_failed(guest->test, step, ret);
	return !ret;
}

bool guest_stage2(struct guest *guest, struct stage2 *stage2)
{
	int ret = __vm_stage2(&guest->vm, stage2);

	if (ret)
		test_failed(guest->test, "count the entries of stage 2", ret);
	return !ret;
}

bool guest_flags(struct guest *guest, __u32 flags)
{
	int ret = __vm_set_memory(&guest->vm, guest->address,
				  guest->range.length, flags);

	if (ret)
		test_failed(guest->test, "give the virtual machine the BAR (KVM_SET_USER_MEMORY_REGION)",
			    ret);
	return !ret;
}

bool guest_memory(struct guest *guest, bool enable)
{
	int ret;

	if (is_virtual_function(guest->test->options->device)) {
		test_skip(guest->test, NO_MEMORY_BIT);
		return false;
	}
	ret = __vfio_set_memory(guest->test->vfio, enable);
	if (ret)
		test_failed(guest->test, "write PCI_COMMAND_MEMORY", ret);
	return !ret;
}

void stage2_report(const struct test *test, const char *name, const char *when,
		   const struct stage2 *stage2)
{
	const struct {
		const char *level;
		__u64 count;
	} levels[] = {
		{ "pte", stage2->pte },
		{ "pmd", stage2->pmd },
		{ "pud", stage2->pud },
	};
	char measurement[32];
	size_t i;

	test_say(test, "stage 2 %s: %llu PTE, %llu PMD, %llu PUD", when,
		 stage2->pte, stage2->pmd, stage2->pud);
	for (i = 0; i < ARRAY_SIZE(levels); i++) {
		snprintf(measurement, sizeof(measurement), "%s_%s", name,
			 levels[i].level);
		test_exact(test, measurement, levels[i].count, "entries");
	}
}

__u64 stage2_bytes(const struct stage2 *stage2)
{
	return stage2->pte * PTE_SIZE + stage2->pmd * PMD_SIZE +
	       stage2->pud * PUD_SIZE;
}
