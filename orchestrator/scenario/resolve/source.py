# SPDX-License-Identifier: GPL-2.0-only
"""Convert the valid entries of sources and patches to values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orchestrator.scenario.resolve.files import is_address, place
from orchestrator.scenario.schema.source import PatchEntry, SourceEntry
from orchestrator.scenario.sources import (
    DebianImageSource,
    DebianSource,
    GitRange,
    GitSource,
    ImageSource,
    Message,
    PatchSource,
    Revert,
    Source,
    TarballSource,
    TreeSource,
)


def source(entry: SourceEntry, beside: Path) -> Source:
    """Return the source of `entry`; its paths are relative to the directory `beside`."""
    if entry.git:
        return GitSource(repository(entry.git, beside), entry.ref or "HEAD")
    if entry.tree:
        return TreeSource(place(entry.tree, beside))
    if entry.tarball:
        digest = entry.sha256.lower() if entry.sha256 else None
        return TarballSource(repository(entry.tarball, beside), digest)
    if entry.image:
        return ImageSource(place(entry.image, beside), _place(entry.modules, beside), _place(entry.config, beside))
    suite = entry.suite or ""  # never empty: the checks require it
    if entry.debian_image:
        return DebianImageSource(entry.debian_image, suite, entry.version)
    return DebianSource(entry.debian or "", suite, entry.version)


def repository(text: str, beside: Path) -> str:
    """Return a path as absolute, and an address unchanged."""
    return text if is_address(text) else str(place(text, beside))


def _place(text: str | None, beside: Path) -> Path | None:
    return place(text, beside) if text else None


def patch(entry: PatchEntry, beside: Path, find: Callable[[str], Path]) -> PatchSource:
    """Return the patch of `entry`.

    `find` looks up files and series by name, and raises LookupError with a sentence.
    """
    if entry.range:
        return GitRange(entry.range, repository(entry.git, beside) if entry.git else None)
    if entry.revert:
        return Revert(entry.revert)
    if entry.message:
        return Message(entry.message.strip("<>"), entry.version, _place(entry.mbox, beside))
    return find(entry.file or "")
