# SPDX-License-Identifier: GPL-2.0-only
"""The C program that shows one failing case of a mapping without orch, as a template with names between @ signs.

The program has at most `MOST_LINES` lines.
"""

from __future__ import annotations

from pathlib import Path

MOST_LINES = 100

PROGRAM = Path(__file__).with_name("reproducer.c.in").read_text()
BY_KERNEL = """\
	/* Where the kernel puts it, and again with a page in the way there. */
	at = map(0, LENGTH, fd, bar.offset + OFFSET);
	munmap((void *)at, LENGTH);
	map(at + LENGTH - 4096, 4096, -1, 0);
	other = map(0, LENGTH, fd, bar.offset + OFFSET);
	munmap((void *)other, LENGTH);
	munmap((void *)(at + LENGTH - 4096), 4096);"""

BY_RULE = """\
	/* @RULE@ */
	at = map(0, LENGTH + 2 * @ALIGN@UL, -1, 0);
	munmap((void *)at, LENGTH + 2 * @ALIGN@UL);
	at += (@PHASE@UL - at) & (@ALIGN@UL - 1);
	other = at + @ALIGN@UL;"""
