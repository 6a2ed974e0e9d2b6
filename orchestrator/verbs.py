# SPDX-License-Identifier: GPL-2.0-only
"""What each verb of the command line does: arguments in, output on stdout, an exit status back."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import FrameType

from orchestrator.data_files import scenarios_dir
from orchestrator.errors import Problem, ScenarioError
from orchestrator.host.local import LocalHost
from orchestrator.outlook import outlook
from orchestrator.plan import unknown_failures
from orchestrator.report import as_json, terminal
from orchestrator.report.progress import progress
from orchestrator.result.compare import compare as compare_run
from orchestrator.result.load import find_run, load_run
from orchestrator.result.record import Run
from orchestrator.run import Settings, exit_status, run_scenario
from orchestrator.scenario.json_schema import json_schema
from orchestrator.scenario.load import load
from orchestrator.scenario.model import Scenario


def run(arguments: argparse.Namespace) -> int:
    """``orch run``: execute the scenario and print the comparison."""
    scenario = _load(arguments.scenario)
    settings = Settings(arguments.cache.absolute(), arguments.results, arguments.jobs)
    with (
        _terminable(),
        progress(sys.stderr, verbose=arguments.verbose) as emit,
        ThreadPoolExecutor(arguments.jobs, thread_name_prefix="job") as executor,
    ):
        finished = run_scenario(scenario, settings, LocalHost(), executor, emit)
    _print_comparison(finished, in_json=arguments.json)
    return finished.exit_status or 0


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: everything stopped, the results closed."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_comparison(finished: Run, *, in_json: bool) -> None:
    comparison = compare_run(finished)
    if in_json:
        print(json.dumps(as_json.to_json(comparison), indent=2))
    else:
        width = shutil.get_terminal_size((80, 24)).columns
        print(terminal.render(comparison, width=max(width, 80), color=_colorful()), end="")


def _colorful() -> bool:
    """Whether stdout wants colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def compare(arguments: argparse.Namespace) -> int:
    """``orch compare``: print a stored run's comparison; the exit status is the run's own."""
    stored = load_run(find_run(arguments.results, arguments.run))
    _print_comparison(stored, in_json=arguments.json)
    return stored.exit_status if stored.exit_status is not None else exit_status(stored)


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
        print(f"{path}: ok ({', '.join(_counted(len(all_of), what) for what, all_of in parts.items())})")
    if problems:
        raise ScenarioError(tuple(problems))
    return 0


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
    print(json.dumps(json_schema(), indent=2))
    return 0


def plan(arguments: argparse.Namespace) -> int:
    """``orch plan``: the jobs, and what the cache already has; fetches and builds nothing."""
    scenario = _load(arguments.scenario)
    steps = outlook(LocalHost(), arguments.cache.absolute(), scenario)
    if arguments.json:
        print(json.dumps([{"job": step.job, "outlook": step.text, "cached": step.cached} for step in steps], indent=2))
        return 0
    wide = max(len(step.job) for step in steps)
    for step in steps:
        print(f"{step.job:<{wide}}  {step.text}")
    return 0


def version(_arguments: argparse.Namespace) -> int:
    """``orch --version``: orch and the packages that decide what it does."""
    for package in ("orch", "virtme-ng", "fabric", "PyYAML", "junit-xml"):
        print(f"{package} {metadata.version(package)}")
    return 0
