# SPDX-License-Identifier: GPL-2.0-only
"""Resolve the paths and recognize the addresses in a scenario."""

from __future__ import annotations

import re
from pathlib import Path

# git's scp-like form has a host before its first colon, and no slash before that (git-clone(1), GIT URLS).
_ADDRESS = re.compile(r"^(?:[a-z][a-z0-9+.-]*://|(?:[^/@:]+@[^/@:]+|[^/@:]{2,}):)")


def is_address(text: str) -> bool:
    """Return whether `text` is an address to fetch from, not a path."""
    return _ADDRESS.match(text) is not None


def place(text: str, beside: Path) -> Path:
    """Return the absolute path of `text`, which is relative to the directory `beside`.

    ~ is a home directory.
    """
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # no such user
        path = Path(text)
    return (beside / path).absolute()
