/* SPDX-License-Identifier: GPL-2.0-only */
#ifdef CONFIG_SPECIAL
static inline int special(int entry)
{
	return entry & 1;
}
#else
static inline int special(int entry)
{
	return 0;
}
#endif
