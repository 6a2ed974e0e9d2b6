# SPDX-License-Identifier: GPL-2.0-only
"""The scenario that a bisection runs at each commit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.bisect.measure import scenario_at
from orchestrator.bisect.model import Question
from orchestrator.scenario.sources import GitSource
from tests.unit.result.test_samples import scenario_at as sample

QUESTION = Question("s.yaml", "", "s", "base", "", "/linux", "v1", "v2", "a" * 40, "b" * 40, "", 2, 7)


def test_a_commit_is_booted_once_for_each_measurement_whatever_the_scenario_repeats() -> None:
    scenario = scenario_at(replace(sample(Path("s.yaml")), repeat=5), QUESTION, "c" * 40, ())
    assert scenario.repeat == 1
    assert [(kernel.name, kernel.source) for kernel in scenario.kernels] == [("base", GitSource("/linux", "c" * 40))]
