# SPDX-License-Identifier: GPL-2.0-only
"""Compute the cost of mapping a part of a BAR.

This is the oracle with which every measurement is compared.  Since Linux 6.12, vfio-pci maps the largest possible block
(vfio_pci_mmap_huge_fault and is_aligned_for_order, drivers/vfio/pci/vfio_pci_core.c): a naturally aligned block of
virtual addresses that is completely in the mapping, and whose first byte has a physical address that is also a multiple
of the block's size.  Before 6.12, the first fault inserts PTEs for the whole mapping (vfio_pci_mmap_fault in 6.1, with
io_remap_pfn_range).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.scenario.model import Capability, FaultMaps, Level
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.yamlfile.units import measured_size


@dataclass(frozen=True)
class PageSizes:
    """The sizes, in bytes, of page-table entries and tables.

    `pte`, `pmd` and `pud` are what one entry of the level maps, `p4d` what one table of PUD entries maps, and `table`
    is the size of any table.  Each size is a power of two; each mapped size divides the next larger one.
    """

    pte: int = 1 << 12
    pmd: int = 1 << 21
    pud: int = 1 << 30
    p4d: int = 1 << 39
    table: int = 1 << 12

    def of(self, level: Level) -> int:
        """Return the number of bytes that an entry of `level` maps."""
        return {Level.PTE: self.pte, Level.PMD: self.pmd, Level.PUD: self.pud}[level]


X86_64 = PageSizes()


@dataclass(frozen=True)
class Extent:
    """One mapping: `length` bytes from `offset` in the BAR, at the virtual `address`.

    `bar_address` is the physical address of the BAR's first byte.  Offset and address are multiples of the page size;
    a partly covered last page is mapped completely.
    """

    address: int
    bar_address: int
    offset: int
    length: int

    @property
    def physical(self) -> int:
        """The physical address of the first mapped byte."""
        return self.bar_address + self.offset

    @property
    def congruent(self) -> Extent:
        """The same range at the best possible address, which is its physical address."""
        return Extent(self.physical, self.bar_address, self.offset, self.length)


@dataclass(frozen=True)
class Prediction:
    """The predicted cost of a mapping.

    `alignment` is that of the distance between the address and the offset in the BAR, in bytes.  `faults` is the number
    of faults when every page is touched in ascending order, `dma_faults` when a new mapping is mapped for DMA.
    `vmpte` is the minimum and the maximum growth of the page tables, in bytes: the tables at the two ends of the
    mapping can exist already, for a neighbouring mapping.
    """

    alignment: int
    entries: Entries
    faults: int
    dma_faults: int
    vmpte: tuple[int, int]


def extent_of(numbers: Mapping[str, int]) -> Extent | None:
    """Return the mapping that a test measured, from its numbers by name.

    Returns None if it was not exactly one.
    """
    found = [numbers.get(name) for name in ("address", "bar_address", "offset", "length")]
    known = [number for number in found if number is not None]
    return Extent(*known) if len(known) == len(found) else None


def predict(extent: Extent, can: Capability, sizes: PageSizes = X86_64) -> Prediction:
    """Predict the cost of mapping `extent` on a kernel with the capability `can`, with a few divisions."""
    blocks = tuple(_blocks(extent, can, sizes))
    pud, pmd, pte = (block.entries for block in blocks)
    entries = Entries(pte, pmd, pud)
    faults = 1 if can.fault_maps is FaultMaps.MAPPING else entries.total
    least = sum(block.own_tables for block in blocks)
    most = least + sum(block.shared_tables for block in blocks)
    alignment = alignment_of(extent.address - extent.offset, sizes)
    return Prediction(alignment, entries, faults, faults, (least * sizes.table, most * sizes.table))


def alignment_of(distance: int, sizes: PageSizes = X86_64) -> int:
    """Return the largest power of two that divides `distance`, in bytes.

    It is at most the size of the largest level.
    """
    return (distance & -distance) % sizes.pud or sizes.pud


def largest(offset: int, length: int, sizes: PageSizes = X86_64) -> Level:
    """Return the largest level that fits into a range of a BAR.

    A level fits if the range has room for an aligned entry at the best address.
    """
    fits = (level for level in (Level.PUD, Level.PMD) if _inside(offset, length, sizes.of(level)))
    return next(fits, Level.PTE)


def regions(extent: Extent, can: Capability, sizes: PageSizes = X86_64) -> Iterator[tuple[int, int, Level]]:
    """Yield where the entries of `predict` are: address, length in bytes, and level, in ascending order.

    Those of a smaller level are before and after those of a larger one.  Some have the length 0.
    """
    inner: list[tuple[int, int, Level]] = []
    for level in (Level.PUD, Level.PMD, Level.PTE):
        size = sizes.of(level)
        mapped = _mapped(level, size, extent) if _usable(level, size, extent, can) else 0
        if not mapped:
            continue
        start = (extent.address if level is Level.PTE else extent.address + size - 1) // size * size
        first, last = (inner[0][0], sum(inner[-1][:2])) if inner else (start, start)
        inner = [(start, first - start, level), *inner, (last, start + mapped - last, level)]
    yield from inner


@dataclass(frozen=True)
class _Blocks:
    """The entries of one level and their tables.

    A shared table can also belong to a neighbouring mapping.
    """

    entries: int
    own_tables: int
    shared_tables: int


def _blocks(extent: Extent, can: Capability, sizes: PageSizes) -> Iterator[_Blocks]:
    """Yield the PUD, PMD and PTE entries.

    A range that is covered by larger entries needs no smaller ones, and no tables for them.
    """
    spans = ((Level.PUD, sizes.p4d), (Level.PMD, sizes.pud), (Level.PTE, sizes.pmd))
    covered = 0
    for level, table_spans in spans:
        size = sizes.of(level)
        whole = _inside(extent.address, extent.length, table_spans)
        around = _around(extent.address, extent.length, table_spans)
        mapped = _mapped(level, size, extent) if _usable(level, size, extent, can) else covered
        own, shared = (whole - covered) // table_spans, (around - whole) // table_spans
        yield _Blocks((mapped - covered) // size, own, shared)
        covered = mapped


def _usable(level: Level, size: int, extent: Extent, can: Capability) -> bool:
    if level is Level.PTE:
        return True
    each = can.fault_maps is FaultMaps.ENTRY
    return each and level in can.levels and (extent.address - extent.physical) % size == 0


def _mapped(level: Level, size: int, extent: Extent) -> int:
    """Return the number of bytes that entries of `level` and larger levels map."""
    extends = _around if level is Level.PTE else _inside
    return extends(extent.address, extent.length, size)


def _inside(start: int, length: int, size: int) -> int:
    """Return the total size of the aligned blocks of `size` that are completely in a range."""
    first = -(-start // size)
    return max(0, (start + length) // size - first) * size


def _around(start: int, length: int, size: int) -> int:
    """Return the total size of the aligned blocks of `size` that overlap a range."""
    return (-(-(start + length) // size) - start // size) * size


@dataclass(frozen=True)
class PredictionCheck:
    """One measurement compared with its prediction, both as text to print.

    `name` is that of the measurement.
    """

    name: str
    measured: str
    predicted: str
    agrees: bool

    @property
    def described(self) -> tuple[str, str]:
        """The predicted and the measured value, such as ("2 faults", "3 faults")."""
        what = "" if self.name == "entries" else f" {self.name}"
        return self.predicted + what, self.measured + what

    def __str__(self) -> str:
        return f"{self.name}: measured {self.measured}, predicted {self.predicted}"


def hold(numbers: Mapping[str, int], prediction: Prediction) -> tuple[PredictionCheck, ...]:
    """Compare the measured `numbers` with `prediction`, entries and faults first.

    Numbers without a prediction are left out.
    """
    return tuple(_held(numbers, prediction))


def contradictions(numbers: Mapping[str, int], prediction: Prediction) -> tuple[str, ...]:
    """Return a sentence with both numbers for each measurement that differs from `prediction`.

    Missing measurements are ignored.
    """
    return tuple(str(check) for check in hold(numbers, prediction) if not check.agrees)


def _held(numbers: Mapping[str, int], prediction: Prediction) -> Iterator[PredictionCheck]:
    entries = entries_of(numbers)
    if entries is not None:
        predicted = prediction.entries
        yield PredictionCheck("entries", entries.counted, predicted.counted, entries == predicted)
    counts = {"faults": prediction.faults, "dma_faults": prediction.dma_faults, "own_faults": 0}
    for name in [name for name in counts if name in numbers]:
        yield PredictionCheck(name, str(numbers[name]), str(counts[name]), numbers[name] == counts[name])
    if "alignment" in numbers:
        alignment = numbers["alignment"]
        agrees = alignment == prediction.alignment
        yield PredictionCheck("alignment", measured_size(alignment), measured_size(prediction.alignment), agrees)
    if "vmpte" in numbers:
        yield _held_tables(numbers["vmpte"], *prediction.vmpte)


def _held_tables(grown: int, least: int, most: int) -> PredictionCheck:
    between = measured_size(least) if least == most else f"{measured_size(least)} to {measured_size(most)}"
    return PredictionCheck("vmpte", measured_size(grown), between, least <= grown <= most)
