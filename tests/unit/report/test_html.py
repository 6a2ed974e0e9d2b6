# SPDX-License-Identifier: GPL-2.0-only
"""What is on the page of a run, and in its pictures.  `test_browser` opens it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest

from orchestrator.report import failures
from orchestrator.report.html import cases, page
from orchestrator.report.html.picture import Lane, picture
from orchestrator.report.html.plot import plots
from orchestrator.result.compare.alignment import Block, compare
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, Run
from tests.unit.report.test_hostile import suite_run
from tests.unit.result.test_samples import (
    ALL_PUD,
    GOOD,
    HIGH,
    PTE,
    PUD,
    Numbers,
    booted,
    broken_run,
    kernel,
    killed_run,
    numbers,
    pud_run,
    run_of,
    told,
)

GIB = 1 << 30


def read(run: Run) -> Element:
    """Return the root of the page of a run."""
    found: Element = html5lib.parse(page.render(compare(run)), namespaceHTMLElements=False)
    return found


def text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def by_id(root: Element, name: str) -> Element:
    (found,) = (one for one in root.iter() if one.get("id") == name)
    return found


def rows(root: Element, caption: str) -> list[list[str]]:
    """Return the texts of a table, by the id of its caption."""
    tables = (one for one in root.iter("table") if any(part.get("id") == caption for part in one.iter("caption")))
    return [[text(cell) for cell in row] for row in next(tables).iter("tr")]


def test_the_verdict_is_the_first_line_below_the_name() -> None:
    header, count = next(read(pud_run()).iter("header")), len(pud_run().cases)
    assert [text(one) for one in header][:2] == ["pud", f"As expected. {count} cases: {count} pass"]
    assert "Not as expected." in text(next(read(broken_run()).iter("header")))
    assert "INTERRUPTED: 2 of 6 jobs did not end" in text(next(read(killed_run()).iter("header")))


def test_the_tables_have_what_compare_shows() -> None:
    root = read(pud_run())
    assert rows(root, "overview-table")[:4] == [
        ["kernel", "placement kernel", "placement qemu"],
        ["base", "PTE", "PUD"],
        ["vfio-thp", "PMD, fix", "PUD"],
        ["vfio-size", "PUD, fix", "PUD"],
    ]
    found = rows(root, "place-1-table")
    assert found[0] == [
        "kernel",
        "alignment",
        "level",
        "entries",
        "faults",
        "DMA faults",
        "VmPTE KiB",
        "vs base",
        "status",
    ]
    assert found[2] == ["vfio-thp", "2 MiB", "PMD", "1,024", "1,024", "1,024", "4", "fix", "PASS"]
    assert len(rows(root, "place-1-costs")) == 6
    assert len(rows(root, "cases-table")) == len(pud_run().cases) + 1


def test_every_table_has_a_caption_and_every_header_its_scope() -> None:
    for run in (pud_run(), broken_run(), suite_run()):
        root = read(run)
        assert all(text(next(table.iter("caption"))) for table in root.iter("table"))
        assert {head.get("scope") for head in root.iter("th")} == {"col", "row"}


def test_every_picture_has_words() -> None:
    root = read(broken_run())
    shown = [one for one in root.iter() if str(one.tag).endswith("svg") and one.get("role") == "img"]
    assert len(shown) > 20
    known = {str(one.get("id")): text(one) for one in root.iter() if one.get("id")}
    for one in shown:
        words = one.get("aria-label") or " ".join(known[name] for name in str(one.get("aria-labelledby")).split())
        assert words.strip()


def test_the_ids_of_a_page_are_unique_and_its_links_lead_somewhere() -> None:
    root = read(broken_run())
    ids = [str(one.get("id")) for one in root.iter() if one.get("id")]
    assert len(set(ids)) == len(ids)
    assert {str(link.get("href"))[1:] for link in root.iter("a")} <= set(ids)


def test_the_policy_names_exactly_the_style_and_the_script() -> None:
    root = read(pud_run())
    (policy,) = (one.get("content") for one in root.iter("meta") if one.get("http-equiv"))
    (style,), (script,) = list(root.iter("style")), list(root.iter("script"))
    hashes = [base64.b64encode(hashlib.sha256(str(one.text).encode()).digest()).decode() for one in (style, script)]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_the_page_is_the_same_each_time_and_names_no_address() -> None:
    shown = page.render(compare(pud_run()))
    assert shown == page.render(compare(pud_run()))
    assert "://" not in shown


def test_the_console_is_shown_around_a_crash(tmp_path: Path) -> None:
    place = tmp_path / "boots/mm-align/alignment"
    place.mkdir(parents=True)
    (place / "console.log").write_text("".join(f"line {at}\n" for at in range(1, 900)))
    root = read(replace(broken_run(), path=tmp_path))
    (marked,) = root.iter("mark")
    assert text(marked) == "812 >line 812"
    shown = next(pre for pre in root.iter("pre") if marked in list(pre))
    assert "line 802" in text(shown)
    assert "line 836" in text(shown)
    assert "line 801" not in text(shown)


def test_without_the_files_the_lines_of_the_case_are_shown() -> None:
    root = read(broken_run())
    assert any("Not tainted 7.3.4-mm-align" in text(pre) for pre in root.iter("pre"))
    assert "see boots/no-huge/alignment/measurements.jsonl" in text(by_id(root, "main")) or list(root.iter("pre"))


def flood(count: int) -> Run:
    """Return a run with many places, kernels and failures."""
    names = [f"k{at}" for at in range(3)]
    boots = [
        BootResult(
            name,
            "alignment",
            "testdev",
            GOOD,
            tuple(
                Case(
                    CaseId(name, "alignment", "testdev", at, "kernel", "level"), status, message=f"m{at}", lines=("l",)
                )
                for at in range(count)
                for status in (Status.FAIL if at % 2 else Status.PASS,)
            ),
        )
        for name in names
    ]
    return run_of(*boots)


def test_a_page_is_bounded_and_says_what_is_left_out() -> None:
    run = flood(2000)
    shown = page.render(compare(run))
    assert len(shown) < 2_000_000
    root = html5lib.parse(shown, namespaceHTMLElements=False)
    words = text(by_id(root, "main"))
    failed = sum(not case.status.expected for case in run.cases)
    assert f"{failed - failures.MOST} more cases that are not as expected are not shown here" in words
    assert f"The lines of {failures.MOST - failures.MOST_EXCERPTS} of these are not shown" in words
    assert f"{2000 - page.MOST_PLACES} more places are not shown here" in words
    assert f"{2000 - 12} more places are not in this table" in words
    assert f"{len(run.cases) - cases.MOST} cases are not listed" in words
    listed = rows(root, "cases-table")[1:]
    assert len(listed) == cases.MOST
    assert {row[0] for row in listed} == {"FAIL"}


def test_times_are_called_noisy_wherever_they_are() -> None:
    root = read(pud_run())
    places = [one for one in root.iter("section") if one.get("class") == "place"]
    assert len(places) == 2
    assert all("Times, of one boot: noisy" in text(place) for place in places)
    assert all("Times are noisy, and comparable within this run only" in text(place) for place in places)


# The pictures


def block_of(values: Numbers, test: str = "kernel") -> Block:
    """Return the block of one kernel with these measurements."""
    run = run_of(booted(kernel("base", ALL_PUD), told("base", {test: values})))
    return next(block for block in compare(run).blocks if block.place.test == test)


def lane_of(values: Numbers, test: str = "kernel") -> Lane:
    found = picture(block_of(values, test))
    assert found is not None
    return found.lanes[0]


@pytest.mark.parametrize(
    ("values", "segments", "grid", "mark"),
    [
        (PUD | {"address": HIGH}, [(0.0, 100.0, "pud", (50.0,))], (0.0, 50.0, 100.0), 94.0),
        (PTE | {"address": HIGH + 4096}, [(0.0, 100.0, "pte", ())], (50.0, 100.0), 6.0),
        (
            numbers(2 << 20, (0, 1024, 0), 0, 0, 0) | {"address": HIGH + (512 << 20)},
            [(0.0, 100.0, "pmd", ())],
            (25.0, 75.0),
            50.0,
        ),
        (
            numbers(GIB, (0, 512, 1), 0, 0, 0) | {"address": HIGH + (512 << 20), "offset": 512 << 20},
            [(0.0, 25.0, "pmd", ()), (25.0, 50.0, "pud", ()), (75.0, 25.0, "pmd", ())],
            (25.0, 75.0),
            94.0,
        ),
    ],
    ids=["PUD", "PTE", "PMD", "mixed"],
)
def test_a_bar_shows_the_entries_and_the_grid_of_the_address(
    values: Numbers, segments: list[tuple[float, float, str, tuple[float, ...]]], grid: tuple[float, ...], mark: float
) -> None:
    lane = lane_of(values)
    (bar,) = lane.bars
    assert [(one.x, one.width, one.level, one.lines) for one in bar.segments] == segments
    assert [round(at, 1) for at in bar.grid] == list(grid)
    assert lane.mark == mark


def test_parts_have_labels_only_if_there_are_several() -> None:
    mixed = numbers(GIB, (0, 512, 1), 0, 0, 0) | {"address": HIGH + (512 << 20), "offset": 512 << 20}
    assert [one.label for one in lane_of(mixed).bars[0].segments] == ["256 PMD", "1 PUD", "256 PMD"]
    assert [one.label for one in lane_of(PUD).bars[0].segments] == [""]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (HIGH, "0x7f0000000000 is congruent to the BAR modulo 1 GiB"),
        (HIGH + (2 << 20), "0x7f0000200000 is congruent to the BAR modulo 2 MiB, off by 0x200000 modulo 1 GiB"),
        (HIGH + 4096, "0x7f0000001000 is off by 4 KiB modulo 2 MiB, off by 0x1000 modulo 1 GiB"),
    ],
)
def test_where_an_address_fell_is_in_words(address: int, words: str) -> None:
    assert lane_of(PTE | {"address": address}).where == words


def test_entries_that_no_prediction_has_are_not_drawn_somewhere() -> None:
    values = numbers(GIB, (512, 511, 1), 0, 0, 0) | {"address": HIGH}
    lane = lane_of(values)
    assert lane.bars[0].segments == ()
    assert lane.text == "1 PUD + 511 PMD + 512 PTE, not as predicted"
    run = run_of(booted(kernel("base", ALL_PUD), told("base", {"kernel": values})))
    assert "where they are does not follow from the address" in text(by_id(read(run), "main"))


@pytest.mark.parametrize(
    ("guest", "entries", "levels"),
    [(HIGH, (0, 0, 2), ["pud"]), (HIGH + (2 << 20), (0, 1024, 0), ["pmd"]), (HIGH + 4096, (524288, 0, 0), ["pte"])],
)
def test_stage_2_is_beside_the_process(guest: int, entries: tuple[int, int, int], levels: list[str]) -> None:
    pte, pmd, pud = entries
    stage2 = {"guest_address": guest, "stage2_pte": pte, "stage2_pmd": pmd, "stage2_pud": pud}
    process, second = lane_of(PUD | {"address": HIGH} | stage2, "stage2.kernel").bars
    assert (process.name, second.name) == ("process", "stage 2")
    assert [one.level for one in process.segments] == ["pud"]
    assert [one.level for one in second.segments] == levels


def test_a_kernel_that_crashed_has_its_reason_in_place_of_a_bar() -> None:
    found = picture(next(block for block in compare(broken_run()).blocks if block.place.test == "kernel"))
    assert found is not None
    lanes = {lane.kernel: lane for lane in found.lanes}
    assert lanes["mm-align"].bars == ()
    assert "panic" in lanes["mm-align"].text
    assert lanes["base"].bars


@pytest.mark.parametrize("length", [-1, 0, 1, 4096, 5000, 2 << 20, 513 << 30, 1 << 62])
@pytest.mark.parametrize("address", [-1, 0, 4095, HIGH, 1 << 70])
def test_any_numbers_of_a_guest_make_a_picture_of_bounded_size(length: int, address: int) -> None:
    values = PUD | {"length": length, "address": address, "alignment": -1, "faults": 1 << 70, "touch_time": -5}
    block = block_of(values)
    found = picture(block)
    if found:
        assert all(len(bar.grid) <= 66 for lane in found.lanes for bar in lane.bars)
        assert all(0 <= at <= 100 for lane in found.lanes for bar in lane.bars for at in bar.grid)
    assert all(0 <= mark.x <= 100 for plot in plots(block) for _, marks in plot.rows for mark in marks)
    page.render(compare(run_of(booted(kernel("base"), told("base", {"kernel": values})))))


def test_faults_and_times_are_on_scales_with_the_numbers_beside() -> None:
    block = next(block for block in compare(pud_run()).blocks if block.place.test == "kernel")
    faults, times = plots(block)
    marks = dict(faults.rows)["vfio-thp"]
    assert [(mark.shape, mark.what, mark.value) for mark in marks] == [
        ("circle", "first touch", "1,024"),
        ("square", "DMA map", "1,024"),
    ]
    assert [label for _, label in faults.ticks] == ["1", "", "100", "", "10k", "", "1M"]
    assert [mark.value for mark in dict(times.rows)["base"]] == ["3.35 s", "2.71 s"]
    assert [label for _, label in times.ticks] == ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]
    positions = [at for at, _ in faults.ticks]
    assert positions == sorted(positions)


# The colours


def palettes() -> list[dict[str, str]]:
    """Return the colours by name: light, then dark."""
    found = re.findall(r":root \{(.*?)\}", page.source("style.css"), re.DOTALL)
    return [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", one)) for one in found]


def luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXT = [(ink, paper) for ink in ("ink", "quiet", "good", "bad", "link") for paper in ("paper", "shade")]
TEXT += [("ink", "mark"), ("quiet", "mark"), ("on-pud", "pud")]
SHAPES = [(name, "paper") for name in ("pte", "pmd", "pud", "grid", "quiet")]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_and_shape_has_enough_contrast(scheme: int) -> None:
    """4.5 for text and 3 for shapes, by WCAG 2.2 (1.4.3, 1.4.11)."""
    colours = palettes()[scheme]
    weak = [pair for pair in TEXT if contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
    weak += [pair for pair in SHAPES if contrast(colours[pair[0]], colours[pair[1]]) < 3]
    assert weak == []


def test_both_schemes_have_the_same_colours() -> None:
    light, dark = palettes()
    assert light.keys() == dark.keys()
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
