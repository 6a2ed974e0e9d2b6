# SPDX-License-Identifier: GPL-2.0-only
"""The results of a test that passed, as a short text.

They are the numbers that its name is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from errno import errorcode

from orchestrator.report.text import format_ns
from orchestrator.workload.alignment.entries import entries_of
from orchestrator.workload.alignment.stage2 import STAGE2
from orchestrator.workload.model import Measurement

_IOMMU_PAGES = (("iommu_1g", "1G"), ("iommu_2m", "2M"), ("iommu_4k", "4K"))


def facts(values: Mapping[str, Measurement]) -> str:
    """Return the results as a short text.

    They are the cost of a DMA map or the error of a refused one, what KVM maps into a virtual machine, and whether a
    small BAR can be mapped.
    """
    return ", ".join(_facts({name: measurement.value for name, measurement in values.items()}))


def _facts(numbers: Mapping[str, int]) -> Iterator[str]:
    for name in ("map_error", "write_error"):
        if name in numbers:
            yield errorcode.get(numbers[name], f"errno {numbers[name]}")
    for name in ("dma_faults", "map_faults"):
        if name in numbers:
            yield f"{numbers[name]} fault{'' if numbers[name] == 1 else 's'}"
    pages = [f"{numbers[name]}x{size}" for name, size in _IOMMU_PAGES if numbers.get(name)]
    if pages:
        yield "+".join(pages)
    stage2 = entries_of(numbers, STAGE2)
    if stage2:
        yield str(stage2)
    if "mmap_offered" in numbers:
        yield "mmap" if numbers["mmap_offered"] else "no mmap"
    if numbers.get("shared_page"):
        yield "shares its page"
    if "dma_time" in numbers:
        yield format_ns(numbers["dma_time"])
