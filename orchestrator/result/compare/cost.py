# SPDX-License-Identifier: GPL-2.0-only
"""What a mapping costs user space, for each GiB of it, so that BARs of different sizes can be compared.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from orchestrator.workload.model import Measurement

GIB = 1 << 30

COSTS = ("vmpte", "faults", "touch_time", "dma_faults", "dma_time")
"""The measurements that are a cost: page tables (bytes), faults and time (ns) of the first touch and of the DMA map."""


def per_gib(values: Mapping[str, Measurement]) -> dict[str, float]:
    """Each cost among the measurements of one mapping, by name, for one GiB of its length, in its own unit.

    What was not measured is left out, and so is what no float can hold; without a length there is nothing to divide
    by, and the answer is empty.
    """
    length = values["length"].value if "length" in values else 0
    costs: dict[str, float] = {}
    for name in [name for name in COSTS if name in values and length > 0]:
        with suppress(OverflowError):
            costs[name] = values[name].value * GIB / length
    return costs
