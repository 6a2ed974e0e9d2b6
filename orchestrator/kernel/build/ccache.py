# SPDX-License-Identifier: GPL-2.0-only
"""ccache behind every build: for what a built tree cannot spare, such as objects after a change that came and went.

Its directory of compilers goes first on PATH, so that the kernel's build files see nothing of it, and a build with it
is the same as one without.  It lies in orch's own cache; the user's settings of ccache play no part.
"""

from __future__ import annotations

import os
from pathlib import Path

COMPILERS = Path("/usr/lib/ccache")
"""Where Debian's ccache has a link to itself under the name of every compiler that is installed."""

LARGEST = "4G"
"""ccache removes the oldest objects beyond this; a kernel as orch configures it has about 30 MB of them."""


def ccache_environment(cache: Path, tree: Path, *, writable: bool) -> dict[str, str]:
    """What make needs in its environment to compile `tree` through ccache; nothing where that is not installed.

    Without `writable` it only reads: the code of a patch could leave objects there that are not what they seem.

    Sources are hard links, whose change times say nothing.  Two trees name the same file by different paths only where
    they name it absolutely, which `tree` as the base takes care of.
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
