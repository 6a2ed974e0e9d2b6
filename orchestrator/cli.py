# SPDX-License-Identifier: GPL-2.0-only
"""The command line: the only place that prints an error and picks an exit status.

Rooms are imported by the verb that needs them, so that ``orch --help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import Interrupted, OrchError

_STATUSES = """\
exit status: 0 all as expected, 1 something was not, 2 the scenario or the
command line is wrong, 3 the infrastructure failed, 130 interrupted"""


def cache_directory() -> Path:
    """Where orch keeps sources, kernels and guest programs between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orch"


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="orch",
        description="Build kernels, boot each in a virtual machine with PCI devices, and compare where they map them.",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="store_true", help="print the versions of orch and of what it runs")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    _add_run(verbs)
    _add_plan(verbs)
    check = verbs.add_parser("check", help="validate scenarios without running them")
    check.add_argument("scenarios", nargs="+", type=Path, metavar="FILE", help="a scenario")
    verbs.add_parser("schema", help="print the JSON Schema of scenarios, for editors")
    _add_compare(verbs)
    return top


def _add_run(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = verbs.add_parser("run", help="build, boot, measure and compare", epilog=_STATUSES)
    run.add_argument("scenario", type=Path, metavar="FILE", help="the scenario")
    run.add_argument("-j", "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="CPUs to fill (all)")
    run.add_argument("-v", "--verbose", action="store_true", help="show every step of every job")
    run.add_argument("--json", action="store_true", help="print the comparison as JSON")
    _add_directories(run, results=True)


def _add_plan(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = verbs.add_parser("plan", help="show the jobs of a scenario, and what is cached")
    plan.add_argument("scenario", type=Path, metavar="FILE", help="the scenario")
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    _add_directories(plan, results=False)


def _add_compare(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = verbs.add_parser("compare", help="print a run's kernels side by side against the base", epilog=_STATUSES)
    compare.add_argument("run", nargs="?", default="latest", metavar="RUN", help="a run's name or directory (latest)")
    compare.add_argument("--json", action="store_true", help="print the comparison as JSON")
    _add_directories(compare, results=True, cache=False)


def _add_directories(verb: argparse.ArgumentParser, *, results: bool, cache: bool = True) -> None:
    if results:
        verb.add_argument(
            "--results", type=Path, default=Path("results"), metavar="DIR", help="where runs are kept (results)"
        )
    if cache:
        verb.add_argument(
            "--cache", type=Path, default=cache_directory(), metavar="DIR", help="where sources and kernels are kept"
        )


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not '{text}'")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status; errors go to stderr as one sentence each."""
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.verb is None and not arguments.version:
        top.print_help()
        return 2
    try:
        from orchestrator import verbs  # noqa: PLC0415 -- it takes a second, which --help has not

        verb = verbs.version if arguments.version else getattr(verbs, arguments.verb)
        return int(verb(arguments))
    except OrchError as error:
        for line in str(error).splitlines():
            print(f"orch: {line}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("orch: interrupted; all it started is stopped; 'orch compare' shows what was done", file=sys.stderr)
        return Interrupted.exit_status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
