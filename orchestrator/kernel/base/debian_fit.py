# SPDX-License-Identifier: GPL-2.0-only
"""Which source packages of Debian have the files that a series was made from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import OrchError
from orchestrator.events import Emit, Event, Kind
from orchestrator.host.base import Host
from orchestrator.host.lock import locked
from orchestrator.kernel.apt import Apt, DebianPackage
from orchestrator.kernel.base.stated import ABSENT, Stated
from orchestrator.kernel.cache.store import write_whole
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.source import fetch
from orchestrator.scenario.sources import DebianSource

SUITES = ("trixie-backports", "trixie", "bookworm-backports", "bookworm")
"""The suites whose sources are compared; of two with the same kernel, the first is named."""

_PACKAGE = re.compile(r"linux-source-(\d+)\.(\d+)")


def debian_sources(host: Host, cache: Path, emit: Emit) -> Iterator[SourceTree]:
    """Yield the source of each kernel that Debian offers, newest first; each is fetched when its turn comes.

    A suite that the mirror does not have is left out.
    """
    for source, package in _offered(host, cache, emit):
        known = fetch.unpacked(cache, source, package)
        yield known or fetch.fetch(host, cache, source, where="base", emit=emit)


def _offered(host: Host, cache: Path, emit: Emit) -> list[tuple[DebianSource, DebianPackage]]:
    found: dict[tuple[int, int], tuple[DebianSource, DebianPackage]] = {}
    for suite in SUITES:
        apt = Apt(host, cache / "apt" / suite, suite)
        apt.directory.mkdir(parents=True, exist_ok=True)
        try:
            with locked(host, apt.directory / "lock.orch"):
                apt.refresh()
                packages = _packages(apt)
        except OrchError as error:
            emit(Event("base", "search", Kind.NOTE, f"Debian suite '{suite}' is left out: {error}"))
            continue
        for package in packages:
            if version := _PACKAGE.fullmatch(package.name):
                found.setdefault((int(version[1]), int(version[2])), (DebianSource(package.name, suite), package))
    return [found[version] for version in sorted(found, reverse=True)]


def _packages(apt: Apt) -> list[DebianPackage]:
    """Return the newest version of each package of kernel sources; it is kept, as apt takes a second to list them."""
    kept, stamp = apt.directory / "linux-source.json", (apt.directory / "fetched").stat().st_mtime_ns
    try:
        known = json.loads(kept.read_text())
        if known["fetched"] == stamp:
            return [DebianPackage(*one) for one in known["packages"]]
    except (OSError, ValueError, TypeError, KeyError):
        pass
    names = (name for name in apt.names("linux-source-") if _PACKAGE.fullmatch(name))
    packages = [versions[0] for name in names if (versions := apt.packages(name))]
    listed = [(package.name, package.version, package.sha256) for package in packages]
    write_whole(kept, json.dumps({"fetched": stamp, "packages": listed}))
    return packages


def fits(tree: Path, stated: Stated) -> int:
    """Return how many of the stated blobs the source in the directory `tree` has."""
    return sum(_has(tree / file, blob) for file, blob in stated.blobs.items())


def _has(path: Path, blob: str) -> bool:
    """Whether the file at `path` has the blob id `blob`: SHA-1 of git's object, that of most kernel repositories."""
    try:
        data = path.read_bytes()
    except OSError:
        return blob == ABSENT
    return blob != ABSENT and _object_id(data, len(blob)).startswith(blob)


def _object_id(data: bytes, digits: int) -> str:
    kind = hashlib.sha256 if digits > hashlib.sha1().digest_size * 2 else hashlib.sha1
    return kind(b"blob %d\0" % len(data) + data).hexdigest()
