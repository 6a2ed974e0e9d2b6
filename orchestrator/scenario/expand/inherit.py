# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel has of the kernels that it extends."""

from __future__ import annotations

from orchestrator.scenario.schema.scenario import KernelEntry


def lineage(name: str, kernels: dict[str, KernelEntry]) -> list[str]:
    """`name`, the kernel it extends, the one that that one extends, ...; ends before one that is unknown or again."""
    line: list[str] = []
    step: str | None = name
    while step is not None and step in kernels and step not in line:
        line.append(step)
        step = kernels[step].extends
    return line
