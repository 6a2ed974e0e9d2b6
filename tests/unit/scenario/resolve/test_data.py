# SPDX-License-Identifier: GPL-2.0-only
"""The directories of orch's own data."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.scenario.resolve import data


def test_in_a_checkout_it_lies_beside_the_package() -> None:
    top = Path(__file__).resolve().parents[4]
    assert data.kernels_dir() == top / "kernels"
    assert data.scenarios_dir() == top / "scenarios"


def test_once_installed_it_lies_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "orchestrator"
    for name in ("orchestrator/data/kernels", "orchestrator/data/scenarios", "kernels"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(data, "_PACKAGE", package)
    assert data.kernels_dir() == package / "data/kernels"
    assert data.scenarios_dir() == package / "data/scenarios"
