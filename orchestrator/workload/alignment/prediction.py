# SPDX-License-Identifier: GPL-2.0-only
"""What the mapping of a part of a BAR must cost, by arithmetic: an oracle that every measurement is held against.

Since Linux 6.12 vfio-pci enters the largest block that can be right (vfio_pci_mmap_huge_fault and
is_aligned_for_order, drivers/vfio/pci/vfio_pci_core.c): a naturally aligned block of virtual addresses that lies
wholly in the mapping, whose first byte has a physical address that is a multiple of the block's size, too.  Before
6.12 the first fault inserts PTEs for all of the mapping (vfio_pci_mmap_fault in 6.1, with io_remap_pfn_range).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.scenario.model import Capability, FaultMaps, Level
from orchestrator.workload.alignment.entries import Entries, entries_of
from orchestrator.yamlfile.units import measured_size


@dataclass(frozen=True)
class PageSizes:
    """What one entry of each level maps, and one table of PUD entries (`p4d`), in bytes; and the bytes of any table.

    Each is a power of two and divides the next.
    """

    pte: int = 1 << 12
    pmd: int = 1 << 21
    pud: int = 1 << 30
    p4d: int = 1 << 39
    table: int = 1 << 12

    def of(self, level: Level) -> int:
        """The bytes that an entry of `level` maps."""
        return {Level.PTE: self.pte, Level.PMD: self.pmd, Level.PUD: self.pud}[level]


X86_64 = PageSizes()


@dataclass(frozen=True)
class Extent:
    """What is mapped where: `length` bytes from `offset` in the BAR, at the virtual `address`.

    `bar_address` is the physical address of the BAR's first byte.  Offset and address are multiples of a page; a last
    page that is covered in part is mapped whole.
    """

    address: int
    bar_address: int
    offset: int
    length: int

    @property
    def physical(self) -> int:
        """The physical address of the first byte that is mapped."""
        return self.bar_address + self.offset

    @property
    def congruent(self) -> Extent:
        """The same range at an address that no other one is better than: its physical one."""
        return Extent(self.physical, self.bar_address, self.offset, self.length)


@dataclass(frozen=True)
class Prediction:
    """What a mapping must cost.

    `alignment` is in bytes, of the address to the offset in the BAR.  `faults` are those of touching every page in
    ascending order, `dma_faults` those of mapping a fresh mapping for DMA.  `vmpte` is the least and the most that
    page tables can grow, in bytes: the tables at the mapping's two ends may be there already, for a neighbour.
    """

    alignment: int
    entries: Entries
    faults: int
    dma_faults: int
    vmpte: tuple[int, int]


def extent_of(numbers: Mapping[str, int]) -> Extent | None:
    """The one mapping that a test measured, from its numbers by name; None where it was none, or several."""
    found = [numbers.get(name) for name in ("address", "bar_address", "offset", "length")]
    known = [number for number in found if number is not None]
    return Extent(*known) if len(known) == len(found) else None


def predict(extent: Extent, can: Capability, sizes: PageSizes = X86_64) -> Prediction:
    """What mapping `extent` costs on a kernel that `can` do so much, in a handful of divisions."""
    blocks = tuple(_blocks(extent, can, sizes))
    pud, pmd, pte = (block.entries for block in blocks)
    entries = Entries(pte, pmd, pud)
    faults = 1 if can.fault_maps is FaultMaps.MAPPING else entries.total
    least = sum(block.own_tables for block in blocks)
    most = least + sum(block.shared_tables for block in blocks)
    alignment = alignment_of(extent.address - extent.offset, sizes)
    return Prediction(alignment, entries, faults, faults, (least * sizes.table, most * sizes.table))


def alignment_of(distance: int, sizes: PageSizes = X86_64) -> int:
    """The largest power of two that divides a `distance` in bytes, at most the largest level's size."""
    return (distance & -distance) % sizes.pud or sizes.pud


def largest(offset: int, length: int, sizes: PageSizes = X86_64) -> Level:
    """The largest level of which a range of a BAR has room for an entry: of an aligned block, at a fitting address."""
    fits = (level for level in (Level.PUD, Level.PMD) if _inside(offset, length, sizes.of(level)))
    return next(fits, Level.PTE)


@dataclass(frozen=True)
class _Blocks:
    """Entries of one level, and the tables that hold them: its own, and those that a neighbour may have, too."""

    entries: int
    own_tables: int
    shared_tables: int


def _blocks(extent: Extent, can: Capability, sizes: PageSizes) -> Iterator[_Blocks]:
    """The entries of PUD, PMD and PTE: what larger entries have covered needs no smaller ones, and no table of them."""
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
    """The bytes that entries of `level` and larger ones map."""
    extends = _around if level is Level.PTE else _inside
    return extends(extent.address, extent.length, size)


def _inside(start: int, length: int, size: int) -> int:
    """The bytes of the aligned blocks of `size` that lie wholly in a range."""
    first = -(-start // size)
    return max(0, (start + length) // size - first) * size


def _around(start: int, length: int, size: int) -> int:
    """The bytes of the aligned blocks of `size` that a range touches."""
    return (-(-(start + length) // size) - start // size) * size


@dataclass(frozen=True)
class PredictionCheck:
    """One measurement held against its prediction, both ready to print; `name` is the measurement's own."""

    name: str
    measured: str
    predicted: str
    agrees: bool

    @property
    def told(self) -> tuple[str, str]:
        """What was predicted, and what was measured, such as ("2 faults", "3 faults"): for a list of several."""
        what = "" if self.name == "entries" else f" {self.name}"
        return self.predicted + what, self.measured + what

    def __str__(self) -> str:
        return f"{self.name}: measured {self.measured}, predicted {self.predicted}"


def hold(numbers: Mapping[str, int], prediction: Prediction) -> tuple[PredictionCheck, ...]:
    """Every measured number, by name, of which `prediction` says something: entries and faults first."""
    return tuple(_held(numbers, prediction))


def contradictions(numbers: Mapping[str, int], prediction: Prediction) -> tuple[str, ...]:
    """A sentence, with both numbers, for each measurement that `prediction` contradicts; what is missing does not."""
    return tuple(str(held) for held in hold(numbers, prediction) if not held.agrees)


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
