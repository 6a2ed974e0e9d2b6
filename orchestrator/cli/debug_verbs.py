# SPDX-License-Identifier: GPL-2.0-only
"""The verbs that follow a run: what differs from another run.

As in `parser`, the functions of a verb and their options are imported when the verb runs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli import arguments as types

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # it has no public name


def add_diff(verbs: Verbs) -> None:
    """Add ``orch diff``."""
    diff = verbs.add_parser(
        "diff",
        help="compare the kernels of two runs",
        epilog="exit status: 0 nothing is worse in the second run, 1 something is, 2 a wrong name or nothing in "
        "common, 3 a run cannot be read, or the second one has no result of something that the first one measured",
    )
    diff.set_defaults(handler=_diff)
    for number in ("first", "second"):
        diff.add_argument(number, metavar="RUN", help=f"the {number} run: a name, a directory, or latest")
    diff.add_argument(
        "--kernels",
        metavar="A=B,...",
        action="extend",
        type=types.kernel_pairs,
        help="only these pairs: A of the first run, B of the second (those with the same name)",
    )
    diff.add_argument("--json", action="store_true", help="print the comparison as JSON")
    types.add_results(diff)


def _diff(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import diff, options  # noqa: PLC0415 -- see above

    runs, kernels = (arguments.first, arguments.second), tuple(arguments.kernels or ())
    return diff.diff(options.DiffOptions(runs, arguments.results, kernels, json=arguments.json))
