# SPDX-License-Identifier: GPL-2.0-only
"""The time that printk writes before each line of the kernel log.  Pure."""

from __future__ import annotations

import re

# With CONFIG_PRINTK_CALLER, the task or the CPU follows (info_print_prefix in kernel/printk/printk.c).
TIMESTAMP = re.compile(r"\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?", re.ASCII)
"""The time, the caller if there is one, and one space; searching for it takes linear time."""


def strip_timestamp(line: str) -> str:
    """Return `line` without the time at its very start; the rest keeps its white space."""
    stamp = TIMESTAMP.match(line)
    return line[stamp.end() :] if stamp else line
