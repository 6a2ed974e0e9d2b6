# SPDX-License-Identifier: GPL-2.0-only
"""Where the paths and addresses of a scenario lead."""

from __future__ import annotations

import re
from pathlib import Path

# git's scp-like form has a host before its first colon, and no slash before that (git-clone(1), GIT URLS).
_ADDRESS = re.compile(r"^(?:[a-z][a-z0-9+.-]*://|(?:[^/@:]+@[^/@:]+|[^/@:]{2,}):)")


def is_address(text: str) -> bool:
    """Whether `text` is an address to fetch from rather than a path."""
    return _ADDRESS.match(text) is not None


def place(text: str, beside: Path) -> Path:
    """The absolute path that `text` names from the directory `beside`; ~ is a home directory."""
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # no such user
        path = Path(text)
    return (beside / path).absolute()
