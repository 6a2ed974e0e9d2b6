# SPDX-License-Identifier: GPL-2.0-only
"""``orch report``: stored runs as a page, for a forge, or for CI."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.cli.options import ReportOptions
from orchestrator.errors import UsageError
from orchestrator.report import junit, kcidb, mail, markdown
from orchestrator.report.html import page
from orchestrator.report.mail import Reported
from orchestrator.report.text import path_text, say
from orchestrator.result.compare.alignment import compare
from orchestrator.result.run import Run
from orchestrator.result.store.files import write_atomically
from orchestrator.result.store.load import find_run, load_run
from orchestrator.result.store.review import read_review
from orchestrator.run.execute import exit_status

PAGE = "report.html"
"""The name of the page in the directory of its run."""
STDOUT = "-"

_OF_ONE: Mapping[str, Callable[[Run], str]] = {
    "html": lambda run: page.render(compare(run)),
    "markdown": lambda run: markdown.render(compare(run)),
}
"""The forms that show one run."""
_WORST_FIRST = (130, 2, 1, 3)
"""The exit statuses of several runs: the first of these counts."""


def report(options: ReportOptions) -> int:
    """Write the report; the exit status follows from the cases, as for ``orch compare``."""
    if options.form in _OF_ONE and len(options.runs) > 1:
        raise UsageError(
            f"--{options.form} shows one run, not {len(options.runs)}; --mail, --junit and --kcidb take several"
        )
    runs = [load_run(find_run(options.results, name)) for name in options.runs]
    _write(_rendered(options, runs), options, runs[0].path)
    statuses = {exit_status(run) for run in runs}
    return next((status for status in _WORST_FIRST if status in statuses), 0)


def _rendered(options: ReportOptions, runs: list[Run]) -> str:
    if options.form in _OF_ONE:
        return _OF_ONE[options.form](runs[0])
    if options.form == "junit":
        return junit.render_all(runs)
    if options.form == "mail":
        return mail.render([Reported(compare(run), read_review(run.path)) for run in runs], options.tested_by)
    return json.dumps(kcidb.to_kcidb(runs, options.origin), indent=2) + "\n"


def _write(text: str, options: ReportOptions, run: Path) -> None:
    """Write `text` where the user wants it, and say where if it is a file.  Raises UsageError."""
    if options.output is None and options.form == "html":
        write_atomically(run / PAGE, text)
        say(path_text(run / PAGE))
    elif options.output in (None, STDOUT):
        _print(text)
    else:
        _write_named(Path(str(options.output)), text)


def _print(text: str) -> None:
    """Write the text to the standard output in UTF-8, whatever the locale is: documents name this encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(errors="backslashreplace"))
    sys.stdout.buffer.flush()


def _write_named(path: Path, text: str) -> None:
    """Write to a file that the user named.  A device or a pipe is written to, and never replaced."""
    if path.is_dir() or not path.parent.is_dir():
        what = "is a directory" if path.is_dir() else "is in a directory that does not exist"
        raise UsageError(f"-o {path_text(path)}: {what}; name a file, or - for the standard output")
    if path.exists() and not path.is_file():
        path.write_bytes(text.encode(errors="backslashreplace"))
    else:
        write_atomically(path.resolve(), text)
