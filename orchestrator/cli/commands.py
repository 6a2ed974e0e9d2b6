# SPDX-License-Identifier: GPL-2.0-only
"""``orch run``, ``plan``, ``check``, ``schema``, ``compare`` and ``--version``; each returns the exit status."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

from orchestrator.cli.hosts import open_places
from orchestrator.cli.options import CheckOptions, CompareOptions, PlanOptions, ReviewOptions, RunOptions
from orchestrator.cli.scenarios import load_scenario, load_with_overrides
from orchestrator.cli.signals import interruptible
from orchestrator.cli.terminal import screen
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
from orchestrator.result.store.writer import View
from orchestrator.run.context import Settings
from orchestrator.run.dry_run import outlook
from orchestrator.run.estimate import capacity_of
from orchestrator.run.execute import exit_status, run_scenario, threads
from orchestrator.scenario.model import Scenario
from orchestrator.scenario.schema.json import json_schema


def run(options: RunOptions) -> int:
    """Run the scenario and print the comparison."""
    finished = execute(load_with_overrides(options.scenario), options, VIEWS)
    _print_comparison(finished, in_json=options.json)
    return finished.exit_status or 0


def execute(scenario: Scenario, options: RunOptions | ReviewOptions, views: Mapping[str, View]) -> Run:
    """Run `scenario` as the user wants it, with its progress on stderr; raises as `run_scenario`."""
    settings = Settings(options.places.cache, options.results, options.jobs, options.places.forced, views)
    local = LocalHost()
    with (
        interruptible(),
        progress(sys.stderr, verbose=options.verbose) as emit,
        open_places(options.places, scenario, local) as (boot_host, build_host),
        ThreadPoolExecutor(threads(options.jobs, boot_host, build_host), thread_name_prefix="job") as executor,
    ):
        return run_scenario(scenario, settings, local, executor, emit, boot_host, build_host)


def compare(options: CompareOptions) -> int:
    """Print the comparison of a stored run; the exit status follows from its cases."""
    stored = load_run(find_run(options.results, options.run))
    _print_comparison(stored, in_json=options.json)
    return exit_status(stored)


def _print_comparison(finished: Run, *, in_json: bool) -> None:
    comparison = compare_run(finished)
    if in_json:
        say_json(as_json.to_json(comparison))
    else:
        stdout = screen()
        say(terminal.render(comparison, width=stdout.width, color=stdout.color), end="", color=stdout.color)


def check(options: CheckOptions) -> int:
    """Validate every file.  Raises ScenarioError with all problems of all files."""
    problems: list[Problem] = []
    for path in options.scenarios:
        try:
            scenario = load_scenario(path)
        except ScenarioError as error:
            problems += error.problems
            continue
        parts = {"kernel": scenario.kernels, "device": scenario.devices, "workload": scenario.workloads}
        say(f"{path}: ok ({', '.join(_counted(len(all_of), what) for what, all_of in parts.items())})")
    if problems:
        raise ScenarioError(tuple(problems))
    return 0


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def schema() -> int:
    """Print the JSON Schema of scenarios."""
    say_json(json_schema())
    return 0


def plan(options: PlanOptions) -> int:
    """Print the jobs, when each would run, and what is cached; fetches and builds nothing."""
    scenario = load_with_overrides(options.scenario)
    local = LocalHost()
    with open_places(options.places, scenario, local) as (boot_host, build_host):
        capacity = capacity_of(scenario, options.jobs, boot_host, build_host)
        away = build_host.away if build_host else None
        steps = outlook(local, options.places.cache, scenario, capacity, away, _print_note)
    if options.json:
        say_json(timetable.to_json(steps))
    else:
        say(timetable.render(steps, capacity, width=screen().width), end="")
    return 0


def _print_note(event: Event) -> None:
    """Print a note on stderr, so that stdout has only the plan."""
    if event.kind is Kind.NOTE:
        say(f"{in_a_line(event.job)}: {one_line(event.text)}", file=sys.stderr)


def version() -> int:
    """Print the versions of orch and of the packages that decide what it does."""
    say(f"orch {orch_version()}")
    for package in ("virtme-ng", "fabric", "PyYAML", "junit-xml"):
        say(f"{package} {metadata.version(package)}")
    return 0
