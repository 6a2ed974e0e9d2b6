# SPDX-License-Identifier: GPL-2.0-only
"""A run for the tests of its jobs and of its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.events import ignore
from orchestrator.machine.boothost.base import LocalBootHost
from orchestrator.report import junit
from orchestrator.result.store.writer import RunStore
from orchestrator.run.context import RunContext, Settings
from orchestrator.run.plan import jobs
from orchestrator.scenario.model import Scenario
from tests.fakes import FakeHost
from tests.unit.result.test_samples import scenario_at


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    (tmp_path / "s.yaml").write_text("name: s\n")
    return scenario_at(tmp_path / "s.yaml")


@pytest.fixture
def context(scenario: Scenario, tmp_path: Path) -> RunContext:
    """A run of `scenario` on hosts that do nothing."""
    store = RunStore.create(tmp_path / "results", scenario, jobs(scenario), views={"junit.xml": junit.render})
    host = FakeHost()
    settings = Settings(tmp_path / "cache", tmp_path / "results", 1)
    return RunContext(scenario, settings, host, LocalBootHost(host, tmp_path), store, ignore)
