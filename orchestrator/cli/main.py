# SPDX-License-Identifier: GPL-2.0-only
"""The command line: the only place that prints an error and picks an exit status.

Rooms are imported by the verb that needs them, so that ``orch --help`` answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from orchestrator.errors import InfrastructureError, Interrupted, OrchError

_STATUSES = """\
exit status: 0 all as expected, 1 something was not, 2 the scenario or the
command line is wrong, 3 the infrastructure failed, 130 interrupted"""


def cache_directory() -> Path:
    """Where orch keeps sources, kernels and guest programs between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orch"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Shows an argument that is wrong without letting it act on the terminal."""
        from orchestrator.report.text import one_line  # noqa: PLC0415 -- for --help, nothing is imported

        super().error(one_line(message))


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top: argparse.ArgumentParser = _Parser(
        prog="orch",
        description="Build kernels, boot each in a virtual machine with PCI devices, and compare\nwhere they map them.",
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
    _add_bisect(verbs)
    _add_cache(verbs)
    _add_devices(verbs)
    _add_doctor(verbs)
    return top


def _add_run(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = verbs.add_parser("run", help="build, boot, measure and compare", epilog=_STATUSES)
    run.add_argument("scenario", type=Path, metavar="FILE", help="the scenario")
    run.add_argument("-j", "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="CPUs to fill (all)")
    run.add_argument("-v", "--verbose", action="store_true", help="show every step of every job")
    run.add_argument("--json", action="store_true", help="print the comparison as JSON")
    _add_places(run)
    _add_overrides(run)
    _add_directories(run, results=True)


def _add_plan(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = verbs.add_parser("plan", help="show the jobs of a scenario, when each would run, and what is cached")
    plan.add_argument("scenario", type=Path, metavar="FILE", help="the scenario")
    plan.add_argument("-j", "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="CPUs to fill (all)")
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    _add_places(plan)
    _add_overrides(plan)
    _add_directories(plan, results=False)


def _add_compare(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = verbs.add_parser("compare", help="print a run's kernels side by side against the base", epilog=_STATUSES)
    compare.add_argument("run", nargs="?", default="latest", metavar="RUN", help="a run's name or directory (latest)")
    compare.add_argument("--json", action="store_true", help="print the comparison as JSON")
    _add_directories(compare, results=True, cache=False)


def _add_bisect(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "bisect", help="find the commit that broke a case of a scenario, by git bisect", epilog=_STATUSES
    )
    verb.add_argument("scenario", nargs="?", type=Path, metavar="FILE", help="the scenario, whose base is bisected")
    verb.add_argument("--good", metavar="REF", help="a commit that does it right, before the bad one")
    verb.add_argument("--bad", metavar="REF", help="a commit that does it wrong")
    verb.add_argument("--case", metavar="PATTERN", help="the case that judges (every one that passes at good only)")
    verb.add_argument("--git", metavar="REPO", help="the repository (that of the base's source)")
    verb.add_argument(
        "--repeat", type=_count, metavar="N", help="measure each end, and the commits that decide, N times (2)"
    )
    verb.add_argument(
        "--resume", nargs="?", const="", metavar="DIR", help="go on with an earlier one (the newest that has not ended)"
    )
    verb.add_argument("-j", "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="CPUs to fill (all)")
    verb.add_argument("-v", "--verbose", action="store_true", help="show every step of every job")
    verb.add_argument("--json", action="store_true", help="print the outcome as JSON")
    _add_places(verb)
    _add_directories(verb, results=True)


def _add_cache(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cache = verbs.add_parser("cache", help="list, shrink or verify what orch keeps between runs", epilog=_STATUSES)
    actions = cache.add_subparsers(dest="action", metavar="ACTION", required=True)
    ls = actions.add_parser("ls", help="list every entry, its size and when it was last used")
    ls.add_argument("--json", action="store_true", help="print the list as JSON")
    gc = actions.add_parser("gc", help="remove what is of no use, then what was not used for longest")
    gc.add_argument("--keep", type=_size, metavar="SIZE", help="until at most this is left, such as 20G (all of use)")
    gc.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    verify = actions.add_parser("verify", help="compare every entry with what was recorded of it; 3 if one is broken")
    verify.add_argument("--repair", action="store_true", help="remove what is broken, so that it is made again")
    for action in (gc, verify):
        action.add_argument("--wait", action="store_true", help="wait until no other orch uses the cache")
    for action in (ls, gc, verify):
        _add_directories(action, results=False)


def _add_devices(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    devices = verbs.add_parser(
        "devices", help="list the PCI functions, and which can be passed through", epilog=_STATUSES
    )
    devices.add_argument("--json", action="store_true", help="print the list as JSON")
    _add_host(devices, "those of this host of the inventory")
    actions = devices.add_subparsers(dest="action", metavar="[ACTION]")
    actions.add_parser("restore", help="give back to their drivers what runs left that were killed")


def _add_doctor(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = verbs.add_parser(
        "doctor", help="say what a run needs and this machine or a host lacks, and how to mend it", epilog=_STATUSES
    )
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.add_argument("--quiet", action="store_true", help="only what is not well; believe a remembered accelerator")
    _add_host(doctor, "look at this host of the inventory")
    _add_directories(doctor, results=False)


def _add_host(verb: argparse.ArgumentParser, about: str) -> None:
    verb.add_argument("--host", metavar="NAME", help=f"{about} (this machine)")
    _add_inventory(verb)


def _add_places(verb: argparse.ArgumentParser) -> None:
    _add_host(verb, "boot the guests on this host of the inventory")
    _add_build_host(verb)
    verb.add_argument(
        "--force", metavar="ADDRESS", action="append", type=_address, help="pass it through although the host uses it"
    )


def _add_inventory(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--hosts", type=Path, metavar="FILE", help="the inventory (~/.config/orch/hosts.yaml)")


def _add_build_host(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--build-host", metavar="NAME", help="build the kernels on this host of the inventory")


def _add_overrides(verb: argparse.ArgumentParser) -> None:
    """The options that make base and variant on the fly, in the place of the scenario's kernels."""
    group = verb.add_argument_group(
        "instead of the scenario's kernels",
        "The scenario's base, and the same recipe with another source or with more patches; of both, the source with "
        "and without the patches. Of another source nothing is expected.",
    )
    group.add_argument("--tree", metavar="DIR", help="a kernel source as it is, uncommitted changes included")
    group.add_argument(
        "--git", metavar="REPO@REF", help="a commit of a git repository; of REPO@A..B, A is the base and B the variant"
    )
    changes: tuple[tuple[str, str, str], ...] = (
        ("patch", "PATCH", "a patch, an mbox, a directory with a series, or a series of orch's own; again for more"),
        ("message", "ID", "a series on a mailing list, by the message id of any of its mails; again for more"),
        ("revert", "COMMIT", "a commit to take back, of --git or --tree; again for more"),
    )
    for name, metavar, about in changes:
        group.add_argument(
            f"--{name}", dest="changes", metavar=metavar, action="append", type=partial(_change, name), help=about
        )


def _change(kind: str, text: str) -> tuple[str, str]:
    """A change and its kind, so that changes of several kinds keep their order."""
    return kind, text


def _add_directories(verb: argparse.ArgumentParser, *, results: bool, cache: bool = True) -> None:
    if results:
        verb.add_argument(
            "--results", type=Path, default=Path("results"), metavar="DIR", help="where runs are kept (results)"
        )
    if cache:
        verb.add_argument(
            "--cache",
            type=_cache,
            default=str(cache_directory()),
            metavar="DIR",
            help="where sources and kernels are kept",
        )


def _cache(text: str) -> Path:
    from orchestrator.paths import ALLOWED_IN_WORDS, odd_character  # noqa: PLC0415 -- for --help, nothing is imported

    path = Path(text).absolute()
    if odd := odd_character(path):
        what = f"{str(path)!a} has {odd!a}, which Kbuild and virtme-ng do not take in a path"
        raise argparse.ArgumentTypeError(
            f"{what}; choose a directory named with {ALLOWED_IN_WORDS}, here or by XDG_CACHE_HOME"
        )
    return path


def _size(text: str) -> int:
    from orchestrator.yamlfile.units import parse_size  # noqa: PLC0415 -- for --help, nothing is imported

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a size such as 20G or 500M, not '{text}'") from error


def _address(text: str) -> str:
    from orchestrator.scenario.schema.fields import pci_address  # noqa: PLC0415 -- for --help, nothing is imported

    try:
        return pci_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a PCI address such as 0000:3b:00.0, not '{text}'") from error


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not '{text}'")
    return int(text)


def _complain(text: str) -> None:
    """Print an error on stderr: a line for each sentence, none of which acts on the terminal."""
    from orchestrator.report.text import LONGEST_TEXT, say  # noqa: PLC0415 -- for --help, nothing is imported
    from orchestrator.result.store.bounds import cut  # noqa: PLC0415 -- the same

    say(*(f"orch: {cut(line, LONGEST_TEXT)}" for line in text.strip("\n").split("\n")), file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status; errors go to stderr as one sentence each."""
    for stream in (sys.stdout, sys.stderr):  # a path can have bytes that are no UTF-8, and a locale no UTF-8 at all
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.verb is None and not arguments.version:
        top.print_help()
        return 2
    try:
        from orchestrator.cli import commands as verbs  # noqa: PLC0415 -- it takes a second, which --help has not

        verb = verbs.version if arguments.version else getattr(verbs, arguments.verb)
        return int(verb(arguments))
    except OrchError as error:
        _complain(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        more = "; 'orch compare' shows what was done" if arguments.verb == "run" else ""
        _complain(f"interrupted; all it started is stopped{more}")
        return Interrupted.exit_status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        _complain(f"{error.filename}: {error.strerror}; check --cache, --results, and your permissions")
        return InfrastructureError.exit_status


if __name__ == "__main__":
    sys.exit(main())
