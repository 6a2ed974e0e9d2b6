# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios as the command line names them: a file, and options that replace its kernels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.cli.options import ScenarioOptions
from orchestrator.errors import ScenarioError
from orchestrator.run.plan import unknown_failures
from orchestrator.scenario.expand.override_options import read_overrides
from orchestrator.scenario.expand.overrides import overridden
from orchestrator.scenario.load import load
from orchestrator.scenario.model import Scenario
from orchestrator.scenario.resolve.data import kernels_dir, scenarios_dir


def load_scenario(path: Path) -> Scenario:
    """Load the scenario file `path`.

    Raises ScenarioError, also for an expected failure (`xfail`) of a test that the scenario does not run.
    """
    scenario = load(_shipped(path))
    if unknown := unknown_failures(scenario):
        raise ScenarioError(unknown)
    return scenario


def load_with_overrides(options: ScenarioOptions) -> Scenario:
    """Load a scenario with the kernels and the number of boots of the command line, if it has any."""
    scenario = load_scenario(options.path)
    scenario = replace(scenario, repeat=options.repeat or scenario.repeat)
    overrides = read_overrides(options.tree, options.git, options.changes, here=Path.cwd(), data=kernels_dir())
    return overridden(scenario, overrides)


def _shipped(path: Path) -> Path:
    """Return `path`, or orch's own scenario of that name: `scenarios/pud.yaml` also works outside a checkout."""
    own = scenarios_dir() / path.name
    return own if not path.exists() and path.parent in (Path(), Path("scenarios")) and own.exists() else path
