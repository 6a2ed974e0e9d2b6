# SPDX-License-Identifier: GPL-2.0-only
"""A run as Markdown, read by GitHub's own parser (cmark-gfm)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report import markdown
from orchestrator.report.text import one_line
from orchestrator.result.compare.alignment import compare
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, Run
from tests.unit.report.test_hostile import markdown_elements, suite_run
from tests.unit.result.test_samples import GOOD, broken_run, pud_run, run_of


def rows(run: Run) -> list[list[str]]:
    """Return the texts of all cells, row by row."""
    root = markdown_elements(markdown.render(compare(run)))
    return [[str(cell.text_content()) for cell in row] for row in root.iter("tr")]


def test_the_comparison_is_in_tables() -> None:
    found = rows(pud_run())
    assert ["kernel", "placement kernel", "placement qemu"] in found
    assert ["vfio-thp", "PMD, fix", "PUD"] in found
    assert ["no-huge", "PTE", "PTE, regression"] in found
    assert ["vfio-thp", "2 MiB", "PMD", "1,024", "1,024", "1,024", "4", "fix", "PASS"] in found


def test_the_verdict_is_the_first_line_after_the_name() -> None:
    shown = markdown.render(compare(pud_run())).splitlines()
    assert shown[0] == "## `pud`"
    assert shown[2].startswith("**As expected.** ")
    assert markdown.render(compare(broken_run())).splitlines()[2].startswith("**Not as expected.** ")


def test_the_console_of_a_crash_is_folded(tmp_path: Path) -> None:
    place = tmp_path / "boots/mm-align/alignment"
    place.mkdir(parents=True)
    (place / "console.log").write_text("".join(f"```` {at} </details> <b>\n" for at in range(900)))
    root = markdown_elements(markdown.render(compare(replace(broken_run(), path=tmp_path))))
    (folded,) = root.iter("details")
    (block,) = folded.iter("pre")
    assert "   812> ```` 811 </details> <b>" in block.text_content()
    assert not list(root.iter("b"))


def test_a_suite_lists_the_cases_that_did_not_pass() -> None:
    root = markdown_elements(markdown.render(compare(suite_run())))
    items = [str(item.text_content()) for item in root.iter("li")]
    assert any(item.startswith("a") and "CRASH" in item for item in items)


TEXTS = st.text(st.sampled_from("`|\\ a*_[]()<>&#@!:/.~$-+=0")) | st.text()


@given(TEXTS)
def test_a_text_is_shown_as_it_is_in_a_line_and_in_a_table(text: str) -> None:
    shown, expected = markdown.code(text), one_line(text)
    assert str(markdown_elements(f"x {shown} y").text_content()).strip() == f"x {expected} y"
    table = markdown_elements(f"| a | b |\n| --- | --- |\n| {shown} | {shown} |\n")
    assert [str(cell.text_content()) for cell in table.iter("td")] == [expected, expected]
    assert {str(one.tag) for one in table.iter()} <= {"div", "table", "thead", "tbody", "tr", "th", "td", "code"}


@pytest.mark.parametrize(
    "unsafe", ["@root", "#1", "a.b", "www.e.org", "deadbee", "_a_", "*a*", "<b>", "`a`", "a|b", ":+1:"]
)
def test_a_cell_with_more_than_words_and_numbers_is_code(unsafe: str) -> None:
    assert markdown.plain_or_code(unsafe).startswith("`")


@pytest.mark.parametrize(
    "plain", ["PASS", "524,288", "4 KiB", "PMD, fix", "1/446", "(base)", "-", "1.73 s", "unchanged"]
)
def test_words_and_numbers_of_orch_need_no_code(plain: str) -> None:
    assert markdown.plain_or_code(plain) == plain


def test_a_run_of_any_size_fits_into_a_comment_and_says_what_is_left_out() -> None:
    cases = tuple(
        Case(
            CaseId("base", "alignment", "testdev", at % 6, f"t{at}", "run"), Status.FAIL, message=f"m{at} " + "x" * 900
        )
        for at in range(3000)
    )
    shown = markdown.render(compare(run_of(BootResult("base", "alignment", "testdev", GOOD, cases))))
    assert len(shown) <= markdown.LONGEST + 200
    assert f"{3000 - markdown.MOST_GROUPS} more cases that are not as expected are left out" in shown
    assert "rows are left out" in shown or "more parts are left out" in shown


def test_no_directory_of_the_machine_is_in_it() -> None:
    run = pud_run()
    run = replace(
        run, path=Path.cwd(), scenario=replace(run.scenario, path=f"{os.environ['HOME']}/x/scenarios/pud.yaml")
    )
    shown = markdown.render(compare(run))
    assert os.environ["HOME"] not in shown
    assert str(Path.cwd()) not in shown
    assert "orch run scenarios/pud.yaml" in shown


def test_the_check_sees_what_a_text_could_become() -> None:
    for planted, tag in (
        ("<b>x</b>", "b"),
        ("[a](http://e.org)", "a"),
        ("![a](x)", "img"),
        ("# x", "h1"),
        ("www.e.org", "a"),
    ):
        assert tag in {one.tag for one in markdown_elements(planted).iter()}
        assert tag not in {one.tag for one in markdown_elements(markdown.code(planted)).iter()}
