/* SPDX-License-Identifier: GPL-2.0-only */
#include "pgtable.h"
int main(void)
{
	return 0;
}
