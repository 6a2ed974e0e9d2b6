# SPDX-License-Identifier: GPL-2.0-only
"""Where the data that comes with orch lies: beside the package in a checkout, inside it once installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def kernels_dir() -> Path:
    """The directory with `configs/` and `patches/` that scenarios name fragments and series of."""
    return _data_dir("kernels")


def scenarios_dir() -> Path:
    """The directory of the scenarios that come with orch."""
    return _data_dir("scenarios")


def _data_dir(name: str) -> Path:
    # The wheel's copy is asked for first: what lies beside an installed package is not ours.
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
