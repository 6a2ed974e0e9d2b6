# SPDX-License-Identifier: GPL-2.0-only
"""Which source packages of Debian have the files that a series was made from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import OrchError
from orchestrator.events import Emit, Event, Kind
from orchestrator.host.base import Host
from orchestrator.host.lock import locked
from orchestrator.kernel.apt import Apt
from orchestrator.kernel.base.stated import ABSENT, Stated
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.source import fetch
from orchestrator.scenario.sources import DebianSource

SUITES = ("trixie-backports", "trixie", "bookworm-backports", "bookworm")
"""The suites whose sources are compared; of two with the same kernel, the first is named."""

_PACKAGE = re.compile(r"^linux-source-(\d+)\.(\d+)$", re.MULTILINE)


def debian_sources(host: Host, cache: Path, emit: Emit) -> Iterator[SourceTree]:
    """Yield the source of each kernel that Debian offers, newest first; each is fetched when its turn comes.

    A suite that the mirror does not have is left out.
    """
    for source in _offered(host, cache, emit):
        yield fetch.fetch(host, cache, source, where="base", emit=emit)


def _offered(host: Host, cache: Path, emit: Emit) -> list[DebianSource]:
    found: dict[tuple[int, int], DebianSource] = {}
    for suite in SUITES:
        apt = Apt(host, cache / "apt" / suite, suite)
        apt.directory.mkdir(parents=True, exist_ok=True)
        try:
            with locked(host, apt.directory / "lock.orch"):
                apt.refresh()
                names = apt.names("linux-source-")
        except OrchError as error:
            emit(Event("base", "search", Kind.NOTE, f"Debian suite '{suite}' is left out: {error}"))
            continue
        for major, minor in _PACKAGE.findall("\n".join(names)):
            found.setdefault((int(major), int(minor)), DebianSource(f"linux-source-{major}.{minor}", suite))
    return [found[version] for version in sorted(found, reverse=True)]


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
