// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/access.h"
#include "lib/pattern.h"
#include "lib/random_range.h"

/* The offset of a page has zero bits for the number of the pass. */
static __u64 tag_of(const struct pattern *pattern, enum pass pass,
		    __u64 offset)
{
	struct random_source source = { .state = pattern->seed };

	source.state = random_number(&source, ~0ULL) ^ offset ^ (pass + 1);
	return random_number(&source, ~0ULL);
}

static int __read(struct pattern *pattern, enum way way, __u64 offset,
		  __u64 *word)
{
	const struct range *range = pattern->range;

	pattern->way = way;
	pattern->offset = offset;
	if (way == BY_FILE)
		return __file_read(range, offset, word, sizeof(*word));
	if (way == BY_VM)
		return __vm_read64(pattern->vm, pattern->vm->window + offset -
				   range->offset, word);
	return __mapped_read64(pattern->address + offset - range->offset,
			       word);
}

static int __write(struct pattern *pattern, enum way way, __u64 offset,
		   __u64 word)
{
	const struct range *range = pattern->range;

	pattern->way = way;
	pattern->offset = offset;
	if (way == BY_FILE)
		return __file_write(range, offset, &word, sizeof(word));
	if (way == BY_VM)
		return __vm_write64(pattern->vm, pattern->vm->window + offset -
				    range->offset, word);
	return __mapped_write64(pattern->address + offset - range->offset,
				word);
}

int __pattern_save(struct pattern *pattern)
{
	const struct sample_pages *sample = &pattern->sample;
	int ret = 0;
	size_t i;

	pattern->before = calloc(sample->count, sizeof(*pattern->before));
	if (!pattern->before)
		return -ENOMEM;
	for (i = 0; !ret && i < sample->count; i++)
		ret = __read(pattern, BY_FILE, sample->offsets[i],
			     &pattern->before[i]);
	return ret;
}

int __pattern_restore(struct pattern *pattern)
{
	const struct sample_pages *sample = &pattern->sample;
	int error, ret = 0;
	size_t i;

	for (i = 0; i < sample->count; i++) {
		error = __write(pattern, BY_FILE, sample->offsets[i],
				pattern->before[i]);
		if (error)
			ret = error;
	}
	return ret;
}

int __pattern_write(struct pattern *pattern, enum way way, enum pass pass)
{
	const struct sample_pages *sample = &pattern->sample;
	__u64 offset;
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < sample->count; i++) {
		offset = sample->offsets[i];
		ret = __write(pattern, way, offset,
			      tag_of(pattern, pass, offset));
	}
	return ret;
}

static void compare(struct wrong *wrong, __u64 offset, __u64 expected,
		    __u64 found)
{
	if (found == expected)
		return;
	if (wrong->count++ && wrong->offset <= offset)
		return;
	wrong->offset = offset;
	wrong->expected = expected;
	wrong->found = found;
}

int __pattern_check(struct pattern *pattern, enum way way, enum pass pass,
		    struct wrong *wrong)
{
	const struct sample_pages *sample = &pattern->sample;
	__u64 offset, found;
	size_t i;
	int ret;

	memset(wrong, 0, sizeof(*wrong));
	for (i = 0; i < sample->count; i++) {
		offset = sample->offsets[i];
		ret = __read(pattern, way, offset, &found);
		if (ret)
			return ret;
		compare(wrong, offset, tag_of(pattern, pass, offset), found);
	}
	return 0;
}

/* Whether this pass wrote this tag; *offset is then the page's. */
static bool has_tag(const struct pattern *pattern, enum pass pass, __u64 tag,
		    __u64 *offset)
{
	const struct sample_pages *sample = &pattern->sample;
	size_t i;

	for (i = 0; i < sample->count; i++) {
		*offset = sample->offsets[i];
		if (tag_of(pattern, pass, *offset) == tag)
			return true;
	}
	return false;
}

static bool was_before(const struct pattern *pattern,
		       const struct wrong *wrong)
{
	const struct sample_pages *sample = &pattern->sample;
	size_t i;

	for (i = 0; i < sample->count; i++)
		if (sample->offsets[i] == wrong->offset)
			return pattern->before[i] == wrong->found;
	return false;
}

const char *pattern_origin(const struct pattern *pattern, enum pass pass,
			   const struct wrong *wrong,
			   char text[ORIGIN_LENGTH])
{
	const int now = pass;
	__u64 offset;
	int earlier;

	for (earlier = now; earlier >= 0; earlier--) {
		if (!has_tag(pattern, earlier, wrong->found, &offset))
			continue;
		snprintf(text, ORIGIN_LENGTH, "%s BAR offset 0x%llx",
			 earlier == now ? "the page at" :
					   "what an earlier pass wrote to",
			 offset);
		return text;
	}
	return was_before(pattern, wrong) ? "what was there before the test" :
					    "something that was never written";
}
