# SPDX-License-Identifier: GPL-2.0-only
"""The guest program's parser of the IOMMU's page tables, compiled for this machine."""

from __future__ import annotations

import errno
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.workload.alignment.program import GUEST

DATA = Path(__file__).parents[2] / "data" / "workload"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
DEVICE = "0000:00:10.0"
MIXED = DATA / "iommu-7.3-mixed.txt"
"""From Linux 7.3: type1v2, --offset 1046524K --length 1050632K of a BAR at 4 GiB."""
IOVA, LENGTH, PHYSICAL = 0x17FDFF000, GIB + 2 * MIB + 8 * KIB, 0x13FDFF000
OLD = DATA / "iommu-6.1-form.txt"
"""The format of 6.1: all devices in one file, and zeroes below an entry that maps."""
SCALABLE = DATA / "iommu-scalable-form.txt"
"""The format of scalable mode: a PASID, first-level tables, the first page read-only."""


@dataclass(frozen=True)
class Entries:
    """The output of the harness; sizes and addresses are in bytes."""

    status: int = 0
    nr_4k: int = 0
    nr_2m: int = 0
    nr_1g: int = 0
    mapped: int = 0
    writable: int = 0
    wrong: int = 0
    wrong_iova: int = 0
    wrong_physical: int = 0


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tmp_path_factory.mktemp("iommu") / "iommu_dump_harness"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", f"-I{GUEST}"]
    subprocess.run(["gcc", *flags, DATA / "iommu_dump_harness.c", "-o", binary], check=True)
    return binary


def entries(harness: Path, dump: Path, iova: int, length: int, physical: int | None, device: str = DEVICE) -> Entries:
    leads_to = "any" if physical is None else hex(physical)
    argv = [str(harness), str(dump), device, hex(iova), hex(length), leads_to]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return Entries(*(int(word) for word in done.stdout.split()))


def test_every_size_of_page(harness: Path) -> None:
    expected = Entries(nr_4k=2, nr_2m=1, nr_1g=1, mapped=LENGTH, writable=LENGTH)
    assert entries(harness, MIXED, IOVA, LENGTH, PHYSICAL) == expected
    assert entries(harness, MIXED, IOVA, LENGTH, None) == expected


def test_a_part_of_an_entry_counts_as_one(harness: Path) -> None:
    got = entries(harness, MIXED, 0x190000000, 4 * KIB, 0x150000000)
    assert got == Entries(nr_1g=1, mapped=4 * KIB, writable=4 * KIB)
    got = entries(harness, MIXED, IOVA + 4 * KIB + MIB, 2 * MIB, PHYSICAL + 4 * KIB + MIB)
    assert got == Entries(nr_2m=1, nr_1g=1, mapped=2 * MIB, writable=2 * MIB)


@pytest.mark.parametrize(("iova", "length"), [(0, IOVA), (IOVA + LENGTH, GIB), (IOVA - 4 * KIB, 4 * KIB)])
def test_what_is_not_mapped_has_no_entries(harness: Path, iova: int, length: int) -> None:
    assert entries(harness, MIXED, iova, length, PHYSICAL) == Entries()


def test_a_range_may_be_mapped_in_part(harness: Path) -> None:
    got = entries(harness, MIXED, IOVA - 4 * KIB, 8 * KIB, PHYSICAL - 4 * KIB)
    assert got == Entries(nr_4k=1, mapped=4 * KIB, writable=4 * KIB)


def test_a_wrong_page_is_reported_with_both_addresses(harness: Path) -> None:
    got = entries(harness, MIXED, IOVA, LENGTH, PHYSICAL + 4 * KIB)
    assert (got.wrong, got.wrong_iova, got.wrong_physical) == (LENGTH, IOVA, PHYSICAL)
    got = entries(harness, SCALABLE, 0x100000000, 8 * KIB, 0x140000000)
    assert (got.wrong, got.wrong_iova, got.wrong_physical) == (4 * KIB, 0x100001000, 0x150001000)


def test_one_wrong_entry_in_the_middle_is_found(harness: Path, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_text(MIXED.read_text().replace("0x000000013fe00083", "0x000000013fc00083"))
    got = entries(harness, dump, IOVA, LENGTH, PHYSICAL)
    assert (got.mapped, got.wrong) == (LENGTH, 2 * MIB)
    assert (got.wrong_iova, got.wrong_physical) == (0x17FE00000, 0x13FC00000)


def test_read_only_entries(harness: Path) -> None:
    got = entries(harness, SCALABLE, 0x100000000, 8 * KIB, None)
    assert got == Entries(nr_4k=2, mapped=8 * KIB, writable=4 * KIB)


def test_all_devices_in_one_file(harness: Path) -> None:
    length = GIB + GIB
    got = entries(harness, OLD, 0xFFFFF000, length, 0x13FFFF000)
    assert got == Entries(nr_4k=1, nr_2m=1, nr_1g=1, mapped=2 * MIB + GIB, writable=2 * MIB + GIB)
    other = entries(harness, OLD, 0xFFFFF000, length, None, "0000:00:01.0")
    assert other == Entries(nr_4k=1, mapped=4 * KIB, writable=4 * KIB)
    assert entries(harness, OLD, 0, 1 << 39, None, "0000:00:1f.2") == Entries()


def test_a_device_that_is_not_shown(harness: Path) -> None:
    assert entries(harness, OLD, 0, 1 << 39, None, "0000:00:02.0") == Entries(status=-errno.ENODATA)


@pytest.mark.parametrize(
    "line",
    ["", "0x", "0x0000000100000", "0x0000000100000 |", "0x0000000100000 |\t0x0000000000000000", "x" * 999, "Device"],
)
def test_what_is_no_entry_counts_for_nothing(harness: Path, line: str, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_text(f"Device {DEVICE} @0x1000\nIOVA_PFN PML5E PML4E PDPE PDE PTE\n{line}\n")
    assert entries(harness, dump, 0, 1 << 39, None) == Entries()
    dump.write_text(f"{line}\n")
    assert entries(harness, dump, 0, 1 << 39, None) == Entries(status=-errno.ENODATA)
