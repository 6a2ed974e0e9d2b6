// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/vfio.h>

#include "lib/attributes.h"
#include "lib/fault_probe.h"
#include "lib/levels.h"
#include "lib/life.h"
#include "lib/sysfs.h"
#include "lib/vfio.h"

static void judge_access(struct life *life, const char *access, __u64 address,
			 int found, int expected, const char *when)
{
	if (found == expected)
		return;
	test_not_ok(life->test, "%s of 0x%llx %s: %s, expected %s", access,
		    address, when, signal_name(found), signal_name(expected));
}

void life_read(struct life *life, __u64 address, int signal, const char *when)
{
	__u32 word;

	judge_access(life, "read", address, try_read(address, &word), signal,
		     when);
}

/*
 * The word that is there is written again, if it can be read.  Nothing is
 * written to a BAR without memory: a broken kernel allows a write that should
 * raise a signal.
 */
void life_write(struct life *life, __u64 address, int signal,
		const char *when)
{
	__u32 word = 0;

	if (!life->tags.kept)
		return;
	try_read(address, &word);
	judge_access(life, "write", address, try_write(address, word), signal,
		     when);
}

static void check_tag(struct life *life, __u64 address,
		      const struct page_tag *tag, const char *when)
{
	__u32 word = 0;
	int signal = try_read(address, &word);

	if (signal)
		test_not_ok(life->test, "read of 0x%llx %s: %s, expected the page at offset 0x%llx",
			    address, when, signal_name(signal), tag->offset);
	else if (life->tags.kept && word != tag->word)
		test_not_ok(life->test, "0x%llx %s reads 0x%08x, expected 0x%08x of the page at offset 0x%llx: wrong content",
			    address, when, word, tag->word, tag->offset);
}

void life_content(struct life *life, __u64 address, __u64 from, __u64 length,
		  const char *when)
{
	const struct page_tag *tag;
	__u64 at;
	int i;

	for (i = 0; i < life->tags.count; i++) {
		tag = &life->tags.tags[i];
		at = tag->offset - life->range.offset;
		if (at >= from && at - from < length)
			check_tag(life, address + (at - from), tag, when);
	}
}

void life_content_all(struct life *life, const char *when)
{
	life_content(life, life->address, 0, life->range.length, when);
}

static void report_entries(struct life *life, const char *prefix,
			   const struct entries *entries)
{
	const struct {
		const char *level;
		__u64 count;
	} counts[] = {
		{ "pte", entries->pte },
		{ "pmd", entries->pmd },
		{ "pud", entries->pud },
	};
	char name[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		snprintf(name, sizeof(name), "%s_%s", prefix, counts[i].level);
		test_exact(life->test, name, counts[i].count, "entries");
	}
	test_say(life->test, "entries %s: %llu PTE, %llu PMD, %llu PUD",
		 prefix, entries->pte, entries->pmd, entries->pud);
}

bool life_entries(struct life *life, const char *prefix,
		  struct entries *entries)
{
	int ret;

	ret = __entries_read(life->address,
			     life->address + life->range.length, entries);
	if (ret)
		test_failed(life->test, "read the page tables (CONFIG_PTDUMP_DEBUGFS)",
			    ret);
	else
		report_entries(life, prefix, entries);
	return !ret;
}

bool life_touch(struct life *life, __u64 address, __u64 length,
		const char *when)
{
	static __u64 bad;
	int signal = try_pages(address, length, &bad);

	judge_access(life, "read", bad, signal, 0, when);
	return !signal;
}

static __u64 total(const struct entries *entries)
{
	return entries->pte + entries->pmd + entries->pud;
}

void life_judge(struct life *life, const struct entries *entries,
		__u64 mapped, __s64 more, const char *when)
{
	__u64 most = total(&life->entries) + more;

	if (entries->mapped != mapped)
		test_not_ok(life->test, "entries map 0x%llx bytes %s, expected 0x%llx",
			    entries->mapped, when, mapped);
	else if (total(entries) > most)
		test_not_ok(life->test, "%llu PTE, %llu PMD and %llu PUD entries %s: the mapping needs no more than %llu",
			    entries->pte, entries->pmd, entries->pud, when,
			    most);
}

void life_attributes(struct life *life, __u64 address, __u64 length, int prot,
		     const char *when)
{
	struct entries entries;
	int ret = __entries_read(address, address + length, &entries);

	if (ret)
		test_failed(life->test, "read the page tables", ret);
	else
		attributes_judge(life->test, &entries, prot, when);
}

void life_as_before(struct life *life, const char *prefix, const char *when)
{
	struct entries entries;

	if (life_touch(life, life->address, life->range.length, when) &&
	    life_entries(life, prefix, &entries)) {
		life_judge(life, &entries, life->range.length, 0, when);
		attributes_judge(life->test, &entries, life->range.prot, when);
	}
	life_content_all(life, when);
}

/*
 * Both ends of the part are inside one entry.  Entries of the next lower level
 * replace it.  If both ends are inside one of these, PTEs replace that one.
 */
__s64 life_more(const struct life *life)
{
	__s64 more = 0;

	if (life->level > PMD_SIZE)
		more += PUD_SIZE / PMD_SIZE - 1;
	if (life->level > PTE_SIZE && life->part_size < PMD_SIZE)
		more += PMD_SIZE / PTE_SIZE - 1;
	return more;
}

void life_zapped(struct life *life, __u64 address, __u64 length,
		 const char *when)
{
	struct entries entries;
	int ret;

	life_read(life, address, SIGBUS, when);
	life_read(life, address + length - PTE_SIZE, SIGBUS, when);
	ret = __entries_read(address, address + length, &entries);
	if (ret)
		test_failed(life->test, "read the page tables", ret);
	else if (total(&entries))
		test_not_ok(life->test, "%llu PTE, %llu PMD and %llu PUD entries at 0x%llx are left %s, expected none: the mapping was not zapped",
			    entries.pte, entries.pmd, entries.pud, address,
			    when);
}

bool life_has_memory_bit(const struct life *life)
{
	return !is_virtual_function(life->test->options->device);
}

bool life_memory(struct life *life, bool on)
{
	struct vfio vfio = *life->test->vfio;
	int ret;

	vfio.device = life->range.fd;
	ret = __vfio_set_memory(&vfio, on);
	if (ret)
		test_failed(life->test, on ? "set PCI_COMMAND_MEMORY" :
					     "clear PCI_COMMAND_MEMORY", ret);
	return !ret;
}

bool life_can_reset(const struct life *life)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return !ioctl(life->range.fd, VFIO_DEVICE_GET_INFO, &info) &&
	       info.flags & VFIO_DEVICE_FLAGS_RESET;
}
