# SPDX-License-Identifier: GPL-2.0-only
"""Find, copy and prepare the modules of a prebuilt kernel for a guest.

A guest uses busybox's modprobe, which reads modules.dep and supports few compression formats.  So the modules are
unpacked and indexed here, once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.host.base import Command, Host
from orchestrator.host.full import failure

BELOW = "lib/modules"
"""The directory of modules in an artifact, with one directory per release."""

_LINKS_TO_SOURCE = ("build", "source")

_UNPACK = r"""set -eu
# Forced, since the files are links: only the packed link is removed, not the file that it shares.
find "$1" -name '*.ko.xz' -print0 | xargs -0r -n 64 -P "$2" xz -d -f
find "$1" -name '*.ko.gz' -print0 | xargs -0r -n 64 -P "$2" gzip -d -f
find "$1" -name '*.ko.zst' -print0 | xargs -0r -n 64 -P "$2" zstd -d -q --rm
"""

_INDEX = r"""set -eu
# kmod reads /lib or /usr/lib, depending on how it was built.
mkdir -p "$1/usr" && ln -s ../lib "$1/usr/lib"
PATH=$PATH:/usr/sbin:/sbin depmod -b "$1" "$2"
rm -r "$1/usr"
test -s "$1/lib/modules/$2/modules.dep"
"""


def find_modules(directory: Path, release: str) -> Path | None:
    """Return the directory with the modules of `release`, or None.

    `directory` may be that directory, its parent, or the root that ``make modules_install`` installed to.
    """
    if directory.name == release and (directory / "kernel").is_dir():
        return directory
    return next(
        (
            directory / below / release
            for below in (BELOW, f"usr/{BELOW}", ".")
            if (directory / below / release / "kernel").is_dir()
        ),
        None,
    )


def releases_in(directory: Path) -> list[str]:
    """Return the releases whose modules are in `directory`, for an error message."""
    places = (directory, directory / BELOW, directory / "usr" / BELOW)
    kernels = (path for place in places if place.is_dir() for path in place.glob("*/kernel"))
    found = {path.parent.name for path in kernels if path.is_dir()}
    return sorted(found | ({directory.name} if (directory / "kernel").is_dir() else set()))


def require_modules(directory: Path, release: str, where: str) -> Path:
    """Return the same as `find_modules`, but raise UsageError, with `where`, if there are none.

    The error names the other releases whose modules are there.
    """
    found = find_modules(directory, release)
    if found:
        return found
    others = releases_in(directory)
    what = f"only of {', '.join(others)}" if others else f"no lib/modules/{release}"
    raise UsageError(f"{where}: {directory} has no modules of this kernel, which is Linux {release}, {what}")


def copy_modules(modules: Path, place: Path, copy: Callable[[str, str], object] = shutil.copy2) -> None:
    """Copy the modules of one release to `place`, without the links to their source.

    `copy` copies each file.  Raises OSError.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(modules, place, ignore=partial(_left_out, modules), copy_function=copy)


def _left_out(top: Path, at: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(at) == top and name in _LINKS_TO_SOURCE]


def lay_out(host: Host, root: Path, release: str, jobs: int) -> None:
    """Unpack and index the modules in `root`/lib/modules/`release`, with `jobs` processes.

    The files are changed in place.  Raises CommandError.
    """
    tree = root / BELOW / release
    _succeed(host, ("sh", "-c", _UNPACK, "unpack", str(tree), str(jobs)), f"unpacking the modules of Linux {release}")
    _succeed(host, ("sh", "-c", _INDEX, "index", str(root), release), f"indexing the modules of Linux {release}")


def _succeed(host: Host, argv: tuple[str, ...], what: str) -> None:
    done = host.run(Command(argv, timeout=1800))
    if not done.ok:
        why = (done.output.strip().splitlines() or ["no reason was given"])[-1]
        raise failure(f"{what} failed: {why}", done.output)
