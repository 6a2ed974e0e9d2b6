# SPDX-License-Identifier: GPL-2.0-only
"""Where orch's own data lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import data_files


def test_in_a_checkout_it_lies_beside_the_package() -> None:
    top = Path(__file__).resolve().parents[2]
    assert data_files.kernels_dir() == top / "kernels"
    assert data_files.scenarios_dir() == top / "scenarios"


def test_once_installed_it_lies_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "orchestrator"
    for name in ("orchestrator/data/kernels", "orchestrator/data/scenarios", "kernels"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(data_files, "_PACKAGE", package)
    assert data_files.kernels_dir() == package / "data/kernels"
    assert data_files.scenarios_dir() == package / "data/scenarios"
