# SPDX-License-Identifier: GPL-2.0-only
"""ccache for every build, for objects that no built tree has.

An example is a change that was made and reverted.

Its directory of compilers is first in PATH, so that the kernel's build files do not see it.  A build with it is the
same as one without.  Its cache is part of orch's cache; the user's settings of ccache are not used.
"""

from __future__ import annotations

import os
from pathlib import Path

COMPILERS = Path("/usr/lib/ccache")
"""The directory in which Debian's ccache has a link to itself for each installed compiler."""

LARGEST = "4G"
"""ccache removes the oldest objects beyond this size.  One kernel in orch's configuration has about 30 MB of
objects."""


def ccache_environment(cache: Path, tree: Path, *, writable: bool) -> dict[str, str]:
    """Return make's environment for compiling `tree` through ccache; empty if it is not installed.

    Without `writable`, ccache only reads: the code of a patch could store wrong objects there.

    Sources are hard links, so their change times carry no information.  Two trees have different paths for the same
    file only if they name it by an absolute path, and `tree` as the base directory solves that.
    """
    if not (COMPILERS / "gcc").exists():
        return {}
    return {
        "PATH": os.pathsep.join((str(COMPILERS), os.environ.get("PATH", os.defpath))),
        "CCACHE_DIR": str(cache / "ccache"),
        "CCACHE_CONFIGPATH": str(cache / "ccache/ccache.conf"),
        "CCACHE_BASEDIR": str(tree),
        "CCACHE_MAXSIZE": LARGEST,
        "CCACHE_SLOPPINESS": "include_file_ctime,include_file_mtime",
        **({} if writable else {"CCACHE_READONLY": "true"}),
    }
