// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

#include "lib/cost.h"
#include "lib/inner.h"
#include "lib/levels.h"
#include "lib/sysfs.h"

#define DEVICES		"/sys/bus/pci/devices"

/* A line of its own, even if the kernel was writing one. */
__printf(1, 2)
static void say(const char *format, ...)
{
	va_list args;

	printf("\n" INNER_MARK);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

static __noreturn void end(void)
{
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static __noreturn void fail(const char *step, int error)
{
	say(INNER_FAILED " cannot %s: %s", step, strerror(error));
	end();
}

static void wait_for_line(void)
{
	struct pollfd console = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[64];

	if (poll(&console, 1, INNER_PATIENCE) == 1 &&
	    read(STDIN_FILENO, line, sizeof(line)) < 0)
		return;		/* as if nothing had come */
}

static int open_file(const char *device, const char *name, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", device, name);
	return open(path, flags | O_CLOEXEC);
}

/* A hexadecimal number in a file of a device; -1 if there is none. */
static long read_hex(const char *device, const char *name)
{
	int fd = open_file(device, name, O_RDONLY);
	char text[32] = "";
	ssize_t length = -1;

	if (fd >= 0) {
		length = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	return length > 0 ? strtol(text, NULL, 16) : -1;
}

/* The name of the device in sysfs; `id` is vendor:device. */
static void find_device(const char *id, char name[NAME_LENGTH])
{
	DIR *devices = opendir(DEVICES);
	unsigned int vendor, device;
	struct dirent *entry;

	if (!devices || sscanf(id, "%x:%x", &vendor, &device) != 2)
		fail("list the PCI devices", devices ? EINVAL : errno);
	while ((entry = readdir(devices))) {
		if (read_hex(entry->d_name, "vendor") != vendor ||
		    read_hex(entry->d_name, "device") != device)
			continue;
		snprintf(name, NAME_LENGTH, "%.*s", NAME_LENGTH - 1,
			 entry->d_name);
		closedir(devices);
		return;
	}
	fail("find the device, which the VMM did not pass through", ENODEV);
}

static void enable(const char *device)
{
	int fd = open_file(device, "enable", O_WRONLY);

	if (fd < 0 || write(fd, "1", 1) != 1)
		fail("enable the device", errno);
	close(fd);
}

static void *map(const char *device, int bar, size_t size)
{
	char name[16];
	void *mapping;
	int fd;

	snprintf(name, sizeof(name), "resource%d", bar);
	fd = open_file(device, name, O_RDONLY);
	if (fd < 0)
		fail("open the BAR", errno);
	mapping = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (mapping == MAP_FAILED)
		fail("map the BAR", errno);
	close(fd);
	return mapping;
}

static void read_pages(const char *mapping, size_t size)
{
	size_t offset;

	for (offset = 0; offset < size; offset += PTE_SIZE)
		(void)READ_ONCE(*(const __u32 *)(mapping + offset));
}

static void read_bar(const char *device, int bar)
{
	struct resource resources[NR_BARS];
	const struct resource *resource = &resources[bar];
	const void *mapping;
	int ret;

	ret = __read_resources(device, resources);
	if (ret)
		fail("read the BARs", -ret);
	if (!resource->size || resource->io_ports)
		fail("find the BAR", ENOENT);
	mapping = map(device, bar, resource->size);
	say(INNER_MAPPED " %llx %llx", resource->address, resource->size);
	wait_for_line();
	read_pages(mapping, resource->size);
	say(INNER_READ);
	wait_for_line();
}

void inner_main(void)
{
	const char *id = getenv(INNER_DEVICE), *bar = getenv(INNER_BAR);
	char device[NAME_LENGTH];

	say(INNER_STARTED);
	if (!id || !bar || *bar < '0' || *bar >= '0' + NR_BARS)
		fail("read the kernel's command line", EINVAL);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL))
		fail("mount sysfs", errno);
	/* No memory is used for the first time while the BAR is read. */
	__cost_prepare();
	find_device(id, device);
	enable(device);
	read_bar(device, *bar - '0');
	end();
}
