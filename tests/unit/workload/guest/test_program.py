# SPDX-License-Identifier: GPL-2.0-only
"""The guest program's page-table parser and placements, compiled for this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.workload.alignment.program import GUEST

DATA = Path(__file__).parents[2] / "data" / "workload"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
RUNS = 8
"""Enough that chance would be seen: half of all page-aligned addresses are aligned to 8 KiB."""


def harness(name: str, directory: Path) -> Path:
    binary = directory / name
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", f"-I{GUEST}"]
    subprocess.run(["gcc", *flags, DATA / f"{name}.c", "-o", binary], check=True)
    return binary


@pytest.fixture(scope="module")
def pagetable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness("pagetable_harness", tmp_path_factory.mktemp("pagetable"))


@pytest.fixture(scope="module")
def placement(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness("placement_harness", tmp_path_factory.mktemp("placement"))


def numbers(binary: Path, *arguments: object) -> tuple[int, ...]:
    argv = [str(binary), *(str(argument) for argument in arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return tuple(int(word) for word in done.stdout.split())


@pytest.mark.parametrize(
    ("dump", "start", "length", "pte", "pmd", "pud", "mapped"),
    [
        # --offset 4K --length 2G --placement offset: every level, in the middle of the dump
        ("ptdump-7.3-mixed.txt", 0x7F9240001000, 2 * GIB, 512, 511, 1, 2 * GIB),
        # a part of it; an entry that is only partly in the range counts as one
        ("ptdump-7.3-mixed.txt", 0x7F9240200000, 2 * MIB, 0, 1, 0, 2 * MIB),
        ("ptdump-7.3-mixed.txt", 0x7F9280000000, 4 * KIB, 0, 0, 1, 4 * KIB),
        ("ptdump-7.3-mixed.txt", 0x7F923FE00000, 4 * MIB + 4 * KIB, 511, 1, 0, 2 * MIB),
        # a hole, and addresses that the dump does not reach
        ("ptdump-7.3-mixed.txt", 0x7F9240000000, 4 * KIB, 0, 0, 0, 0),
        ("ptdump-7.3-mixed.txt", 0x40000000, GIB, 0, 0, 0, 0),
        # --length 64M --placement kernel: the next mapping follows at once
        ("ptdump-7.3-pte.txt", 0x7FD098D3B000, 64 * MIB, 16384, 0, 0, 64 * MIB),
        # the format of 6.1: a four-level kernel, runs of one level split by their flags, skipped entries
        ("ptdump-6.1-form.txt", 0x7F2A00200000, 8 * MIB, 512, 3, 0, 8 * MIB),
        ("ptdump-6.1-form.txt", 0x7F2A00000000, 12 * MIB, 512, 3, 0, 8 * MIB),
        ("ptdump-6.1-form.txt", 0x8000000000, GIB, 0, 0, 0, 0),
    ],
)
def test_entries(
    pagetable: Path, dump: str, start: int, length: int, pte: int, pmd: int, pud: int, mapped: int
) -> None:
    assert numbers(pagetable, DATA / dump, hex(start), hex(start + length)) == (0, pte, pmd, pud, mapped, 0)


@pytest.mark.parametrize(
    ("start", "length", "pte", "pmd", "mapped", "contiguous"),
    [
        # a BAR: --offset 4K --length 2G --placement offset
        (0xFFFEC0001000, 2 * GIB, 512, 1023, 2 * GIB, 0),
        # memory in a folio of 64 KiB, and what is around it
        (0xFFFFF6280000, 64 * KIB, 16, 0, 64 * KIB, 16),
        (0xFFFFF627E000, 2 * MIB, 34, 0, 136 * KIB, 16),
        # a hole
        (0xFFFEC0000000, 4 * KIB, 0, 0, 0, 0),
    ],
)
def test_entries_of_arm64(
    pagetable: Path, start: int, length: int, pte: int, pmd: int, mapped: int, contiguous: int
) -> None:
    found = numbers(pagetable, DATA / "ptdump-7.3-arm64.txt", hex(start), hex(start + length))
    assert found == (0, pte, pmd, 0, mapped, contiguous)


def test_an_invalid_entry_of_arm64_maps_nothing(pagetable: Path, tmp_path: Path) -> None:
    (tmp_path / "dump").write_text(
        "0x0-0x1000 4K PTE F USR RW NX SHD AF NG\n0x1000-0x2000 4K PTE   USR RW NX SHD AF NG CON\n"
    )
    assert numbers(pagetable, tmp_path / "dump", "0", "10000") == (0, 1, 0, 0, 4 * KIB, 1)


READ, WRITE = 1, 2
X86 = "0x40000000-0x80000000 1G {} pud\n"
ARM64 = "0x40000000-0x40200000 2M PMD {}\n"
WRONG_TYPE = (
    "1 of 1 {} entries of the fresh mapping are not of the memory type of pgprot_noncached(), the first one is {}"
)


def attributes(pagetable: Path, dump: Path, start: int, end: int, prot: int) -> tuple[list[str], dict[str, int]]:
    """Return the lines that are not ok, and the measurements."""
    argv = [str(pagetable), str(dump), hex(start), hex(end), str(prot)]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    wrong = [line.removeprefix("NOT OK ") for line in lines if line.startswith("NOT OK ")]
    measurements = (line.split() for line in lines if not line.startswith("NOT OK "))
    return wrong, {name: int(value) for name, value, _, _ in measurements}


@pytest.mark.parametrize(
    ("flags", "prot", "wrong"),
    [
        # What vfio-pci requests: UC-, by PCD alone.
        (X86.format("USR RW PCD PSE NX"), READ | WRITE, ""),
        (X86.format("USR ro PCD PSE NX"), READ, ""),
        (ARM64.format("USR ro NX SHD AF NG BLK UXN DEVICE/nGnRnE"), READ | WRITE, ""),
        (ARM64.format("USR RW NX SHD AF NG BLK UXN DEVICE/nGnRnE"), READ | WRITE, ""),
        (ARM64.format("USR ro NX SHD AF NG BLK UXN DEVICE/nGnRnE"), READ, ""),
        # Each of the other memory types, by the PAT's slot.
        (X86.format("USR RW PSE NX"), READ | WRITE, WRONG_TYPE.format("PUD", "WB")),
        (X86.format("USR RW PWT PSE NX"), READ | WRITE, WRONG_TYPE.format("PUD", "WC")),
        (X86.format("USR RW PWT PCD PSE NX"), READ | WRITE, WRONG_TYPE.format("PUD", "UC")),
        (X86.format("USR RW PSE PAT NX"), READ | WRITE, WRONG_TYPE.format("PUD", "WB (PAT)")),
        (X86.format("USR RW PWT PSE PAT NX"), READ | WRITE, WRONG_TYPE.format("PUD", "WP")),
        (X86.format("USR RW PCD PSE PAT NX"), READ | WRITE, WRONG_TYPE.format("PUD", "UC- (PAT)")),
        (X86.format("USR RW PWT PCD PSE PAT NX"), READ | WRITE, WRONG_TYPE.format("PUD", "WT")),
        (
            ARM64.format("USR ro NX SHD AF NG BLK UXN MEM/NORMAL"),
            READ | WRITE,
            WRONG_TYPE.format("PMD", "MEM/NORMAL"),
        ),
        (
            ARM64.format("USR ro NX SHD AF NG BLK UXN MEM/NORMAL-NC"),
            READ | WRITE,
            WRONG_TYPE.format("PMD", "MEM/NORMAL-NC"),
        ),
        (
            ARM64.format("USR ro NX SHD AF NG BLK UXN DEVICE/nGnRE"),
            READ | WRITE,
            WRONG_TYPE.format("PMD", "DEVICE/nGnRE"),
        ),
        (ARM64.format("USR ro NX SHD AF NG BLK UXN"), READ | WRITE, WRONG_TYPE.format("PMD", "unknown")),
        # Write, execute, global, user.
        (X86.format("USR RW PCD PSE NX"), READ, "are writable, and only reading was asked for"),
        (X86.format("USR ro PCD PSE NX"), READ | WRITE, "are read-only, and writing was asked for"),
        (ARM64.format("USR RW NX SHD AF NG BLK UXN DEVICE/nGnRnE"), READ, "are writable, and only reading"),
        (X86.format("USR RW PCD PSE x"), READ | WRITE, "are executable"),
        (ARM64.format("USR ro x SHD AF NG BLK UXN DEVICE/nGnRnE"), READ, "are executable"),
        (ARM64.format("USR ro NX SHD AF NG BLK DEVICE/nGnRnE"), READ, "are executable"),
        (X86.format("USR RW PCD PSE GLB NX"), READ | WRITE, "are global"),
        (ARM64.format("USR ro NX SHD AF BLK UXN DEVICE/nGnRnE"), READ, "are global"),
        (X86.format("RW PCD PSE NX"), READ | WRITE, "are not for user space"),
    ],
)
def test_attributes_that_were_not_requested_are_not_ok(
    pagetable: Path, flags: str, prot: int, wrong: str, tmp_path: Path
) -> None:
    (tmp_path / "dump").write_text(flags)
    found, measured = attributes(pagetable, tmp_path / "dump", 0x40000000, 0x80000000, prot)
    assert len(found) == bool(wrong)
    assert wrong in "".join(found)
    assert sum(measured[f"entries_{name}"] for name in ("cached", "executable", "global", "kernel")) == bool(
        found and "ask" not in wrong and "reading" not in wrong
    )


def test_attributes_are_reported_for_each_level(pagetable: Path) -> None:
    """The format of 6.1: 512 PTEs and 3 PMD entries.

    One PTE is global and UC.  Two PMD entries are UC- by another slot, and one is executable.
    """
    found, measured = attributes(pagetable, DATA / "ptdump-6.1-form.txt", 0x7F2A00200000, 0x7F2A00A00000, READ | WRITE)
    assert [line.split(" entries")[0] for line in found] == [
        "1 of 512 PTE",
        "1 of 512 PTE",
        *["2 of 3 PMD"],
        *["1 of 3 PMD"] * 2,
    ]
    assert measured == {
        "entries_cached": 3,
        "entries_executable": 1,
        "entries_global": 1,
        "entries_kernel": 0,
        "asked_writable": 1,
        "entries_writable": 514,
    }


def test_arm64_does_not_tell_whether_clean_entries_can_be_written(pagetable: Path) -> None:
    dump = DATA / "ptdump-7.3-arm64.txt"
    found, measured = attributes(pagetable, dump, 0xFFFEC0001000, 0xFFFEC0001000 + 2 * GIB, READ | WRITE)
    assert found == []
    assert measured == dict.fromkeys(("entries_cached", "entries_executable", "entries_global", "entries_kernel"), 0)


@pytest.mark.parametrize("text", ["", "\n\n", "0x0-0x1000\n", "0x0-0x1000 4K\n", "0x0-0x1000 4K USR RW x\n", "x" * 999])
def test_what_is_no_run_of_entries_counts_for_nothing(pagetable: Path, text: str, tmp_path: Path) -> None:
    (tmp_path / "dump").write_text(text)
    assert numbers(pagetable, tmp_path / "dump", "0", "10000") == (0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize("aligned", [64 * KIB, 2 * MIB, 32 * MIB, GIB])
@pytest.mark.parametrize(
    ("offset", "length"), [(0, 2 * GIB), (0, 3 * GIB + 4 * KIB), (12 * KIB, 2 * GIB), (0, 4 * KIB)]
)
def test_the_kernels_alignment_is_found_without_luck(
    placement: Path, direction: str, aligned: int, offset: int, length: int
) -> None:
    """The kernel aligns each mmap of a file to `aligned`.

    Exactly that alignment is found, every time.
    """
    step = aligned if direction == "up" else -aligned
    seen = {numbers(placement, "kernel", offset, length, aligned, direction) for _ in range(RUNS)}
    assert seen == {(0, aligned, step)}


@pytest.mark.parametrize("direction", ["down", "up"])
def test_this_kernels_alignment_is_the_same_every_time(placement: Path, direction: str) -> None:
    seen = {numbers(placement, "kernel", 0, 64 * MIB, 0, direction) for _ in range(RUNS)}
    assert len(seen) == 1
    ((status, alignment, step),) = seen
    assert status == 0
    assert abs(step) == alignment


@pytest.mark.parametrize(
    ("rule", "offset", "length", "alignment"),
    [
        ("qemu", 0, 2 * GIB, GIB),
        ("qemu", 0, 3 * GIB, GIB),
        ("qemu", 0, 256 * MIB, 256 * MIB),
        ("qemu", 0, 2 * GIB + 4 * KIB, 4 * KIB),
        ("qemu", 4 * KIB, 4 * KIB, 4 * KIB),
        ("qemu", 4 * KIB, 2 * GIB, 4 * KIB),  # aligned as an address, but not like the BAR
        ("qemu", MIB, 2 * GIB, MIB),
        ("offset", 0, 2 * GIB, GIB),
        ("offset", 4 * KIB, 2 * GIB, GIB),
        ("offset", 4 * KIB, GIB - 4 * KIB, 2 * MIB),
        ("offset", 0, 2 * MIB, 2 * MIB),
        ("offset", 4 * KIB, 2 * MIB - 4 * KIB, 4 * KIB),
        ("pmd", 0, 2 * GIB, 512 * MIB),
        ("pmd", 0, GIB, 512 * MIB),
        ("pmd", 4 * KIB, 3 * GIB + 4 * KIB, 512 * MIB),
        ("pmd", 2 * MIB, 64 * MIB, 512 * MIB),
        ("pmd", 12 * KIB, 4 * KIB, 512 * MIB),
        ("misaligned", 0, 2 * GIB, 4 * KIB),
        ("misaligned", 2 * MIB - 4 * KIB, 2 * GIB, 4 * KIB),
        ("cloud-hypervisor", 0, 2 * GIB, GIB),
        ("cloud-hypervisor", 0, 2 * GIB + 4 * KIB, GIB),
        ("cloud-hypervisor", 0, GIB - 4 * KIB, GIB),
        ("cloud-hypervisor", 0, 256 * MIB, 256 * MIB),
        ("cloud-hypervisor", 0, 256 * MIB + 4 * KIB, 512 * MIB),
        ("cloud-hypervisor", 0, 4 * KIB, 4 * KIB),
        ("cloud-hypervisor", 0, 12 * KIB, 16 * KIB),
        ("cloud-hypervisor", GIB + 4 * KIB, 3 * GIB - 4 * KIB, 4 * KIB),  # behind a hole of one page
        ("cloud-hypervisor", 2 * MIB, 2 * GIB, 2 * MIB),
    ],
)
def test_other_rules(placement: Path, rule: str, offset: int, length: int, alignment: int) -> None:
    assert {numbers(placement, rule, offset, length, 0, "down") for _ in range(RUNS)} == {(0, alignment, 0)}


@pytest.mark.parametrize(
    ("size", "offset", "length", "alignment"),
    [
        (4 * GIB, GIB + 4 * KIB, 3 * GIB - 4 * KIB, GIB),  # behind a hole of one page
        (4 * GIB, 0, GIB, GIB),
        (3 * GIB, 12 * KIB, GIB, GIB),
        (256 * MIB, 4 * KIB, 64 * MIB, 256 * MIB),
        (160 * MIB, 4 * KIB, 64 * MIB, 256 * MIB),  # no power of two, as on an integrated device
        (4 * KIB, 0, 4 * KIB, 4 * KIB),
        (16 * KIB, 8 * KIB, 4 * KIB, 16 * KIB),
    ],
)
def test_a_part_is_placed_by_the_size_of_the_bar(
    placement: Path, size: int, offset: int, length: int, alignment: int
) -> None:
    found = {numbers(placement, "qemu-v4", offset, length, 0, "down", size) for _ in range(RUNS)}
    assert found == {(0, alignment, 0)}
