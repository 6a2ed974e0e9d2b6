// SPDX-License-Identifier: GPL-2.0-only
#include "lib/iova.h"
#include "lib/levels.h"

bool iova_fits(__u64 start, __u64 last, size_t length, __u64 *iova)
{
	*iova = start > LOWEST_IOVA ? start : LOWEST_IOVA;
	*iova = (*iova + PUD_SIZE - 1) & ~(PUD_SIZE - 1);
	return *iova <= last && last - *iova >= length - 1;
}
