# SPDX-License-Identifier: GPL-2.0-only
"""The cost of a mapping for user space, per GiB.  Pure.

The costs of BARs of different sizes can thus be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from orchestrator.workload.model import Measurement

GIB = 1 << 30

LEAST = 16 << 20
"""Bytes of the smallest mapping whose costs are compared: of a smaller one, fixed costs would dominate."""

COSTS = ("vmpte", "faults", "touch_time", "dma_faults", "dma_time")
"""The measurements of cost: page tables (bytes), and faults and time (ns) of the first touch and of the DMA map."""


def per_gib(values: Mapping[str, Measurement]) -> dict[str, float]:
    """Return the costs of one mapping, by name, per GiB of its length.

    `values` are its measurements.  Each cost is in its own unit.  A cost that was not measured, or that does not fit in
    a float, is left out.  Without a length the result is empty.
    """
    length = values["length"].value if "length" in values else 0
    costs: dict[str, float] = {}
    for name in [name for name in COSTS if name in values and length > 0]:
        with suppress(OverflowError):
            costs[name] = values[name].value * GIB / length
    return costs
