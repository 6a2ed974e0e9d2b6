# SPDX-License-Identifier: GPL-2.0-only
"""Check that a path is safe for a shell, make and comma-separated lists.

virtme-ng 1.42 puts the paths of ``--root``, ``--rodir`` and ``--rwdir`` unquoted into a shell command line
(virtme_ng/run.py).  Kbuild refuses a source directory whose path has a blank or a colon (the top Makefile of Linux).
"""

from __future__ import annotations

from pathlib import Path
from string import ascii_letters, digits

_ALLOWED = frozenset(ascii_letters + digits + "_./+-@~")
ALLOWED_IN_WORDS = "ASCII letters, digits and _ . / + - @ ~"
"""The characters that `odd_character` accepts, for messages."""


def odd_character(path: Path) -> str:
    """Return the first character of `path` that may be unsafe, or "".

    Unsafe is a character that a shell, make or QEMU could interpret.  A byte that is not UTF-8 counts as unsafe: Python
    keeps it as a lone surrogate (PEP 383).
    """
    return next((letter for letter in str(path) if letter not in _ALLOWED), "")
