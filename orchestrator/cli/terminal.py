# SPDX-License-Identifier: GPL-2.0-only
"""What stdout is: its width, and whether it shows colour."""

from __future__ import annotations

import os
import shutil
import sys


def width() -> int:
    """Columns of stdout, at least 80: no report is made for less."""
    return max(shutil.get_terminal_size((80, 24)).columns, 80)


def colorful() -> bool:
    """Whether stdout wants colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
