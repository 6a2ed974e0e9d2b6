# SPDX-License-Identifier: GPL-2.0-only
"""The guest program's groups repeat, random and ranges on simulated kernels, good and bad."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.workload.alignment.program import GUEST

DATA = Path(__file__).parents[2] / "data" / "workload"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def harness(name: str, directory: Path) -> Path:
    binary = directory / name
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", f"-I{GUEST}"]
    subprocess.run(["gcc", *flags, DATA / f"{name}.c", "-o", binary], check=True)
    return binary


@pytest.fixture(scope="module")
def repeat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness("repeat_harness", tmp_path_factory.mktemp("repeat"))


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness("random_harness", tmp_path_factory.mktemp("random"))


@pytest.fixture(scope="module")
def ranges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness("ranges_harness", tmp_path_factory.mktemp("ranges"))


def output(binary: Path, *arguments: object) -> list[str]:
    argv = [str(binary), *(str(argument) for argument in arguments)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


def measured(lines: list[str]) -> dict[str, int]:
    """Return the measurements by name; there must be no other lines."""
    return {name: int(value) for name, value, _, _ in (line.split() for line in lines)}


def test_the_smallest_alignment_of_all_counts(repeat: Path) -> None:
    common = {"mmaps": 200, "distinct": 200, "length": 4 * KIB, "offset": 12 * KIB}
    assert measured(output(repeat, "pages", 200)) == {**common, "alignment": 4 * KIB}
    assert measured(output(repeat, "2M", 200)) == {**common, "alignment": 2 * MIB}


@pytest.mark.parametrize(("repeats", "kind"), [(200, "exact"), (32, "exact"), (31, "varies")])
def test_an_alignment_of_few_mmaps_is_luck(repeat: Path, repeats: int, kind: str) -> None:
    assert f"alignment {2 * MIB} bytes {kind}" in output(repeat, "2M", repeats)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        ("same", "all 200 mmaps went to 0x400000003000"),
        ("up", "asked for the top-down layout, but mmap 1, at 0x400000003000, was in a process with the bottom-up one"),
        ("fail", "cannot map the BAR in a fresh process: -12"),
        ("dies", "cannot run this program as a fresh process: -10"),
    ],
)
def test_what_proves_nothing_is_not_ok(repeat: Path, kernel: str, words: str) -> None:
    lines = [line for line in output(repeat, kernel, 200) if line.startswith("NOT OK")]
    assert len(lines) == 1
    assert words in lines[0]


def test_nothing_asked_for_is_nothing_measured(repeat: Path, random: Path) -> None:
    assert output(repeat, "2M", 0) == ["SKIP no mmaps were asked for (--repeats 0)"]
    assert output(random, "congruent", 0, GIB) == ["SKIP no ranges were asked for (--ranges 0)"]


def test_congruent_ranges_are_counted(random: Path) -> None:
    good, bad = (measured(output(random, kernel, 2000, 4 * GIB)) for kernel in ("congruent", "page"))
    assert good["ranges"] == 2000
    assert good["congruent_pmd"] == good["long_pmd"] > good["long_pud"] == good["congruent_pud"] > 0
    assert bad == {**good, "congruent_pmd": 0, "congruent_pud": 0}


def test_no_range_of_a_small_bar_is_long(random: Path) -> None:
    counts = measured(output(random, "page", 100, 16 * KIB))
    assert counts["long_pmd"] == counts["congruent_pmd"] == counts["long_pud"] == counts["congruent_pud"] == 0


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        ("same", "went to 0x200000000000, into the mapping of"),
        ("odd", "where no page begins"),
        ("fails", "cannot map a random range: -12"),
    ],
)
def test_a_wrong_mapping_is_not_ok(random: Path, kernel: str, words: str) -> None:
    first = output(random, kernel, 100, GIB)[0]
    assert first.startswith("NOT OK")
    assert words in first


NOWHERE = -1


@pytest.mark.parametrize(
    ("size", "offset", "length", "hole", "table", "pending", "before", "after"),
    [
        # --hole is a page, and overrides MSI-X
        (4 * GIB, 0, 0, GIB, NOWHERE, NOWHERE, (0, GIB), (GIB + 4 * KIB, 3 * GIB - 4 * KIB)),
        (4 * GIB, 0, 0, GIB, MIB, MIB + 8 * KIB, (0, GIB), (GIB + 4 * KIB, 3 * GIB - 4 * KIB)),
        # the table is the hole, all its pages; the pending bits only where they are alone in the BAR
        (MIB, 0, 0, "-", 64 * KIB, 128 * KIB, (0, 64 * KIB), (68 * KIB, 956 * KIB)),
        (MIB, 0, 0, "-", 66 * KIB, NOWHERE, (0, 64 * KIB), (72 * KIB, 952 * KIB)),
        (MIB, 0, 0, "-", NOWHERE, 66 * KIB, (0, 64 * KIB), (68 * KIB, 956 * KIB)),
        # at the ends
        (16 * KIB, 0, 0, "-", 0, 4 * KIB, "begins at 0x0", (4 * KIB, 12 * KIB)),
        (16 * KIB, 0, 0, "-", 12 * KIB, NOWHERE, (0, 12 * KIB), "ends at 0x4000"),
        (4 * KIB, 0, 0, "-", 0, 2 * KIB, "nothing before", "nothing after"),
        # --offset and --length
        (
            4 * GIB,
            GIB,
            GIB,
            1536 * MIB,
            NOWHERE,
            NOWHERE,
            (GIB, 512 * MIB),
            (1536 * MIB + 4 * KIB, 512 * MIB - 4 * KIB),
        ),
        (4 * GIB, GIB, GIB, 0, NOWHERE, NOWHERE, "is not in the range", "is not in the range"),
        (4 * GIB, GIB, GIB, 2 * GIB, NOWHERE, NOWHERE, "is not in the range", "is not in the range"),
        (4 * GIB, GIB, GIB, GIB, NOWHERE, NOWHERE, "begins at 0x40000000", (GIB + 4 * KIB, GIB - 4 * KIB)),
        (4 * GIB, GIB, 8 * GIB, 8 * GIB, NOWHERE, NOWHERE, "is not in the range", "is not in the range"),
        # no hole at all
        (MIB, 0, 0, "-", NOWHERE, NOWHERE, "no MSI-X table in this BAR", "no MSI-X table in this BAR"),
    ],
)
def test_what_is_around_a_hole(
    ranges: Path,
    size: int,
    offset: int,
    length: int,
    hole: object,
    table: int,
    pending: int,
    before: tuple[int, int] | str,
    after: tuple[int, int] | str,
) -> None:
    for part, expected in enumerate((before, after)):
        last = output(ranges, part, size, offset, length, hole, table, pending)[-1]
        if isinstance(expected, str):
            assert last.startswith("SKIP")
            assert expected in last
        else:
            assert last == f"map {expected[0]} {expected[1]}"


@pytest.mark.parametrize(
    ("hole", "areas", "before", "after"),
    [
        # what VFIO does not map is a hole, between the largest area and the largest of the others
        ("-", (0, 64, 128, 1024), "map 0 65536", "map 131072 917504"),
        ("-", (0, 512, 768, 1024), "map 0 524288", "map 786432 262144"),
        ("-", (0, 4, 128, 512, 768, 1024), "map 0 4096", "map 131072 393216"),
        ("-", (64, 1024), "SKIP no MSI-X table", "SKIP no MSI-X table"),
        # any other hole leaves the largest piece of an area on each side
        ("256", (0, 64, 128, 1024), "map 131072 131072", "map 266240 782336"),
        ("0", (64, 1024), "SKIP nothing before the hole", "map 65536 983040"),
        ("64", (128, 1024), "SKIP VFIO maps nothing on this side", "map 131072 917504"),
    ],
)
def test_areas_of_a_sparse_bar(ranges: Path, hole: str, areas: tuple[int, ...], before: str, after: str) -> None:
    """In KiB, of a BAR of 1 MiB."""
    hole = hole if hole == "-" else str(int(hole) * KIB)
    for part, expected in enumerate((before, after)):
        last = output(ranges, part, MIB, 0, 0, hole, NOWHERE, NOWHERE, *(area * KIB for area in areas))[-1]
        assert last.startswith(expected)


@pytest.mark.parametrize(
    ("table", "areas", "wrong"),
    [
        (64 * KIB, (), True),
        (64 * KIB, (32 * KIB, 128 * KIB), True),
        # an old kernel leaves the pages out, and a device may have its table elsewhere
        (64 * KIB, (0, 64 * KIB, 68 * KIB, 1024 * KIB), False),
        (NOWHERE, (), False),
    ],
)
def test_pages_of_an_msix_table_are_not_offered_without_a_word(
    ranges: Path, monkeypatch: pytest.MonkeyPatch, table: int, areas: tuple[int, ...], *, wrong: bool
) -> None:
    arguments = (1, MIB, 0, 0, "-", table, NOWHERE, *areas)
    assert not any(line.startswith("NOT OK") for line in output(ranges, *arguments))
    monkeypatch.setenv("NO_MSIX_CAP", "1")
    found = [line for line in output(ranges, *arguments) if line.startswith("NOT OK")]
    assert len(found) == wrong
    assert all("VFIO_REGION_INFO_CAP_MSIX_MAPPABLE" in line for line in found)
