# SPDX-License-Identifier: GPL-2.0-only
"""Inheritance between kernels: the chain of kernels that a kernel extends."""

from __future__ import annotations

from orchestrator.scenario.schema.scenario import KernelEntry


def lineage(name: str, kernels: dict[str, KernelEntry]) -> list[str]:
    """Return `name`, the kernel that it extends, the kernel that this one extends, and so on.

    The list ends before a kernel that is unknown or already in the list.
    """
    line: list[str] = []
    step: str | None = name
    while step is not None and step in kernels and step not in line:
        line.append(step)
        step = kernels[step].extends
    return line
