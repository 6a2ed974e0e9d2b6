# SPDX-License-Identifier: GPL-2.0-only
"""``orch b4-check``: a check command for b4, which shows the verdict of ``orch review`` beside a patch.

b4 gives it one mail on the standard input.  ``b4 review`` (review-perpatch-check-cmd, review-series-check-cmd) reads a
JSON array from the standard output, with tool, status (pass, warn or fail), summary, url and details.  ``b4 prep
--check`` (prep-perpatch-check-cmd) reads lines: none means that all is well, one with ERROR: is a failure.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.cli.options import B4CheckOptions
from orchestrator.errors import UsageError
from orchestrator.kernel.patch.body import change_id
from orchestrator.kernel.patch.diff import NotAPatch
from orchestrator.kernel.patch.mbox import Post, posts
from orchestrator.report import mail
from orchestrator.report.mail import Reported
from orchestrator.report.text import bounded, one_line, say
from orchestrator.result.compare.alignment import compare
from orchestrator.result.compare.finding import findings
from orchestrator.result.compare.status import Change
from orchestrator.result.run import Run
from orchestrator.result.store.review import ReviewRecord
from orchestrator.review.earlier import runs_of_patch

TOOL = "orch"
_MOST = 16 << 20
"""Bytes of a mail that are read at most."""
_LONGEST = 300
_FROM = b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"
_MARK = {"fail": "ERROR", "warn": "WARNING"}


@dataclass(frozen=True)
class Answer:
    """What b4 shows of one run; the names are those of b4's protocol."""

    tool: str
    status: str
    summary: str
    url: str = ""
    details: str = ""


def b4_check(options: B4CheckOptions) -> int:
    """Answer from the runs of earlier reviews; the exit status is 0, as b4 reads the output."""
    post = _mail(sys.stdin.buffer.read(_MOST + 1))
    found = _known(options, post)
    if not found and options.run:
        _review(options, post)
        found = _known(options, post)
    answers = [_answer(record, run) for record, run in found] or [_not_run(post)]
    if options.plain:
        say(*(f"{_MARK[one.status]}: {one.summary}" for one in answers if one.status in _MARK))
    else:
        print(json.dumps(bounded([vars(one) for one in answers]), indent=2))
    return 0


def _mail(data: bytes) -> Post:
    """Return the mail.  Raises UsageError if there is none."""
    if not data.strip() or len(data) > _MOST:
        raise UsageError(f"orch b4-check: give it one mail of at most {_MOST >> 20} MiB on the standard input")
    try:
        return posts(data)[0]
    except NotAPatch as error:
        raise UsageError(f"orch b4-check: the standard input {error}") from None


def _known(options: B4CheckOptions, post: Post) -> tuple[tuple[ReviewRecord, Run], ...]:
    return runs_of_patch(options.review.results, post.id, change_id(post.body) if post.is_patch else "")


def _answer(record: ReviewRecord, run: Run) -> Answer:
    """Return the verdict on a run: something worse or unexpected fails, what is not known is a warning."""
    reported = [Reported(compare(run), record)]
    found = findings(reported[0].comparison)
    changes, sentence = {one.change for one in found}, found[0].sentence if found else "no kernel to compare"
    bad = Change.REGRESSION in changes or not run.ok
    status = "fail" if bad else "warn" if Change.INCOMPLETE in changes or not found else "pass"
    summary = f"{run.scenario.name} on {record.base}: {sentence}"
    page = run.path / "report.html"
    url = page.resolve().as_uri() if page.is_file() else ""
    return Answer(TOOL, status, one_line(summary)[:_LONGEST], url, mail.render(reported))


def _not_run(post: Post) -> Answer:
    what = post.id or "FILE"
    return Answer(TOOL, "warn", one_line(f"not run yet: orch review {what}")[:_LONGEST])


def _review(options: B4CheckOptions, post: Post) -> None:
    """Run the review of the series of the mail.

    Its notes are dropped: b4 takes a line on stderr for a failure.
    """
    from orchestrator.cli.review import review_runs  # noqa: PLC0415 -- an answer from an earlier run comes at once

    with TemporaryDirectory(prefix="orch-b4-") as place, redirect_stderr(io.StringIO()):
        file = Path(place, "patch.mbox")
        file.write_bytes(post.raw if post.raw.startswith(b"From ") else _FROM + post.raw)
        alone = post.is_patch and (post.total or 1) == 1
        review_runs(replace(options.review, series=str(file) if alone else post.id))
