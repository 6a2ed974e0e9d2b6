# SPDX-License-Identifier: GPL-2.0-only
"""The values of a search for a base."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.scenario.sources import DebianSource, GitSource, PatchSource


@dataclass(frozen=True)
class Candidate:
    """A source that may be the base of a series.

    `name` is for users, such as v7.3.4.  `fits` is how many of the files of the series are in it as they were before
    the series, `of` how many are known.  `patches` belong between the source and the series.
    """

    name: str
    source: GitSource | DebianSource
    fits: int = 0
    of: int = 0
    patches: tuple[PatchSource, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all files fit, and at least one is known."""
        return self.of > 0 and self.fits == self.of

    @property
    def describe(self) -> str:
        """Describe the fit in a few words."""
        return f"{self.fits} of {self.of} files" if self.of != 1 else f"{self.fits} of 1 file"


@dataclass(frozen=True)
class Base:
    """The base that was found, why it is that one, and what else fits.

    `reason` ends a sentence: "base: v7.3.4, by the blob ids of 3 of 3 files".  `others` are the names of further
    sources that fit, newest first.  `notes` are sentences about what was not taken, such as a trailer whose commit
    does not exist.
    """

    candidate: Candidate
    reason: str
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def describe(self) -> str:
        """Describe the choice in one line."""
        return f"base: {self.candidate.name}, {self.reason}"
