// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>

#include "lib/access.h"
#include "lib/ram.h"
#include "lib/sysfs.h"

/* Any word that is neither 0 nor all ones, and not likely to be there. */
#define PROBE_WORD	0x5aa5c33c0ff09669ULL

#define PCI_ATTRIBUTE	"/sys/bus/pci/devices/%s/%s"

/* Devices known to have memory, and only memory, behind a BAR. */
static const struct known {
	unsigned int vendor, device;
	int bar;
} known[] = {
	{ 0x1af4, 0x1110, 2 },	/* QEMU: docs/specs/ivshmem-spec */
};

/* Whether the word can be read back, both through the file only. */
static int __keeps(const struct range *range, __u64 offset, __u64 word,
		   bool *keeps)
{
	__u64 found;
	int ret = __file_write(range, offset, &word, sizeof(word));

	if (!ret)
		ret = __file_read(range, offset, &found, sizeof(found));
	*keeps = !ret && found == word;
	return ret;
}

static int __probe_ram(const struct range *range, bool *ram)
{
	__u64 offset = range->offset;
	__u64 before;
	int ret, restored;

	ret = __file_read(range, offset, &before, sizeof(before));
	if (ret)
		return ret;
	ret = __keeps(range, offset, PROBE_WORD, ram);
	if (!ret && *ram)
		ret = __keeps(range, offset, ~PROBE_WORD, ram);
	restored = __file_write(range, offset, &before, sizeof(before));
	return ret ? ret : restored;
}

static int __read_id(const char *device, const char *name, unsigned int *id)
{
	char path[PATH_MAX];
	FILE *file;
	int count;

	snprintf(path, sizeof(path), PCI_ATTRIBUTE, device, name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	count = fscanf(file, "%x", id);
	fclose(file);
	return count == 1 ? 0 : -EINVAL;
}

static int __is_known(const char *device, int bar, bool *found)
{
	unsigned int vendor = 0, id = 0;
	size_t i;
	int ret = __read_id(device, "vendor", &vendor);

	if (!ret)
		ret = __read_id(device, "device", &id);
	*found = false;
	for (i = 0; !ret && i < ARRAY_SIZE(known); i++)
		*found |= known[i].vendor == vendor &&
			  known[i].device == id && known[i].bar == bar;
	return ret;
}

static int __check_memory(const struct range *range, const char **why)
{
	bool ram = false;
	int ret = __probe_ram(range, &ram);

	*why = !ret && ram ? NULL :
	       "the BAR is not backed by RAM: it does not keep what is written to the range's first word";
	return ret;
}

int __ram_check(const struct test *test, const char **why)
{
	const char *device = test->options->device;
	const struct bar *bar = test->bar;
	struct resource resources[NR_BARS];
	bool found;
	int ret;

	*why = "it is not known whether this device's BAR may be written";
	ret = __is_known(device, bar->index, &found);
	if (!ret)
		ret = __read_resources(device, resources);
	if (ret)
		return ret;
	if (!found)
		*why = "writing to this device's BAR is not known to be harmless";
	else if (!resources[bar->index].prefetchable)
		*why = "the BAR is not backed by RAM: it is not prefetchable";
	else if (!(bar->range.prot & PROT_WRITE))
		*why = "VFIO does not let the BAR be written";
	else
		return __check_memory(&bar->range, why);
	return 0;
}

bool is_ram(struct test *test)
{
	const char *why;
	int ret = __ram_check(test, &why);

	if (ret)
		test_failed(test, "find out whether the BAR is RAM", ret);
	else if (why)
		test_skip(test, "%s", why);
	return !ret && !why;
}
