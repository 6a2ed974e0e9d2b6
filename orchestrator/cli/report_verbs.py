# SPDX-License-Identifier: GPL-2.0-only
"""The options of ``orch report``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli import arguments as types

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # it has no public name


def add_report(verbs: Verbs) -> None:
    """Add the verb to the command line."""
    report = verbs.add_parser("report", help="write a run as a page, for a list, a forge, or CI", epilog=types.STATUSES)
    report.set_defaults(handler=_report)
    report.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a run's name or directory (latest); not of --html and --markdown: several",
    )
    form = report.add_mutually_exclusive_group()
    forms = (
        ("html", "one page that needs no network, in the directory of the run (the default)"),
        ("markdown", "tables for a comment on GitHub or GitLab"),
        ("mail", "the text of a mail to a list"),
        ("junit", "JUnit XML"),
        ("kcidb", "JSON for KCIDB"),
    )
    for name, about in forms:
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, default="html", help=about)
    report.add_argument("-o", "--output", metavar="FILE", help="write to this file, - for the standard output")
    report.add_argument(
        "--origin", type=types.origin, default="orch", metavar="NAME", help="the CI system, for --kcidb (orch)"
    )
    types.add_tested_by(report)
    types.add_results(report)


def _report(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import options, report  # noqa: PLC0415 -- see above

    return report.report(
        options.ReportOptions(
            tuple(arguments.runs) or ("latest",),
            arguments.results,
            arguments.form,
            arguments.output,
            arguments.origin,
            arguments.tested_by or "",
        )
    )
