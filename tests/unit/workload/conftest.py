# SPDX-License-Identifier: GPL-2.0-only
"""The guest program, compiled once for all tests, whichever process runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.host.local import LocalHost
from orchestrator.workload.alignment.program import compile_program


@pytest.fixture(scope="session")
def host() -> Iterator[LocalHost]:
    local = LocalHost()
    yield local
    local.stop_all()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for this run of the tests: its lock lets pytest-xdist's processes share it."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "alignment-cache"


@pytest.fixture(scope="session")
def alignment(host: LocalHost, cache: Path) -> Path:
    """Return the guest program, compiled for the local machine."""
    return compile_program(host, cache)
