# SPDX-License-Identifier: GPL-2.0-only
"""The command line: its options, and which function each verb calls.  Nothing else sees an argparse.Namespace.

The functions of a verb and their options are imported when the verb runs, so that ``orch --help`` stays fast.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from orchestrator.cli import arguments as types
from orchestrator.cli.debug_verbs import add_diff, add_reproducer, add_shell
from orchestrator.cli.report_verbs import add_report
from orchestrator.cli.review_verbs import add_b4_check, add_review

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # it has no public name

Handler = Callable[[argparse.Namespace], int]
"""Runs a verb with the arguments of the command line and returns the exit status."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print a wrong argument with its control characters escaped, and exit with status 2."""
        from orchestrator.report.text import one_line  # noqa: PLC0415 -- see above

        super().error(one_line(message))


@dataclass(frozen=True)
class Invocation:
    """A command line that was understood: its verb ("" if it has none), and the function that runs it."""

    verb: str
    run: Callable[[], int]


def parse(argv: Sequence[str] | None = None) -> Invocation:
    """Parse `argv`, None for sys.argv.  Exits with status 2 if it is wrong, as argparse does."""
    arguments = parser().parse_args(argv)
    handler: Handler = _version if arguments.version else arguments.handler
    return Invocation(arguments.verb or "", partial(handler, arguments))


def parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    top: argparse.ArgumentParser = _Parser(
        prog="orch",
        description="Build kernels, boot each in a virtual machine with PCI devices, and compare\nwhere they map them.",
        epilog=types.STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.set_defaults(handler=partial(_help, top))
    top.add_argument("--version", action="store_true", help="print the versions of orch and of what it runs")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    for add in (_add_run, _add_plan, _add_check, _add_schema, _add_compare):
        add(verbs)
    for add in (add_report, add_review, add_b4_check, add_diff, add_reproducer, add_shell):
        add(verbs)
    for add in (_add_bisect, _add_cache, _add_devices, _add_doctor):
        add(verbs)
    return top


def _help(top: argparse.ArgumentParser, _arguments: argparse.Namespace) -> int:
    """A command line without a verb."""
    top.print_help()
    return 2


def _version(_arguments: argparse.Namespace) -> int:
    from orchestrator.cli import commands  # noqa: PLC0415 -- see above

    return commands.version()


def _add_run(verbs: Verbs) -> None:
    run = verbs.add_parser("run", help="build, boot, measure and compare", epilog=types.STATUSES)
    run.set_defaults(handler=_run)
    run.add_argument("scenario", type=Path, metavar="FILE", help="the scenario")
    types.add_jobs(run)
    types.add_repeat(run)
    types.add_verbose(run)
    run.add_argument("--json", action="store_true", help="print the comparison as JSON")
    types.add_places(run)
    types.add_overrides(run)
    types.add_results(run)
    types.add_cache_directory(run)


def _run(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import commands, options  # noqa: PLC0415 -- see above

    return commands.run(
        options.RunOptions(
            scenario=types.scenario_options(arguments),
            places=types.place_options(arguments),
            results=arguments.results,
            jobs=arguments.jobs,
            verbose=arguments.verbose,
            json=arguments.json,
        )
    )


def _add_plan(verbs: Verbs) -> None:
    plan = verbs.add_parser("plan", help="show the jobs of a scenario, when each would run, and what is cached")
    plan.set_defaults(handler=_plan)
    plan.add_argument("scenario", type=Path, metavar="FILE", help="the scenario")
    types.add_jobs(plan)
    types.add_repeat(plan)
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    types.add_places(plan)
    types.add_overrides(plan)
    types.add_cache_directory(plan)


def _plan(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import commands, options  # noqa: PLC0415 -- see above

    return commands.plan(
        options.PlanOptions(
            types.scenario_options(arguments), types.place_options(arguments), arguments.jobs, json=arguments.json
        )
    )


def _add_check(verbs: Verbs) -> None:
    check = verbs.add_parser("check", help="validate scenarios without running them")
    check.set_defaults(handler=_check)
    check.add_argument("scenarios", nargs="+", type=Path, metavar="FILE", help="a scenario")


def _check(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import commands, options  # noqa: PLC0415 -- see above

    return commands.check(options.CheckOptions(tuple(arguments.scenarios)))


def _add_schema(verbs: Verbs) -> None:
    schema = verbs.add_parser("schema", help="print the JSON Schema of scenarios, for editors")
    schema.set_defaults(handler=_schema)


def _schema(_arguments: argparse.Namespace) -> int:
    from orchestrator.cli import commands  # noqa: PLC0415 -- see above

    return commands.schema()


def _add_compare(verbs: Verbs) -> None:
    compare = verbs.add_parser(
        "compare", help="print a run's kernels side by side against the base", epilog=types.STATUSES
    )
    compare.set_defaults(handler=_compare)
    compare.add_argument("run", nargs="?", default="latest", metavar="RUN", help="a run's name or directory (latest)")
    compare.add_argument("--json", action="store_true", help="print the comparison as JSON")
    types.add_results(compare)


def _compare(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import commands, options  # noqa: PLC0415 -- see above

    return commands.compare(options.CompareOptions(arguments.run, arguments.results, json=arguments.json))


def _add_bisect(verbs: Verbs) -> None:
    bisect = verbs.add_parser(
        "bisect", help="find the commit that broke a case of a scenario, by git bisect", epilog=types.STATUSES
    )
    bisect.set_defaults(handler=_bisect)
    bisect.add_argument("scenario", nargs="?", type=Path, metavar="FILE", help="the scenario, whose base is bisected")
    bisect.add_argument("--good", metavar="REF", help="a commit that does it right, before the bad one")
    bisect.add_argument("--bad", metavar="REF", help="a commit that does it wrong")
    bisect.add_argument("--case", metavar="PATTERN", help="the case that judges (every one that passes at good only)")
    bisect.add_argument("--git", metavar="REPO", help="the repository (that of the base's source)")
    bisect.add_argument(
        "--repeat", type=types.count, metavar="N", help="measure each end, and the commits that decide, N times (2)"
    )
    bisect.add_argument(
        "--resume", nargs="?", const="", metavar="DIR", help="continue an earlier one (the newest that has not ended)"
    )
    types.add_jobs(bisect)
    types.add_verbose(bisect)
    bisect.add_argument("--json", action="store_true", help="print the outcome as JSON")
    types.add_places(bisect)
    types.add_results(bisect)
    types.add_cache_directory(bisect)


def _bisect(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import bisect, options  # noqa: PLC0415 -- see above

    return bisect.bisect(
        options.BisectOptions(
            places=types.place_options(arguments),
            results=arguments.results,
            jobs=arguments.jobs,
            scenario=arguments.scenario,
            good=arguments.good,
            bad=arguments.bad,
            case=arguments.case,
            git=arguments.git,
            repeat=arguments.repeat,
            resume=arguments.resume,
            verbose=arguments.verbose,
            json=arguments.json,
        )
    )


def _add_cache(verbs: Verbs) -> None:
    cache = verbs.add_parser("cache", help="list, shrink or verify what orch keeps between runs", epilog=types.STATUSES)
    actions = cache.add_subparsers(dest="action", metavar="ACTION", required=True)
    ls = actions.add_parser("ls", help="list every entry, its size and when it was last used")
    ls.set_defaults(handler=_cache_ls)
    ls.add_argument("--json", action="store_true", help="print the list as JSON")
    gc = actions.add_parser("gc", help="remove what is not needed, then what was not used for longest")
    gc.set_defaults(handler=_cache_gc)
    gc.add_argument(
        "--keep", type=types.size, metavar="SIZE", help="until at most this is left, such as 20G (no limit)"
    )
    gc.add_argument("--dry-run", action="store_true", help="only print what would be removed")
    verify = actions.add_parser("verify", help="compare every entry with its recorded checksums; 3 if one is broken")
    verify.set_defaults(handler=_cache_verify)
    verify.add_argument("--repair", action="store_true", help="remove broken entries, so that they are built again")
    for action in (gc, verify):
        action.add_argument("--wait", action="store_true", help="wait until no other orch uses the cache")
    for action in (ls, gc, verify):
        types.add_cache_directory(action)


def _cache_ls(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import cache, options  # noqa: PLC0415 -- see above

    return cache.ls(options.CacheListOptions(arguments.cache, json=arguments.json))


def _cache_gc(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import cache, options  # noqa: PLC0415 -- see above

    return cache.gc(
        options.CacheGcOptions(arguments.cache, arguments.keep, dry_run=arguments.dry_run, wait=arguments.wait)
    )


def _cache_verify(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import cache, options  # noqa: PLC0415 -- see above

    return cache.verify_all(options.CacheVerifyOptions(arguments.cache, repair=arguments.repair, wait=arguments.wait))


def _add_devices(verbs: Verbs) -> None:
    devices = verbs.add_parser(
        "devices", help="list the PCI functions, and which can be passed through", epilog=types.STATUSES
    )
    devices.set_defaults(handler=_devices)
    devices.add_argument("--json", action="store_true", help="print the list as JSON")
    types.add_host(devices, "those of this host of the inventory")
    actions = devices.add_subparsers(dest="action", metavar="[ACTION]")
    restore = actions.add_parser("restore", help="return devices that killed runs left behind to their drivers")
    restore.set_defaults(handler=_devices_restore)


def _devices(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import devices, options  # noqa: PLC0415 -- see above

    return devices.show(options.DevicesOptions(arguments.host, arguments.hosts, json=arguments.json))


def _devices_restore(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import devices, options  # noqa: PLC0415 -- see above

    return devices.restore(options.DevicesOptions(arguments.host, arguments.hosts))


def _add_doctor(verbs: Verbs) -> None:
    doctor = verbs.add_parser(
        "doctor", help="print what this machine or a host lacks for a run, and how to fix it", epilog=types.STATUSES
    )
    doctor.set_defaults(handler=_doctor)
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.add_argument("--quiet", action="store_true", help="print problems only; trust the remembered accelerator")
    types.add_host(doctor, "look at this host of the inventory")
    types.add_cache_directory(doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from orchestrator.cli import doctor, options  # noqa: PLC0415 -- see above

    return doctor.doctor(
        options.DoctorOptions(
            arguments.cache, arguments.host, arguments.hosts, json=arguments.json, quiet=arguments.quiet
        )
    )
