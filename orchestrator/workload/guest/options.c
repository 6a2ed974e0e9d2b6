// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ktap.h"
#include "lib/levels.h"
#include "options.h"

static const char help[] =
"Usage: alignment --device 0000:00:10.0 [OPTION]... [-- VMM ARGUMENT...]\n"
"Where does this kernel place the mmap of a VFIO device's BAR, with which\n"
"page-table entries does it map it, and what does that cost?\n"
"\n"
"  --device ADDRESS      PCI device, with its domain; bound to vfio-pci while\n"
"                        the program runs\n"
"  --bar N               BAR to measure, 0 to 5; may be repeated\n"
"                        (default: all)\n"
"  --offset BYTES        offset in the BAR to begin at (default: 0)\n"
"  --length BYTES        how much to map, at most up to the BAR's end\n"
"                        (default: all of it)\n"
"  --placement RULE      who chooses the address: kernel, qemu, qemu-v4,\n"
"                        cloud-hypervisor, offset, pmd or misaligned; may be\n"
"                        repeated (default: all)\n"
"  --test GROUP          what to test: map, repeat, random, ranges, sub-page,\n"
"                        content, dma, life, split, stage2 or vmm; may be\n"
"                        repeated (default: map)\n"
"  --repeats N           mmaps of each test of the group repeat\n"
"                        (default: 200)\n"
"  --ranges N            random ranges of the group random (default: 2000)\n"
"  --seed N              seed of all that is random (default: 0)\n"
"  --hole BYTES          offset in the BAR of a page that the group ranges\n"
"                        leaves out (default: the MSI-X table)\n"
"  --no-dump             do not read the page tables: the kernel cannot show\n"
"                        them\n"
"  --kernel DIRECTORY    the directory of the kernel that a VMM boots\n"
"  --vmm-root DIRECTORY  the root directory of the VMM\n"
"  --vmm-log FILE        write there what the VMM writes\n"
"  --list                print the names of the tests, and exit\n"
"  --measurements FILE   write every measurement there, a line of JSON each\n"
"  --ktap FILE           write the results there as well as to stdout\n"
"  --help                print this and exit\n"
"\n"
"BYTES are multiples of 4096, and may end in K, M or G.\n"
"Exit status: 0 all ok, 1 some not ok, 2 wrong usage, 3 no VFIO device.\n";

const char * const group_names[NR_GROUPS] = {
	[GROUP_MAP] = "map",
	[GROUP_REPEAT] = "repeat",
	[GROUP_RANDOM] = "random",
	[GROUP_RANGES] = "ranges",
	[GROUP_SUB_PAGE] = "sub-page",
	[GROUP_CONTENT] = "content",
	[GROUP_DMA] = "dma",
	[GROUP_LIFE] = "life",
	[GROUP_SPLIT] = "split",
	[GROUP_STAGE2] = "stage2",
	[GROUP_VMM] = "vmm",
};

__noreturn __printf(1, 2)
static void usage_error(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "alignment: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see alignment --help\n");
	exit(USAGE_ERROR);
}

static int shift_of(char suffix)
{
	switch (suffix) {
	case '\0':
		return 0;
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	}
	return -1;
}

static __u64 parse_bytes(const char *option, const char *argument)
{
	unsigned long long value;
	int shift;
	char *end;

	errno = 0;
	value = strtoull(argument, &end, 0);
	shift = shift_of(*end);
	if (!isdigit(*argument) || shift < 0 || (*end && end[1]))
		usage_error("--%s: '%s' is no number of bytes", option,
			    argument);
	if (errno || value > (~0ULL >> 1) >> shift)
		usage_error("--%s: '%s' is too large", option, argument);
	value <<= shift;
	if (value % PTE_SIZE)
		usage_error("--%s: '%s' is no multiple of %llu", option,
			    argument, PTE_SIZE);
	return value;
}

static __u64 parse_length(const char *argument)
{
	__u64 length = parse_bytes("length", argument);

	if (!length)
		usage_error("--length: nothing to map; leave it out for all");
	return length;
}

static int parse_bar(const char *argument)
{
	if (*argument < '0' || *argument >= '0' + NR_BARS || argument[1])
		usage_error("--bar: '%s' is no BAR, they are 0 to %d",
			    argument, NR_BARS - 1);
	return *argument - '0';
}

static enum placement parse_placement(const char *argument)
{
	int i;

	for (i = 0; i < NR_PLACEMENTS; i++)
		if (!strcmp(argument, placement_names[i]))
			return i;
	usage_error("--placement: '%s' is none of kernel, qemu, qemu-v4, cloud-hypervisor, offset, pmd, misaligned",
		    argument);
}

static enum test_group parse_group(const char *argument)
{
	int i;

	for (i = 0; i < NR_GROUPS; i++)
		if (!strcmp(argument, group_names[i]))
			return i;
	usage_error("--test: '%s' is none of map, repeat, random, ranges, sub-page, content, dma, life, split, stage2, vmm",
		    argument);
}

static __u64 parse_number(const char *option, const char *argument)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(argument, &end, 0);
	if (!isdigit(*argument) || *end || errno)
		usage_error("--%s: '%s' is no number", option, argument);
	return value;
}

/* Lower case, as in sysfs; a domain has four digits or more. */
static bool is_pci_address(const char *address)
{
	static const char digits[] = "0123456789abcdef";
	static const char format[] = ":xx:xx.x";
	size_t domain = strspn(address, digits);
	size_t i;

	if (domain < 4 || domain > 8 ||
	    strlen(address + domain) != strlen(format))
		return false;
	for (i = 0; format[i]; i++)
		if (format[i] == 'x' ? !strchr(digits, address[domain + i]) :
				       address[domain + i] != format[i])
			return false;
	return true;
}

static const char *parse_device(const char *argument)
{
	if (!is_pci_address(argument))
		usage_error("--device: '%s' is no PCI address such as 0000:00:10.0",
			    argument);
	return argument;
}

static bool any(const bool *chosen, int size)
{
	int i;

	for (i = 0; i < size; i++)
		if (chosen[i])
			return true;
	return false;
}

/* If nothing was chosen, choose everything. */
static bool all_unless_any(bool *chosen, int size)
{
	if (any(chosen, size))
		return false;
	memset(chosen, true, size * sizeof(*chosen));
	return true;
}

static bool parse_test_option(int option, struct options *options)
{
	switch (option) {
	case 't':
		options->groups[parse_group(optarg)] = true;
		return true;
	case 'r':
		options->repeats = parse_number("repeats", optarg);
		return true;
	case 'R':
		options->ranges = parse_number("ranges", optarg);
		return true;
	case 's':
		options->seed = parse_number("seed", optarg);
		return true;
	case 'H':
		options->has_hole = true;
		options->hole = parse_bytes("hole", optarg);
		return true;
	case 'D':
		options->no_dump = true;
		return true;
	case 'K':
		options->kernel = optarg;
		return true;
	case 'V':
		options->vmm_root = optarg;
		return true;
	case 'O':
		options->vmm_log = optarg;
		return true;
	case 'L':
		options->list = true;
		return true;
	}
	return false;
}

static void parse_option(int option, struct options *options)
{
	if (parse_test_option(option, options))
		return;
	switch (option) {
	case 'd':
		options->device = parse_device(optarg);
		return;
	case 'b':
		options->bars[parse_bar(optarg)] = true;
		return;
	case 'o':
		options->offset = parse_bytes("offset", optarg);
		return;
	case 'l':
		options->length = parse_length(optarg);
		return;
	case 'p':
		options->placements[parse_placement(optarg)] = true;
		return;
	case 'm':
		options->measurements = optarg;
		return;
	case 'k':
		options->ktap = optarg;
		return;
	case 'h':
		fputs(help, stdout);
		exit(ALL_OK);
	}
	exit(USAGE_ERROR);	/* getopt_long() has printed why */
}

void options_parse(int argc, char **argv, struct options *options)
{
	static const struct option table[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "bar", required_argument, NULL, 'b' },
		{ "offset", required_argument, NULL, 'o' },
		{ "length", required_argument, NULL, 'l' },
		{ "placement", required_argument, NULL, 'p' },
		{ "measurements", required_argument, NULL, 'm' },
		{ "ktap", required_argument, NULL, 'k' },
		{ "test", required_argument, NULL, 't' },
		{ "repeats", required_argument, NULL, 'r' },
		{ "ranges", required_argument, NULL, 'R' },
		{ "seed", required_argument, NULL, 's' },
		{ "hole", required_argument, NULL, 'H' },
		{ "no-dump", no_argument, NULL, 'D' },
		{ "kernel", required_argument, NULL, 'K' },
		{ "vmm-root", required_argument, NULL, 'V' },
		{ "vmm-log", required_argument, NULL, 'O' },
		{ "list", no_argument, NULL, 'L' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	memset(options, 0, sizeof(*options));
	options->repeats = 200;
	options->ranges = 2000;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1)
		parse_option(option, options);
	options->vmm = argv + optind;
	if (optind < argc && !options->groups[GROUP_VMM])
		usage_error("'%s' is no option", argv[optind]);
	if (options->groups[GROUP_VMM] && !options->list &&
	    (optind == argc || !options->kernel || !options->vmm_log))
		usage_error("--test vmm: --kernel, --vmm-log and the command line of a VMM are needed");
	if (!options->device && !options->list)
		usage_error("--device is missing");
	options->any_bar = all_unless_any(options->bars, NR_BARS);
	all_unless_any(options->placements, NR_PLACEMENTS);
	if (!any(options->groups, NR_GROUPS))
		options->groups[GROUP_MAP] = true;
}
