# SPDX-License-Identifier: GPL-2.0-only
"""Parts of the guest program's groups repeat, random and ranges, compiled for the local machine."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from orchestrator.workload.alignment.program import GUEST

DATA = Path(__file__).parents[2] / "data" / "workload"
PAGE, KIB, MIB, GIB = 4 << 10, 1 << 10, 1 << 20, 1 << 30

FIRST_OF_SEED_0 = [(562036736, 373293056), (2 * GIB, 3018752), (0, 3186581504)]
"""Offsets and lengths, of a BAR of 4 GiB."""


class Part(NamedTuple):
    offset: int
    length: int
    has_pmd: int
    has_pud: int

    def has(self, size: int) -> bool:
        """Check every block of `size` that begins in the part or directly before it."""
        first = self.offset // size * size
        blocks = range(first, self.offset + self.length, size)
        return any(self.offset <= block and block + size <= self.offset + self.length for block in blocks)


def harness(name: str, directory: Path) -> Path:
    binary = directory / name
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", f"-I{GUEST}"]
    subprocess.run(["gcc", *flags, DATA / f"{name}.c", "-o", binary], check=True)
    return binary


@pytest.fixture(scope="module")
def random_range(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness("random_range_harness", tmp_path_factory.mktemp("random_range"))


@pytest.fixture(scope="module")
def msix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness("msix_harness", tmp_path_factory.mktemp("msix"))


@pytest.fixture(scope="module")
def exec_mmap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness("exec_mmap_harness", tmp_path_factory.mktemp("exec_mmap"))


def rows(binary: Path, *arguments: object, stdin: bytes = b"") -> list[tuple[int, ...]]:
    argv = [str(binary), *(str(argument) for argument in arguments)]
    done = subprocess.run(argv, input=stdin, capture_output=True, check=True)
    return [tuple(int(word) for word in line.split()) for line in done.stdout.splitlines()]


def parts(binary: Path, seed: int, offset: int, length: int, count: int = 2000) -> list[Part]:
    return [Part(*row) for row in rows(binary, seed, offset, length, count)]


@pytest.mark.parametrize("seed", [0, 1, (1 << 64) - 1])
@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, PAGE),
        (0, 3 * PAGE),
        (0, 4 * GIB),
        (PAGE, 2 * GIB),
        (2 * MIB - PAGE, 2 * MIB + PAGE),
        (3 * GIB + PAGE, 5 * GIB - PAGE),
    ],
)
def test_parts_are_pages_of_the_range(random_range: Path, seed: int, offset: int, length: int) -> None:
    found = parts(random_range, seed, offset, length)
    assert len(found) == 2000
    for part in found:
        assert part.offset % PAGE == part.length % PAGE == 0
        assert part.length >= PAGE
        assert offset <= part.offset
        assert part.offset + part.length <= offset + length
        assert part.has_pmd == part.has(2 * MIB)
        assert part.has_pud == part.has(GIB)


def test_parts_of_a_large_bar_are_of_every_kind(random_range: Path) -> None:
    found = parts(random_range, 0, 0, 4 * GIB)
    magnitudes = {(part.length // PAGE).bit_length() for part in found}
    assert magnitudes == set(range(1, 22))
    for size, name in ((2 * MIB, "has_pmd"), (GIB, "has_pud")):
        long = [part for part in found if getattr(part, name)]
        kinds = [(part.length % size == 0, part.offset % size == 0) for part in long]
        for kind in ((False, False), (False, True), (True, False), (True, True)):
            assert kinds.count(kind) >= 20, (size, kind)
    assert any(part.length == 4 * GIB for part in found)


def test_the_seed_decides_everything(random_range: Path) -> None:
    """The first ranges of seed 0 are fixed: a seed repeats an old run."""
    assert parts(random_range, 7, 0, 4 * GIB) == parts(random_range, 7, 0, 4 * GIB)
    assert parts(random_range, 7, 0, 4 * GIB) != parts(random_range, 8, 0, 4 * GIB)
    assert [part[:2] for part in parts(random_range, 0, 0, 4 * GIB, 3)] == FIRST_OF_SEED_0


def config(*capabilities: tuple[int, bytes], listed: bool = True) -> bytes:
    """Return config space with these capabilities (id, content after the next pointer), 16 bytes apart."""
    space = bytearray(256)
    space[0x06] = 0x10 if listed else 0
    pointer = 0x34
    for number, (identity, body) in enumerate(capabilities):
        where = 0x40 + 16 * number
        space[pointer] = where
        space[where] = identity
        space[where + 2 : where + 2 + len(body)] = body
        pointer = where + 1
    return bytes(space)


def msix_body(vectors: int, table: int, pending: int) -> bytes:
    return struct.pack("<HII", 0x8000 | (vectors - 1), table, pending)


POWER = (0x01, b"\0" * 6)


@pytest.mark.parametrize(
    ("vectors", "table", "pending", "expected"),
    [
        (16, 0x3000, 0x3800, [(0, 0x3000, 256), (0, 0x3800, 8)]),  # qemu-xhci
        (65, 0x80000 | 2, 0x81000 | 4, [(2, 0x80000, 1040), (4, 0x81000, 16)]),
        (2048, 0xFFFF0000, 1, [(0, 0xFFFF0000, 32768), (1, 0, 256)]),
        (1, 0, 0x800, [(0, 0, 16), (0, 0x800, 8)]),
    ],
)
@pytest.mark.parametrize("before", [(), (POWER,), (POWER, POWER)])
def test_msix_is_found(
    msix: Path,
    before: tuple[tuple[int, bytes], ...],
    vectors: int,
    table: int,
    pending: int,
    expected: list[tuple[int, ...]],
) -> None:
    space = config(*before, (0x11, msix_body(vectors, table, pending)), POWER)
    assert rows(msix, stdin=space) == expected


def looping() -> bytes:
    space = bytearray(config(POWER))
    space[0x41] = 0x40
    return bytes(space)


def beyond_the_end() -> bytes:
    space = bytearray(256)
    space[0x06], space[0x34], space[0xF8] = 0x10, 0xF8, 0x11
    return bytes(space)


@pytest.mark.parametrize(
    "space",
    [
        bytes(256),
        config(POWER),
        config((0x11, msix_body(16, 0x3000, 0x3800)), listed=False),
        looping(),
        beyond_the_end(),
        b"\xff" * 256,  # a removed device
    ],
)
def test_no_msix_is_no_error(msix: Path, space: bytes) -> None:
    assert rows(msix, stdin=space) == []


@pytest.mark.parametrize(("layout", "down"), [("down", 1), ("up", 0)])
def test_fresh_processes_have_random_addresses_in_the_layout_asked_for(exec_mmap: Path, layout: str, down: int) -> None:
    seen = rows(exec_mmap, layout, 4 * KIB, 64 * MIB, 12)
    assert [row[:3] for row in seen] == [(0, 0, down)] * 12
    assert len({row[3] for row in seen}) > 6


def test_addresses_are_random_even_below_a_process_without_randomisation(exec_mmap: Path) -> None:
    seen = rows(Path("setarch"), "-R", exec_mmap, "down", 0, 64 * MIB, 12)
    assert len({row[3] for row in seen}) > 6


def test_an_mmap_that_fails_in_a_fresh_process_says_so(exec_mmap: Path) -> None:
    enomem = -12
    ((ret, error, _, address),) = rows(exec_mmap, "down", 0, 1 << 48, 1)
    assert (ret, error, address) == (0, enomem, 0)
