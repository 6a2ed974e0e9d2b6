# SPDX-License-Identifier: GPL-2.0-only
"""``orch review``: from a series to the text for the mailing list."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from orchestrator.cli.options import ReviewOptions
from orchestrator.cli.scenarios import load_scenario
from orchestrator.errors import UsageError
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.report import mail
from orchestrator.report.mail import Reported
from orchestrator.report.reply import reply_to
from orchestrator.report.text import one_line, path_text, say
from orchestrator.report.views import VIEWS
from orchestrator.result.compare.alignment import compare
from orchestrator.result.compare.finding import findings
from orchestrator.result.compare.status import Change
from orchestrator.result.run import Run
from orchestrator.result.store.files import write_atomically
from orchestrator.result.store.review import REVIEW_FILE, ReviewRecord
from orchestrator.review.earlier import earlier_run
from orchestrator.review.plan import Step, arguments_of, choose, step
from orchestrator.review.subject import Subject, Wanted, find_subject
from orchestrator.run.execute import exit_status
from orchestrator.scenario.model import Scenario

WORST_FIRST = (130, 2, 1, 3)
"""The exit statuses of several runs: the first of these counts."""


def review(options: ReviewOptions) -> int:
    """Print the text for the list; the exit status is 1 if something got worse, or is not as expected."""
    subject, runs = review_runs(options)
    reported = [Reported(compare(run), record) for run, record in runs]
    text = mail.render(reported, options.tested_by)
    if options.tested_by and not mail.deserves_trailer(reported):
        _note("no Tested-by: something got worse, is not as expected, or is not known")
    say(text, end="")
    if options.reply and subject.series and subject.series.first:
        write_atomically(options.reply.resolve(), reply_to(subject.series.first, text, options.tested_by))
        _note(f"the reply is in {path_text(options.reply)}; nothing was sent")
    return _status(reported, [run for run, _ in runs])


def review_runs(options: ReviewOptions) -> tuple[Subject, list[tuple[Run, ReviewRecord]]]:
    """Return what is reviewed, and a run for each scenario that answers: an earlier one, or a new one."""
    named = {path: load_scenario(path) for path in options.scenarios}  # before anything is fetched
    wanted = Wanted(options.series, options.mbox, options.git, options.base, Path.cwd())
    subject = find_subject(LocalHost(), options.places.cache, wanted, ignore, _note)
    if options.reply and not (subject.series and subject.series.message_id):
        raise UsageError("--reply: the series is no mail with a message id, so there is nothing to reply to")
    return subject, [(_answer(options, found), found.record) for found in _steps(options, subject, named)]


def _steps(options: ReviewOptions, subject: Subject, named: Mapping[Path, Scenario]) -> Iterator[Step]:
    chosen = [(path, "as --scenario names it") for path in options.scenarios] or [
        (Path(f"scenarios/{found.scenario}.yaml"), f"because the series touches {one_line(found.file)}")
        for found in choose(subject)
    ]
    for path, why in chosen:
        _note(f"scenario: {path_text(path)}, {why}")
        arguments = arguments_of(options.series, subject, str(path))
        scenario = named.get(path) or load_scenario(path)
        if options.repeat:
            scenario, arguments = (
                replace(scenario, repeat=options.repeat),
                (*arguments, "--repeat", str(options.repeat)),
            )
        yield step(scenario, subject, why, arguments)


def _answer(options: ReviewOptions, found: Step) -> Run:
    """Return the run that answers: an earlier one with the same inputs, else a new one."""
    earlier = None if options.again else earlier_run(options.results, found.record.key)
    if earlier:
        _note(f"the answer is that of {path_text(earlier.path)}; --again runs it again")
        return earlier
    from orchestrator.cli.commands import execute  # noqa: PLC0415 -- an earlier answer comes at once

    return execute(found.scenario, options, {**VIEWS, REVIEW_FILE: lambda _run: found.record.text})


def _status(reported: list[Reported], runs: list[Run]) -> int:
    statuses = {exit_status(run) for run in runs}
    worst = next((status for status in WORST_FIRST if status in statuses), 0)
    found = (finding.change for one in reported for finding in findings(one.comparison))
    return worst or (1 if Change.REGRESSION in found else 0)


def _note(text: str) -> None:
    """Print a note on stderr, so that stdout has only the text."""
    say(f"orch: {one_line(text)}", file=sys.stderr)
