# SPDX-License-Identifier: GPL-2.0-only
"""What a series states about its base: trailers of git format-patch, and the blob ids of its diffs.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.kernel.patch.diff import Blob, NotAPatch, read_diff

ABSENT = ""
"""The blob id of a file that the base does not have: the series makes it."""

_COMMIT = re.compile(r"^base-commit: ([0-9a-f]{40}|[0-9a-f]{64})\s*$", re.MULTILINE)
_PREREQUISITE = re.compile(r"^prerequisite-patch-id: ([0-9a-f]{40}|[0-9a-f]{64})\s*$", re.MULTILINE)
_NO_BLOB = re.compile(r"^0+$")


@dataclass(frozen=True)
class Stated:
    """What a series states about its base.

    `commits` are those of its trailers ``base-commit:``, usually one.  `prerequisites` are the ids of patches that
    belong between that commit and the series, in order (git-patch-id(1)).  `blobs` has the abbreviated blob id of each
    file in the base, `ABSENT` for one that must not exist; files without a known id are left out.  `files` are all
    files that the series touches.
    """

    commits: tuple[str, ...] = ()
    prerequisites: tuple[str, ...] = ()
    blobs: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


def stated_by(patches: Iterable[str], letters: Iterable[str] = ()) -> Stated:
    """Return what a series states.

    `patches` are the texts of its patches in order, `letters` those of its cover letter.  git writes the trailers at
    the end of the first mail (git-format-patch(1), BASE TREE INFORMATION).
    """
    texts = tuple(patches)
    mails = (*letters, *texts)
    blobs: dict[str, str] = {}
    files: dict[str, None] = {}
    for text in texts:
        try:
            diff = read_diff(text)
        except NotAPatch:
            continue
        files |= dict.fromkeys(diff.files)
        for blob in diff.blobs:
            _add(blob, blobs)
    return Stated(_all(_COMMIT, mails), _all(_PREREQUISITE, mails), blobs, tuple(files))


def _add(blob: Blob, blobs: dict[str, str]) -> None:
    """Add what one diff says about the base; what an earlier patch of the series said about a file stays."""
    if blob.before and not _NO_BLOB.match(blob.old):
        blobs.setdefault(blob.before, blob.old)
    if blob.after and blob.after != blob.before:
        blobs.setdefault(blob.after, ABSENT)


def _all(pattern: re.Pattern[str], texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(match for text in texts for match in pattern.findall(text)))
