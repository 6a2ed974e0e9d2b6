# SPDX-License-Identifier: GPL-2.0-only
"""The verbs that follow a run: what differs from another run, a shell in a kernel, a program that shows a case.

As in `parser`, the functions of a verb and their options are imported when the verb runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path
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


def add_shell(verbs: Verbs) -> None:
    """Add ``orch shell``."""
    shell = verbs.add_parser(
        "shell",
        help="a shell in a kernel of a scenario, with its devices",
        epilog="exit status: that of the command; of a shell 0, or 1 if the guest's kernel ended it; 2 a wrong name or "
        "no terminal, 3 the infrastructure failed, 130 interrupted",
    )
    shell.set_defaults(handler=_shell)
    shell.add_argument("scenario", type=Path, metavar="FILE", help="the scenario")
    shell.add_argument("kernel", metavar="KERNEL", help="the name of a kernel of the scenario")
    shell.add_argument("--workload", metavar="NAME", help="whose program and devices the guest has (the first)")
    shell.add_argument("--command", metavar="LINE", help="run this line of shell instead; needs no terminal")
    shell.add_argument(
        "--gdb",
        nargs="?",
        const="",
        type=types.gdb_place,
        metavar="PORT",
        help="let gdb debug the guest's kernel, at a port of this machine only, or at a socket, named by a path with a "
        "/ (a new socket)",
    )
    shell.add_argument("--stopped", action="store_true", help="with --gdb: wait for gdb before the first instruction")
    types.add_jobs(shell)
    types.add_verbose(shell)
    types.add_places(shell)
    types.add_overrides(shell)
    types.add_results(shell)
    types.add_cache_directory(shell)


def _shell(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import options, shell  # noqa: PLC0415 -- see above

    return shell.shell(
        options.ShellOptions(
            scenario=types.scenario_options(arguments),
            kernel=arguments.kernel,
            places=types.place_options(arguments),
            results=arguments.results,
            jobs=arguments.jobs,
            workload=arguments.workload,
            command=arguments.command,
            gdb=arguments.gdb,
            stopped=arguments.stopped,
            verbose=arguments.verbose,
        )
    )


def add_reproducer(verbs: Verbs) -> None:
    """Add ``orch reproducer``."""
    reproducer = verbs.add_parser(
        "reproducer",
        help="write a short C program that shows a failing case of a run without orch",
        epilog="exit status: 0 written, 2 there is no such case, it did not fail, or no such program can show it",
    )
    reproducer.set_defaults(handler=_reproducer)
    reproducer.add_argument("run", metavar="RUN", help="a run's name or directory, or latest")
    reproducer.add_argument("case", metavar="CASE", help="KERNEL/CASE, or CASE if it failed on one kernel only")
    reproducer.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write it (stdout)")
    types.add_results(reproducer)


def _reproducer(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import options, reproducer  # noqa: PLC0415 -- see above

    return reproducer.reproducer(
        options.ReproducerOptions(arguments.run, arguments.case, arguments.results, arguments.output)
    )
