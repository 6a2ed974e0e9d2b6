# SPDX-License-Identifier: GPL-2.0-only
"""Debian's own kernels: from a package that a scenario names to the packages that hold image, configuration, modules.

A meta package leads to the real one by its dependencies.  Until Linux 6.12 that holds everything; since 7.x the image
is in linux-binary-*, the modules in linux-modules-*, the configuration in linux-base-*.  A release that nobody signed
yet has no linux-image-*, and goes by the name linux-binary-unsigned-*.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.host.base import Command, Host, check
from orchestrator.kernel.apt import Apt, DebianPackage
from orchestrator.scenario.sources import ImageSource

_FOLLOWED = re.compile(r"^(linux-(?:image|binary|modules|base)-\S+) \(= (\S+)\)$")
_OF_RELEASE = re.compile(r"^linux-(?:image|binary)(?:-unsigned)?-(\d\S*?)(?:-unsigned)?$")
_COMPANIONS = ("linux-modules-", "linux-base-")
"""A signed image depends on these; an unsigned one, of a release that nobody signed yet, on less."""

_UNPACK = r"""set -eu
mkdir -p "$2"
dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --exclude=./usr/share
"""


def resolve(apt: Apt, chosen: DebianPackage, where: str) -> tuple[DebianPackage, ...]:
    """The packages with the files of the kernel that the package `chosen` is or leads to, the one to name it by first.

    Raises UsageError, with `where`, for a package that is no kernel.
    """
    found = {chosen.name: chosen}
    pending = [chosen]
    while pending:
        for package in _followed(apt, pending.pop(0)):
            if package.name not in found:
                found[package.name] = package
                pending.append(package)
    images = sorted(filter(_OF_RELEASE.match, found), reverse=True)  # linux-image-* goes before linux-binary-*
    image = found[images[0]] if images else None
    if image is None:
        raise UsageError(f"{where}: '{chosen.name}' of Debian suite '{apt.suite}' is no kernel, and leads to none")
    found |= {one.name: one for one in _companions(apt, image) if one.name not in found}
    parts = [one for one in found.values() if re.search(r"-\d", one.name)]
    return tuple(sorted(parts, key=lambda one: (one != image, one.name)))


def _followed(apt: Apt, package: DebianPackage) -> Iterator[DebianPackage]:
    for wish in package.depends.split(", "):
        match = _FOLLOWED.match(wish)
        if match:
            yield from (one for one in apt.packages(match[1]) if one.version == match[2])


def _companions(apt: Apt, image: DebianPackage) -> Iterator[DebianPackage]:
    match = _OF_RELEASE.match(image.name)
    for prefix in _COMPANIONS if match else ():
        yield from (one for one in apt.packages(f"{prefix}{match[1] if match else ''}") if one.version == image.version)


def identity(packages: tuple[DebianPackage, ...]) -> str:
    """SHA-256, in hex, that stands for the content of `packages`."""
    return hashlib.sha256("\n".join(sorted(package.sha256 for package in packages)).encode()).hexdigest()


def unpack(host: Host, debs: tuple[Path, ...], root: Path) -> ImageSource:
    """Unpack a kernel's packages to `root`, and say where it is there.

    Raises CommandError, InfrastructureError for packages without a kernel.
    """
    for deb in debs:
        argv = ("bash", "-o", "pipefail", "-c", _UNPACK, "unpack", str(deb), str(root))
        check(host.run(Command(argv, timeout=1800)), f"unpacking {deb.name}")
    for pattern in ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz*", "lib/modules/*/vmlinuz*"):
        for image in sorted(root.glob(pattern)):
            return ImageSource(image, root if any(root.glob("**/lib/modules/*/kernel")) else None)
    raise InfrastructureError(f"{', '.join(deb.name for deb in debs)} holds no kernel image")
