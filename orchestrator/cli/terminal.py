# SPDX-License-Identifier: GPL-2.0-only
"""The terminal that stdout writes to: its width, and whether it shows colours."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Screen:
    """What a report is printed on: its width in columns, at least 80, and whether it shows colours."""

    width: int
    color: bool


def screen() -> Screen:
    """Return what stdout is now.  It has colours if it is a terminal, unless NO_COLOR (https://no-color.org) is set."""
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Screen(max(shutil.get_terminal_size((80, 24)).columns, 80), color)
