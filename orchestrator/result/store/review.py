# SPDX-License-Identifier: GPL-2.0-only
"""What a run is a review of: the series and its base, kept as review.json in the directory of the run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchestrator.agent.inodes import MIB
from orchestrator.host.untrusted import OddFileError, read_untrusted

REVIEW_FILE = "review.json"


@dataclass(frozen=True)
class ReviewRecord:
    """A review: the series `title` with `patches` patches, its `base` and the `reason` for it.

    `key` identifies all inputs of the run, so that an equal review need not run again.  `message_id` is that of the
    cover letter or the first patch, "" if the series was never sent.  `others` are further bases that fit, `notes` what
    was not taken as the base and why.  `chosen` is why the scenario was run.  `arguments` are those of ``orch review``
    that repeat it from public inputs.  `messages` are the ids of the mails, `changes` what
    `kernel.patch.body.change_id` makes of each patch: by them a patch is recognized.
    """

    key: str
    title: str
    version: int = 1
    patches: int = 1
    author: str = ""
    date: str = ""
    message_id: str = ""
    base: str = ""
    reason: str = ""
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    chosen: str = ""
    arguments: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The content of the file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def read_review(run: Path) -> ReviewRecord | None:
    """Return the review whose run is in the directory `run`; None if it is none, or the file cannot be read."""
    try:
        content = read_untrusted(run, REVIEW_FILE, MIB)
        return _adapter().validate_json(content) if content else None
    except (OddFileError, OSError, ValidationError, ValueError):
        return None


@cache
def _adapter() -> TypeAdapter[ReviewRecord]:
    return TypeAdapter(ReviewRecord)
