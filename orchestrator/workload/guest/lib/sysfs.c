// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/sysfs.h"

#define DEVICE_PATH	"/sys/bus/pci/devices/%s/%s"
#define DRIVER_PATH	"/sys/bus/pci/drivers/%s/%s"
#define PROBE_PATH	"/sys/bus/pci/drivers_probe"
#define VFIO_PCI	"vfio-pci"

/* Flags in the resource file, see include/linux/ioport.h. */
#define RESOURCE_IO		0x100
#define RESOURCE_PREFETCH	0x2000

/* The last component of the link's target; empty if there is no link. */
static int __read_link(const char *device, const char *name, char *target,
		       size_t size)
{
	char path[PATH_MAX], link[PATH_MAX];
	const char *base;
	ssize_t length;

	*target = '\0';
	snprintf(path, sizeof(path), DEVICE_PATH, device, name);
	length = readlink(path, link, sizeof(link) - 1);
	if (length < 0)
		return errno == ENOENT ? 0 : -errno;
	link[length] = '\0';
	base = strrchr(link, '/');
	base = base ? base + 1 : link;
	if (strlen(base) >= size)
		return -ENAMETOOLONG;
	memcpy(target, base, strlen(base) + 1);
	return 0;
}

/* One line, without its newline. */
static int __read_line(const char *path, char *line, size_t size)
{
	ssize_t length;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = read(fd, line, size - 1);
	close(fd);
	if (length < 0)
		return -errno;
	line[length] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

static int __write_line(const char *path, const char *line)
{
	size_t length = strlen(line);
	ssize_t written;
	int fd, ret;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	written = write(fd, line, length);
	ret = written == (ssize_t)length ? 0 : -errno;
	close(fd);
	return ret;
}

/* An empty line clears the override. */
static int __set_override(struct binding *binding, const char *override)
{
	char path[PATH_MAX], line[NAME_LENGTH + 2];

	snprintf(binding->step, sizeof(binding->step),
		 "set driver_override to '%s'", override);
	snprintf(path, sizeof(path), DEVICE_PATH, binding->device,
		 "driver_override");
	snprintf(line, sizeof(line), "%s\n", override);
	return __write_line(path, line);
}

static int __get_override(struct binding *binding)
{
	char path[PATH_MAX];
	int ret;

	snprintf(binding->step, sizeof(binding->step), "read driver_override");
	snprintf(path, sizeof(path), DEVICE_PATH, binding->device,
		 "driver_override");
	ret = __read_line(path, binding->override, sizeof(binding->override));
	if (!strcmp(binding->override, "(null)"))
		*binding->override = '\0';
	return ret;
}

/* action is bind or unbind. */
static int __write_driver(struct binding *binding, const char *driver,
			  const char *action)
{
	char path[PATH_MAX];

	snprintf(binding->step, sizeof(binding->step), "%s driver %s",
		 action, driver);
	snprintf(path, sizeof(path), DRIVER_PATH, driver, action);
	return __write_line(path, binding->device);
}

static int __get_driver(struct binding *binding, char *driver)
{
	snprintf(binding->step, sizeof(binding->step), "read the driver");
	return __read_link(binding->device, "driver", driver, NAME_LENGTH);
}

/* To the kernel it is no error if a probe finds no driver. */
static int __probe_vfio(struct binding *binding)
{
	char driver[NAME_LENGTH];
	int ret;

	snprintf(binding->step, sizeof(binding->step), "probe drivers");
	ret = __write_line(PROBE_PATH, binding->device);
	if (!ret)
		ret = __get_driver(binding, driver);
	if (ret)
		return ret;
	snprintf(binding->step, sizeof(binding->step),
		 "bind to vfio-pci (is CONFIG_VFIO_PCI there, the IOMMU on?)");
	return strcmp(driver, VFIO_PCI) ? -ENODEV : 0;
}

int __vfio_bind(const char *device, struct binding *binding)
{
	char path[PATH_MAX];
	int ret;

	memset(binding, 0, sizeof(*binding));
	binding->device = device;
	snprintf(binding->step, sizeof(binding->step), "find the PCI device");
	snprintf(path, sizeof(path), DEVICE_PATH, device, "");
	if (access(path, F_OK))
		return -errno;
	ret = __get_driver(binding, binding->driver);
	if (ret || !strcmp(binding->driver, VFIO_PCI))
		return ret;
	ret = __get_override(binding);
	if (ret)
		return ret;
	binding->changed = true;
	if (*binding->driver)
		ret = __write_driver(binding, binding->driver, "unbind");
	if (!ret)
		ret = __set_override(binding, VFIO_PCI);
	return ret ? ret : __probe_vfio(binding);
}

int __vfio_unbind(struct binding *binding)
{
	char driver[NAME_LENGTH];
	int ret;

	if (!binding->changed)
		return 0;
	ret = __get_driver(binding, driver);
	if (!ret && !strcmp(driver, VFIO_PCI))
		ret = __write_driver(binding, VFIO_PCI, "unbind");
	if (!ret)
		ret = __set_override(binding, binding->override);
	if (!ret && *binding->driver && strcmp(driver, binding->driver))
		ret = __write_driver(binding, binding->driver, "bind");
	return ret;
}

int __read_resources(const char *device, struct resource bars[NR_BARS])
{
	unsigned long long start, end, flags;
	char path[PATH_MAX];
	FILE *file;
	int i;

	snprintf(path, sizeof(path), DEVICE_PATH, device, "resource");
	file = fopen(path, "re");
	if (!file)
		return -errno;
	for (i = 0; i < NR_BARS; i++) {
		if (fscanf(file, "%llx %llx %llx", &start, &end, &flags) != 3)
			break;
		bars[i].address = start;
		bars[i].size = end ? end - start + 1 : 0;
		bars[i].io_ports = flags & RESOURCE_IO;
		bars[i].prefetchable = flags & RESOURCE_PREFETCH;
	}
	fclose(file);
	return i == NR_BARS ? 0 : -EINVAL;
}

int __read_group(const char *device, int *group)
{
	char name[NAME_LENGTH];
	int ret = __read_link(device, "iommu_group", name, sizeof(name));

	if (ret)
		return ret;
	if (!*name)
		return -ENODEV;
	*group = atoi(name);
	return 0;
}

bool is_virtual_function(const char *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/physfn", device);
	return !access(path, F_OK);
}
