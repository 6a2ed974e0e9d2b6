// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/levels.h"
#include "lib/page_sharers.h"
#include "lib/sysfs.h"

#define DEVICES_PATH	"/sys/bus/pci/devices"

/* Flags in the resource files, see include/linux/ioport.h. */
#define RESOURCE_MEM	0x00000200
#define RESOURCE_UNSET	0x20000000	/* has no address yet */

/* The BARs, and after them the ROM; a bridge's windows come later. */
#define NR_RESOURCES	(NR_BARS + 1)

/* VFIO's name for its part of the page begins so: "vfio sub-page reserved". */
#define RESERVED_BY	"vfio"

struct span pages_of(const struct span *span)
{
	return (struct span) {
		.first = span->first & ~(PTE_SIZE - 1),
		.last = span->last | (PTE_SIZE - 1),
	};
}

static bool overlap(const struct span *a, const struct span *b)
{
	return a->first <= b->last && b->first <= a->last;
}

static bool contains(const struct span *a, const struct span *b)
{
	return a->first <= b->first && b->last <= a->last;
}

/* The number of the first resource of this device in the pages, or -1. */
static int first_in_pages(FILE *resources, const struct span *pages, int own)
{
	unsigned long long flags;
	struct span span;
	int i;

	for (i = 0; i < NR_RESOURCES; i++) {
		if (fscanf(resources, "%llx %llx %llx", &span.first,
			   &span.last, &flags) != 3)
			break;
		if (i == own || !(flags & RESOURCE_MEM) ||
		    flags & RESOURCE_UNSET)
			continue;
		if (overlap(&span, pages))
			return i;
	}
	return -1;
}

static int __check_device(const char *device, const struct span *pages,
			  int own, char name[SHARER_LENGTH])
{
	char path[PATH_MAX];
	FILE *resources;
	int found;

	snprintf(path, sizeof(path), DEVICES_PATH "/%s/resource", device);
	resources = fopen(path, "re");
	if (!resources)
		return -errno;
	found = first_in_pages(resources, pages, own);
	fclose(resources);
	if (found == NR_BARS)
		snprintf(name, SHARER_LENGTH, "the ROM of %s", device);
	else if (found >= 0)
		snprintf(name, SHARER_LENGTH, "BAR%d of %s", found, device);
	return 0;
}

int __find_pci_sharer(const char *device, int bar, const struct span *span,
		      char name[SHARER_LENGTH])
{
	const struct span pages = pages_of(span);
	const struct dirent *entry;
	DIR *devices;
	int own, ret = 0;

	*name = '\0';
	devices = opendir(DEVICES_PATH);
	if (!devices)
		return -errno;
	while (!ret && !*name && (entry = readdir(devices))) {
		if (*entry->d_name == '.')
			continue;
		own = strcmp(entry->d_name, device) ? -1 : bar;
		ret = __check_device(entry->d_name, &pages, own, name);
	}
	closedir(devices);
	return ret;
}

/* "  febf1000-febf10ff : 0000:00:10.0"; returns the name, a part of `line`. */
static const char *parse_line(char *line, struct span *span)
{
	int name = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, " %llx-%llx : %n", &span->first, &span->last,
		   &name) != 2 || !name)
		return NULL;
	return line + name;
}

/*
 * A resource that contains the whole page is a window that the page is in.  A
 * resource inside the BAR is the BAR itself, or its driver's request.
 */
int __parse_iomem(FILE *iomem, const struct span *span,
		  char name[SHARER_LENGTH], bool *reserved)
{
	const struct span pages = pages_of(span);
	static char line[256];
	const char *owner;
	struct span at;
	bool found = false;

	*name = '\0';
	*reserved = false;
	while (fgets(line, sizeof(line), iomem)) {
		owner = parse_line(line, &at);
		if (!owner || !overlap(&at, &pages) || contains(&at, &pages))
			continue;
		if (contains(span, &at))
			found = true;
		else if (at.first == span->last + 1 && at.last == pages.last &&
			 !strncmp(owner, RESERVED_BY, strlen(RESERVED_BY)))
			*reserved = true;
		else if (!*name)
			snprintf(name, SHARER_LENGTH, "%.40s at 0x%llx",
				 owner, at.first);
	}
	if (ferror(iomem))
		return -EIO;
	return found ? 0 : -ENOENT;
}

int __find_iomem_sharer(const struct span *span, char name[SHARER_LENGTH],
			bool *reserved)
{
	FILE *iomem = fopen("/proc/iomem", "re");
	int ret;

	if (!iomem)
		return -errno;
	ret = __parse_iomem(iomem, span, name, reserved);
	fclose(iomem);
	return ret;
}
