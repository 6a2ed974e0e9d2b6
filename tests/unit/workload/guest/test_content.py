# SPDX-License-Identifier: GPL-2.0-only
"""Parts of the guest program's tests `content` and `sub-page`, compiled for the local machine."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

from orchestrator.workload.alignment.program import GUEST

DATA = Path(__file__).parents[2] / "data" / "workload"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
ADDRESS = 0x7F00_0000_0000


@pytest.fixture(scope="module")
def harnesses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("harnesses")
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", f"-I{GUEST}"]
    for name in ("sample_pages", "pattern", "iomem", "renew"):
        subprocess.run(["gcc", *flags, DATA / f"{name}_harness.c", "-o", directory / name], check=True)
    return directory


def output(binary: Path, *arguments: object) -> list[str]:
    argv = [str(binary), *(str(argument) for argument in arguments)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


def sample_pages(
    harnesses: Path, offset: int, length: int, address: int, seed: int = 0
) -> tuple[tuple[int, int], list[int]]:
    first, *rest = output(harnesses / "sample_pages", offset, length, address, seed)
    pmd, pud = (int(word) for word in first.split())
    return (pmd, pud), [int(line) for line in rest]


def sides(offset: int, length: int, start: int, size: int) -> set[int]:
    """Return the pages on both sides of every multiple of `size` in a range.

    The first byte of the range is at `start`.
    """
    inside = range((start // size + 1) * size, start + length, size)
    return {offset + boundary - start + side for boundary in inside for side in (-4 * KIB, 0)}


@pytest.mark.parametrize(
    ("offset", "length", "address", "pmd", "pud"),
    [
        (0, 2 * GIB, ADDRESS, 1023, 1),
        (0, 2 * GIB, ADDRESS + 2 * MIB, 1023, 1 + 2),
        (0, 2 * GIB, ADDRESS + 4 * KIB, 1023 + 1024, 1 + 2),
        (4 * KIB, 2 * GIB, ADDRESS + 4 * KIB, 1024, 2),
        (3 * MIB, 64 * MIB, ADDRESS + MIB, 32, 0),
        (0, 3 * MIB, ADDRESS + MIB, 1 + 1, 0),
        (0, 4 * KIB, ADDRESS, 0, 0),
    ],
)
def test_both_sides_of_every_boundary_are_in_the_sample(
    harnesses: Path, offset: int, length: int, address: int, pmd: int, pud: int
) -> None:
    boundaries, found = sample_pages(harnesses, offset, length, address)
    assert boundaries == (pmd, pud)
    wanted = {offset, offset + length - 4 * KIB}
    for size in (2 * MIB, GIB):
        wanted |= sides(offset, length, offset, size) | sides(offset, length, address, size)
    assert wanted <= set(found)
    assert len(set(found)) == len(found)
    assert all(offset <= spot < offset + length and spot % (4 * KIB) == 0 for spot in found)


def test_the_size_of_the_sample_depends_on_the_length_alone(harnesses: Path) -> None:
    counts = {
        len(sample_pages(harnesses, 0, 2 * GIB, ADDRESS + shift, seed)[1])
        for shift in (0, 4 * KIB, 8 * KIB, MIB, 2 * MIB)
        for seed in (0, 1)
    }
    assert len(counts) == 1
    assert counts.pop() >= 4 * 1024 + 2000


def test_a_small_range_is_looked_at_as_a_whole(harnesses: Path) -> None:
    _, found = sample_pages(harnesses, 8 * KIB, 16 * MIB, ADDRESS)
    assert sorted(found) == list(range(8 * KIB, 8 * KIB + 16 * MIB, 4 * KIB))


def test_the_seed_decides_which_pages_and_in_which_order(harnesses: Path) -> None:
    first, again, other = (sample_pages(harnesses, 0, 256 * MIB, ADDRESS, seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert set(first) != set(other)
    assert first != sorted(first)


def test_a_right_mapping_has_no_wrong_page_and_is_restored(harnesses: Path) -> None:
    assert output(harnesses / "pattern", 1, 64) == [*(f"{number} 0" for number in range(6)), "restored"]


@pytest.mark.parametrize(
    ("seed", "back"),
    [
        # Page 20 of the mapping is written before page 3, and lost; page 20 of the file is as it was.
        (1, "2 1 20 what an earlier pass wrote to BAR offset 0x14000"),
        # And after it: page 3 of the file has the tag of page 20.
        (7, "2 2 3 the page at BAR offset 0x14000"),
    ],
)
def test_a_wrong_page_is_found_and_named(harnesses: Path, seed: int, back: str) -> None:
    """Page 20 of the mapping shows page 3."""
    fresh, mapped, written, *_, verdict = output(harnesses / "pattern", seed, 64, 20, 3)
    assert fresh == "0 1 20 the page at BAR offset 0x3000"
    assert mapped == "1 1 20 the page at BAR offset 0x3000"
    assert written == back
    assert verdict == "restored"


def test_a_mapping_that_ends_early_is_a_failed_access_and_no_death(harnesses: Path) -> None:
    """Page 5 is beyond the end of the file, so that an access raises SIGBUS."""
    failed, verdict = output(harnesses / "pattern", 7, 64, 5, 1000)
    assert failed == f"-{errno.EFAULT} 1 5"
    assert verdict == "restored"


def blocks(harnesses: Path, address: int, length: int, direction: str, *bad: str) -> tuple[list[int], str]:
    *pages, verdict = output(harnesses / "renew", hex(address), hex(length), direction, *bad)
    return [int(page, 16) for page in pages], verdict


@pytest.mark.parametrize(
    ("address", "length", "first_pages"),
    [
        (ADDRESS, 6 * MIB, [0, 2 * MIB, 4 * MIB]),
        (ADDRESS + 4 * KIB, 4 * MIB, [0, 2 * MIB - 4 * KIB, 4 * MIB - 4 * KIB]),
        (ADDRESS + MIB, 2 * MIB, [0, MIB]),
        (ADDRESS + MIB, 4 * KIB, [0]),
    ],
)
def test_faults_come_at_one_end_of_every_block_in_either_order(
    harnesses: Path, address: int, length: int, first_pages: list[int]
) -> None:
    up, verdict = blocks(harnesses, address, length, "up")
    assert up == [address + page for page in first_pages]
    assert verdict.startswith("0 ")
    down, verdict = blocks(harnesses, address, length, "down")
    last_pages = [page - 4 * KIB for page in (*first_pages[1:], length)]
    assert down == [address + page for page in reversed(last_pages)]
    assert verdict.startswith("0 ")


def test_a_page_that_a_signal_answers_is_named(harnesses: Path) -> None:
    bad = f"{ADDRESS + 2 * MIB:x}"
    assert blocks(harnesses, ADDRESS, 6 * MIB, "up", bad) == ([ADDRESS], f"-{errno.EFAULT} {bad}")


IOMEM = """\
00000000-00000fff : Reserved
c0000000-febfffff : PCI Bus 0000:00
  fd00d000-fd00d0ff : 0000:00:10.0
    fd00d000-fd00d0ff : vfio-pci
  fd00d100-fd00dfff : vfio sub-page reserved
  fd00e000-fd00ffff : 0000:00:12.0
  fd010000-fd01007f : 0000:00:13.0
  fd010080-fd0100ff : 0000:00:13.0
  fd020100-fd0201ff : 0000:00:14.0
  fd020800-fd0208ff : a thing that is no PCI device
fec00000-fec003ff : IOAPIC 0
"""


@pytest.mark.parametrize(
    ("first", "last", "answer"),
    [
        (0xFD00D000, 0xFD00D0FF, "0 1 "),
        (0xFD010000, 0xFD01007F, "0 0 0000:00:13.0 at 0xfd010080"),
        (0xFD010080, 0xFD0100FF, "0 0 0000:00:13.0 at 0xfd010000"),
        (0xFD020100, 0xFD0201FF, "0 0 a thing that is no PCI device at 0xfd020800"),
        (0xFD030000, 0xFD0300FF, f"-{errno.ENOENT} 0 "),
    ],
)
def test_who_else_is_in_the_page(harnesses: Path, tmp_path: Path, first: int, last: int, answer: str) -> None:
    (tmp_path / "iomem").write_text(IOMEM)
    assert output(harnesses / "iomem", tmp_path / "iomem", hex(first), hex(last)) == [answer]


def test_without_the_right_to_see_addresses_no_process_is_found(harnesses: Path, tmp_path: Path) -> None:
    (tmp_path / "iomem").write_text("00000000-00000000 : Reserved\n  00000000-00000000 : 0000:00:10.0\n")
    assert output(harnesses / "iomem", tmp_path / "iomem", "fd00d000", "fd00d0ff") == [f"-{errno.ENOENT} 0 "]
