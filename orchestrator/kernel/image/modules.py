# SPDX-License-Identifier: GPL-2.0-only
"""The modules of a kernel that was not built here: found, copied, and laid out so that a guest can load them.

A guest has busybox's modprobe, which reads modules.dep and no compressed modules but some; so they are unpacked and
indexed here, once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from orchestrator.errors import CommandError, UsageError
from orchestrator.host.base import Command, Host

BELOW = "lib/modules"
"""Where modules are in an artifact, a directory per release."""

_LINKS_TO_SOURCE = ("build", "source")

_UNPACK = r"""set -eu
# By force, since the files are links: the packed ones go, and what they are linked to stays.
find "$1" -name '*.ko.xz' -print0 | xargs -0r -n 64 -P "$2" xz -d -f
find "$1" -name '*.ko.gz' -print0 | xargs -0r -n 64 -P "$2" gzip -d -f
find "$1" -name '*.ko.zst' -print0 | xargs -0r -n 64 -P "$2" zstd -d -q --rm
"""

_INDEX = r"""set -eu
# kmod looks in /lib or in /usr/lib, as it was built.
mkdir -p "$1/usr" && ln -s ../lib "$1/usr/lib"
PATH=$PATH:/usr/sbin:/sbin depmod -b "$1" "$2"
rm -r "$1/usr"
test -s "$1/lib/modules/$2/modules.dep"
"""


def find_modules(directory: Path, release: str) -> Path | None:
    """The modules of `release` in what a user calls their directory; None where they are not there.

    That may be the directory itself, the one above it, or the root that ``make modules_install`` was given.
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
    """The releases that there are modules of, for an error that says so."""
    places = (directory, directory / BELOW, directory / "usr" / BELOW)
    found = {one.parent.name for place in places if place.is_dir() for one in place.glob("*/kernel") if one.is_dir()}
    return sorted(found | ({directory.name} if (directory / "kernel").is_dir() else set()))


def require_modules(directory: Path, release: str, where: str) -> Path:
    """As `find_modules`; raises UsageError, with `where`, where there are none, or only those of another release."""
    found = find_modules(directory, release)
    if found:
        return found
    others = releases_in(directory)
    what = f"only of {', '.join(others)}" if others else f"no lib/modules/{release}"
    raise UsageError(f"{where}: {directory} has no modules of this kernel, which is Linux {release}, {what}")


def copy_modules(modules: Path, place: Path, copy: Callable[[str, str], object] = shutil.copy2) -> None:
    """Copy the modules of one release, file by file with `copy`, to `place`, without the links to their source.

    Raises OSError.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(modules, place, ignore=partial(_left_out, modules), copy_function=copy)


def _left_out(top: Path, at: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(at) == top and name in _LINKS_TO_SOURCE]


def lay_out(host: Host, root: Path, release: str, jobs: int) -> None:
    """Unpack and index the modules in `root`/lib/modules/`release`, in place, with `jobs` processes.

    Raises CommandError.
    """
    tree = root / BELOW / release
    _succeed(host, ("sh", "-c", _UNPACK, "unpack", str(tree), str(jobs)), f"unpacking the modules of Linux {release}")
    _succeed(host, ("sh", "-c", _INDEX, "index", str(root), release), f"indexing the modules of Linux {release}")


def _succeed(host: Host, argv: tuple[str, ...], what: str) -> None:
    done = host.run(Command(argv, timeout=1800))
    if not done.ok:
        raise CommandError(f"{what} failed: {(done.output.strip().splitlines() or ['no reason was given'])[-1]}")
