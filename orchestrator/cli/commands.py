# SPDX-License-Identifier: GPL-2.0-only
"""What each verb of the command line does: arguments in, output on stdout, an exit status back."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import FrameType

from orchestrator.cli import bisect as bisect_verb
from orchestrator.cli import cache as cache_verbs
from orchestrator.cli import devices as device_verbs
from orchestrator.cli import doctor as doctor_verb
from orchestrator.cli.hosts import connected, entry_of, ground_at, places_of
from orchestrator.cli.terminal import colorful, width
from orchestrator.errors import Problem, ScenarioError
from orchestrator.events import Event, Kind
from orchestrator.host.local import LocalHost
from orchestrator.host.version import orch_version
from orchestrator.report import as_json, terminal
from orchestrator.report import plan as timetable
from orchestrator.report.progress import progress
from orchestrator.report.text import in_a_line, one_line, say, say_json
from orchestrator.report.views import VIEWS
from orchestrator.result.compare.alignment import compare as compare_run
from orchestrator.result.run import Run
from orchestrator.result.store.load import find_run, load_run
from orchestrator.run.dry_run import outlook
from orchestrator.run.execute import exit_status, run_scenario, threads
from orchestrator.run.plan import unknown_failures
from orchestrator.run.runner import Settings, capacity_of
from orchestrator.scenario.expand.override_options import read_overrides
from orchestrator.scenario.expand.overrides import overridden
from orchestrator.scenario.load import load
from orchestrator.scenario.model import Scenario
from orchestrator.scenario.resolve.data import kernels_dir, scenarios_dir
from orchestrator.scenario.schema.json import json_schema


def run(arguments: argparse.Namespace) -> int:
    """``orch run``: execute the scenario and print the comparison."""
    scenario = _asked(arguments)
    settings = Settings(
        arguments.cache.absolute(), arguments.results, arguments.jobs, tuple(arguments.force or ()), VIEWS
    )
    local = LocalHost()
    with (
        _terminable(),
        progress(sys.stderr, verbose=arguments.verbose) as emit,
        places_of(arguments, scenario, local) as (boot_host, build_host),
        ThreadPoolExecutor(threads(arguments.jobs, boot_host, build_host), thread_name_prefix="job") as executor,
    ):
        finished = run_scenario(scenario, settings, local, executor, emit, boot_host, build_host)
    _print_comparison(finished, in_json=arguments.json)
    return finished.exit_status or 0


_ENDING = ("HUP", "QUIT", "TERM", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "PWR", "POLL")
"""The signals that end a process unless it handles them, but for SIGINT, which Python does, and those of a broken
program (signal(7))."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Such a signal ends a run as Ctrl-C does: everything stopped, the results closed.  What is ignored stays so."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.Signals[f"SIG{name}"] for name in _ENDING]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])


def _print_comparison(finished: Run, *, in_json: bool) -> None:
    comparison = compare_run(finished)
    if in_json:
        say_json(as_json.to_json(comparison))
    else:
        say(terminal.render(comparison, width=width(), color=colorful()), end="", color=colorful())


def compare(arguments: argparse.Namespace) -> int:
    """``orch compare``: print a stored run's comparison; the exit status follows from its cases."""
    stored = load_run(find_run(arguments.results, arguments.run))
    _print_comparison(stored, in_json=arguments.json)
    return exit_status(stored)


def check(arguments: argparse.Namespace) -> int:
    """``orch check``: every problem of every file; status 2 if there is one."""
    problems: list[Problem] = []
    for path in arguments.scenarios:
        try:
            scenario = _load(path)
        except ScenarioError as error:
            problems += error.problems
            continue
        parts = {"kernel": scenario.kernels, "device": scenario.devices, "workload": scenario.workloads}
        say(f"{path}: ok ({', '.join(_counted(len(all_of), what) for what, all_of in parts.items())})")
    if problems:
        raise ScenarioError(tuple(problems))
    return 0


def _asked(arguments: argparse.Namespace) -> Scenario:
    """The scenario, with the kernels that the command line asks for in the place of its own."""
    scenario, changes = _load(arguments.scenario), arguments.changes or ()
    overrides = read_overrides(arguments.tree, arguments.git, changes, here=Path.cwd(), data=kernels_dir())
    return overridden(scenario, overrides)


def _load(path: Path) -> Scenario:
    """The scenario at `path`; raises ScenarioError, also for known failures of tests that it does not run."""
    scenario = load(_shipped(path))
    if unknown := unknown_failures(scenario):
        raise ScenarioError(unknown)
    return scenario


def _shipped(path: Path) -> Path:
    """`path`, or the scenario of that name that came with orch: `scenarios/pud.yaml` works outside a checkout, too."""
    own = scenarios_dir() / path.name
    return own if not path.exists() and path.parent in (Path(), Path("scenarios")) and own.exists() else path


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def schema(_arguments: argparse.Namespace) -> int:
    """``orch schema``: the JSON Schema of scenarios."""
    say_json(json_schema())
    return 0


def plan(arguments: argparse.Namespace) -> int:
    """``orch plan``: the jobs, when each would run, and what the cache already has; fetches and builds nothing."""
    scenario = _asked(arguments)
    local = LocalHost()
    with places_of(arguments, scenario, local) as (boot_host, build_host):
        capacity = capacity_of(scenario, arguments.jobs, boot_host, build_host)
        away = build_host.away if build_host else None
        steps = outlook(local, arguments.cache.absolute(), scenario, capacity, away, _print_note)
    if arguments.json:
        say_json(timetable.to_json(steps))
    else:
        say(timetable.render(steps, capacity, width=width()), end="")
    return 0


def _print_note(event: Event) -> None:
    """Say on stderr what was chosen, so that stdout stays the plan."""
    if event.kind is Kind.NOTE:
        say(f"{in_a_line(event.job)}: {one_line(event.text)}", file=sys.stderr)


def bisect(arguments: argparse.Namespace) -> int:
    """``orch bisect``: find the commit that broke a case; 1 where only skipped commits are left."""
    with _terminable():
        return bisect_verb.bisect(arguments, _load, bisect_verb.Screen(width(), colorful()))


def cache(arguments: argparse.Namespace) -> int:
    """``orch cache``: list, shrink or verify what is kept between runs."""
    if arguments.action == "ls":
        return cache_verbs.ls(arguments, color=colorful())
    return cache_verbs.gc(arguments) if arguments.action == "gc" else cache_verbs.verify_all(arguments)


def devices(arguments: argparse.Namespace) -> int:
    """``orch devices``: list the host's PCI functions, or give back what dead runs left."""
    with connected(entry_of(arguments)) as host:
        if arguments.action == "restore":
            return device_verbs.restore(host)
        return device_verbs.show(arguments, host, color=colorful())


def doctor(arguments: argparse.Namespace) -> int:
    """``orch doctor``: what a run needs, and what of it this machine or a host lacks; 3 where no run can be."""
    entry = entry_of(arguments)
    with ground_at(entry, arguments, LocalHost()) as boot_host:
        where = doctor_verb.there(entry) if entry else doctor_verb.here(arguments.cache.absolute())
        return doctor_verb.doctor(arguments, boot_host, where, color=colorful())


def version(_arguments: argparse.Namespace) -> int:
    """``orch --version``: orch and the packages that decide what it does."""
    say(f"orch {orch_version()}")
    for package in ("virtme-ng", "fabric", "PyYAML", "junit-xml"):
        say(f"{package} {metadata.version(package)}")
    return 0
