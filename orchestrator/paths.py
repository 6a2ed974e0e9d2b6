# SPDX-License-Identifier: GPL-2.0-only
"""Which paths can be given to programs that pass them on to a shell, to make or to a list with commas.

virtme-ng 1.42 puts the paths of ``--root``, ``--rodir`` and ``--rwdir`` unquoted into a line of shell
(virtme_ng/run.py), and Kbuild refuses a source directory with a blank or a colon (the top Makefile of Linux).
"""

from __future__ import annotations

from pathlib import Path
from string import ascii_letters, digits

_ALLOWED = frozenset(ascii_letters + digits + "_./+-@~")
ALLOWED_IN_WORDS = "ASCII letters, digits and _ . / + - @ ~"
"""What `odd_character` accepts, for messages."""


def odd_character(path: Path) -> str:
    """The first character of `path` that a shell, make or QEMU could take for something else; "" if there is none.

    A byte that is no UTF-8 counts as one: Python keeps it as a lone surrogate (PEP 383).
    """
    return next((letter for letter in str(path) if letter not in _ALLOWED), "")
