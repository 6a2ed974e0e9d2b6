# SPDX-License-Identifier: GPL-2.0-only
"""Directories of the data that comes with orch.

They are beside the package in a checkout, and inside an installed package.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def kernels_dir() -> Path:
    """Return the directory with `configs/` and `patches/`, whose fragments and series scenarios use by name."""
    return _data_dir("kernels")


def scenarios_dir() -> Path:
    """Return the directory of the scenarios that come with orch."""
    return _data_dir("scenarios")


def _data_dir(name: str) -> Path:
    # The wheel's copy comes first: a directory beside an installed package does not belong to orch.
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
