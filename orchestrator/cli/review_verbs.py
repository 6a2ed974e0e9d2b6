# SPDX-License-Identifier: GPL-2.0-only
"""The options of ``orch review`` and ``orch b4-check``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli import arguments as types

if TYPE_CHECKING:
    from orchestrator.cli.options import ReviewOptions

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # it has no public name


def add_review(verbs: Verbs) -> None:
    """Add ``orch review``."""
    review = verbs.add_parser(
        "review",
        help="compare a kernel with and without a series; print a text for the list",
        epilog=types.STATUSES,
    )
    review.set_defaults(handler=_review)
    review.add_argument(
        "series", metavar="SERIES", help="a message id, an mbox or patch file, a directory with a series, or A..B"
    )
    _add_review_inputs(review)
    review.add_argument("--reply", type=Path, metavar="FILE", help="write a reply to the thread; nothing is sent")
    types.add_tested_by(review)
    review.add_argument("--again", action="store_true", help="run it, even if an equal review was run before")
    types.add_verbose(review)


def _add_review_inputs(verb: argparse.ArgumentParser) -> None:
    """Add the options of `ReviewOptions` that decide what is run and where."""
    verb.add_argument("--base", metavar="REF", help="a commit of --git, or linux-source-X.Y[/SUITE] (found)")
    verb.add_argument(
        "--git", metavar="REPO", help="a git repository with the base (the current directory, if it is a kernel's)"
    )
    verb.add_argument("--mbox", type=Path, metavar="FILE", help="the thread of the message id, saved from the list")
    verb.add_argument(
        "--scenario",
        type=Path,
        action="append",
        metavar="FILE",
        help="the scenario (those that answer for what the series touches); again for more",
    )
    types.add_jobs(verb)
    types.add_repeat(verb)
    types.add_places(verb)
    types.add_results(verb)
    types.add_cache_directory(verb)


def _review_options(arguments: argparse.Namespace) -> ReviewOptions:
    from orchestrator.cli.options import ReviewOptions  # noqa: PLC0415 -- see above

    return ReviewOptions(
        series="",
        places=types.place_options(arguments),
        results=arguments.results,
        jobs=arguments.jobs,
        mbox=arguments.mbox,
        git=arguments.git,
        base=arguments.base,
        scenarios=tuple(arguments.scenario or ()),
        repeat=arguments.repeat,
    )


def _review(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import review  # noqa: PLC0415 -- see above

    return review.review(
        replace(
            _review_options(arguments),
            series=arguments.series,
            reply=arguments.reply,
            tested_by=arguments.tested_by or "",
            again=arguments.again,
            verbose=arguments.verbose,
        )
    )


def add_b4_check(verbs: Verbs) -> None:
    """Add ``orch b4-check``."""
    check = verbs.add_parser("b4-check", help="a check for b4: the verdict on the mail on the standard input")
    check.set_defaults(handler=_b4_check)
    check.add_argument("--plain", action="store_true", help="print lines, for b4.prep-perpatch-check-cmd")
    check.add_argument("--run", action="store_true", help="run the review, if it was not run yet")
    _add_review_inputs(check)


def _b4_check(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import b4_check, options  # noqa: PLC0415 -- see above

    return b4_check.b4_check(
        options.B4CheckOptions(_review_options(arguments), plain=arguments.plain, run=arguments.run)
    )
