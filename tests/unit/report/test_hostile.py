# SPDX-License-Identifier: GPL-2.0-only
"""Every text of a run is hostile.

No report lets it act on a terminal or a parser, or grows with it.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, cast

import cmarkgfm
import html5lib
import lxml.etree
import lxml.html
import pytest
from kcidb_io.schema import LATEST

from orchestrator.cli import main as cli
from orchestrator.report import as_json, junit, kcidb, markdown, terminal
from orchestrator.report.html import page
from orchestrator.report.text import LONGEST_VALUE, bounded, clean, fit, in_a_line, one_line, say, say_json, wrap
from orchestrator.result.compare.alignment import compare
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, Run, ScenarioRecord
from tests.unit.report.test_junit import problems
from tests.unit.result.test_samples import GOOD, broken_run, killed_run, pud_run, run_of

WORD = "w" * 1_000_000
HOSTILE = {
    "escape sequences": "\x1b]0;pwned\x07\x1b[2J\x1b[31mred\x1b[0m\x1b(B\x9b31m",
    "markup": "[red]x[/] [/dev/vfio/1] [link=http://a]b[/link]",
    "bidirectional": "a\u202eb\u2066c\u061cd\u200f",
    "no width": "a\u200bb\ufeffc\u00add\U000e0041",
    "lines": "one\ntwo\r\nthree\rfour\u2028five\u2029six\x85seven\x0b\x0c",
    "no UTF-8": "a\udcffb\ud800c",
    "NUL and others": "a\x00b\x08\x7fc\ufffe\U0001ffff",
    "XML": "]]><!-- <x a='\"'>&amp;&#0; -->",
    "HTML": "</style></script></title><script>document.title=1</script><img src=//e.org onerror=alert(1)>\"' {{ 7*7 }}",
    "addresses": "javascript:alert(1) data:text/html,<b> http://e.org www.e.org a@e.org @root #1 GH-2 deadbeef1 :+1:",
    "Markdown": "``` ` ``[a](javascript:x) ![b](http://e.org) \\| | \\\\| <b> **c** _d_\n\n# e\n- f\n> g\n<!-- h\n---",
    "no word": " \t ",
    "empty": "",
    "a long word": WORD,
    "a long line of escape sequences": "\x1b[31m" * 200_000,
    "many lines": "line\n" * 200_000,
}
ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\ufffe\uffff]"
)
OWN_COLOUR = re.compile("\x1b\\[(?:0|1|31|32)m")


def everywhere(value: Any, text: str) -> Any:
    """Return `value` with `text` after every string in it.

    Enumerations are not changed.  Equal strings stay one object, as they mostly are in a run: a copy of a megabyte for
    each would be most of the work.
    """
    made: dict[str, str] = {}

    def changed(value: Any) -> Any:
        if isinstance(value, Enum):
            return value
        if isinstance(value, str):
            return made.get(value) or made.setdefault(value, value + text)
        if isinstance(value, Path):
            return Path(f"{value}{text}")
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{each.name: changed(getattr(value, each.name)) for each in fields(value)})
        if isinstance(value, Mapping):
            return {changed(key): changed(each) for key, each in value.items()}
        return tuple(map(changed, value)) if isinstance(value, list | tuple) else value

    return changed(value)


def suite_run() -> Run:
    """Return a run of two kernels with a suite.

    Its cases pass, fail and are skipped, and one of them is in one kernel alone.
    """

    def boot(kernel: str, **statuses: Status) -> BootResult:
        cases = tuple(
            Case(CaseId(kernel, "mm", "dev", test=test, check="run"), status, "1", "2", f"why {test}", "log:1", ("l",))
            for test, status in statuses.items()
        )
        return BootResult(kernel, "mm", "dev", GOOD, cases)

    good = boot("base", a=Status.PASS, b=Status.FAIL, c=Status.SKIP, d=Status.XFAIL)
    bad = boot("new", a=Status.CRASH, b=Status.PASS, c=Status.TIMEOUT, e=Status.ERROR)
    run = run_of(good, bad)
    workloads: Mapping[str, Mapping[str, object]] = {"mm": {"command": "true", "device": "dev"}}
    devices: Mapping[str, Mapping[str, object]] = {"dev": {"address": "1", "found": "x"}, "two": {"instead": "y"}}
    return replace(run, scenario=replace(run.scenario, workloads=workloads, devices=devices, overrides="--git x"))


RUNS = {"pud": pud_run, "broken": broken_run, "killed": killed_run, "suite": suite_run}
PLACEMENTS = {"pud placements": "pud", "broken placements": "broken"}
"""Runs whose tests keep their names, so that their tables are those of placements."""


def run_with(name: str, text: str) -> Run:
    """Return a sample run with `text` in its strings.

    Not changed are the names of checks and measurements, and the keys of workloads and devices: without these, a run
    would show nothing.
    """
    plain = RUNS[PLACEMENTS.get(name, name)]()
    run: Run = everywhere(plain, text)
    test = "" if name in PLACEMENTS else text
    boots = tuple(_with_names(boot, old, test) for boot, old in zip(run.boots, plain.boots, strict=True))
    workloads = {f"{key}{text}": _but_keys(record, text) for key, record in plain.scenario.workloads.items()}
    devices = {f"{key}{text}": _but_keys(record, text) for key, record in plain.scenario.devices.items()}
    scenario: ScenarioRecord = replace(run.scenario, workloads=workloads, devices=devices)
    return replace(run, boots=boots, scenario=scenario)


def _with_names(boot: BootResult, old: BootResult, test: str) -> BootResult:
    def test_of(name: str) -> str:
        return f"{name}{test}" if name else ""

    measurements = tuple(
        replace(one, name=before.name, test=test_of(before.test))
        for one, before in zip(boot.measurements, old.measurements, strict=True)
    )
    cases = tuple(
        replace(one, id=replace(one.id, check=before.id.check, test=test_of(before.id.test)))
        for one, before in zip(boot.cases, old.cases, strict=True)
    )
    return replace(boot, measurements=measurements, cases=cases)


def _but_keys(record: Mapping[str, object], text: str) -> dict[str, object]:
    return {key: everywhere(value, text) for key, value in record.items()}


@dataclass(frozen=True)
class Hostile:
    """A sample run with a text in its strings."""

    text: str
    run: Run


@pytest.fixture(
    scope="module",
    params=[(name, what) for name in (*RUNS, *PLACEMENTS) for what in HOSTILE],
    ids="-".join,
)
def hostile(request: pytest.FixtureRequest) -> Hostile:
    """Every sample run with every text, each made once.

    pytest puts the tests of each one after another.
    """
    name, what = request.param
    return Hostile(HOSTILE[what], run_with(name, HOSTILE[what]))


@pytest.mark.parametrize("color", [False, True], ids=["plain", "coloured"])
def test_the_terminal_shows_all_of_a_run_and_nothing_of_it_acts(hostile: Hostile, color: bool) -> None:
    text = hostile.text
    began = time.monotonic()
    shown = terminal.render(compare(hostile.run), color=color)
    assert time.monotonic() - began < 5
    assert not ACTING.findall(OWN_COLOUR.sub("", shown) if color else shown)
    assert "\t" not in shown
    assert len(shown) < 1_000_000
    if color and text == HOSTILE["escape sequences"]:
        assert "\x1b[31mred" not in shown
    if "[/dev/vfio/1]" in text:
        assert text in shown


def test_junit_of_any_run_is_read_by_a_parser(hostile: Hostile) -> None:
    began = time.monotonic()
    document = junit.render(hostile.run)
    assert time.monotonic() - began < 5
    assert not ACTING.findall(document)
    assert len(document) < 2_000_000
    assert problems(document) == []
    root = ET.fromstring(document.encode())
    for suite in root:
        names = [one.attrib["name"] for one in suite.iter("testcase")]
        assert len(set(names)) == len(names)
    assert len(list(root.iter("testcase"))) == len(hostile.run.cases)


def test_json_of_any_run_is_ascii_and_bounded(hostile: Hostile, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    say_json(as_json.to_json(compare(hostile.run)))
    assert time.monotonic() - began < 5
    shown = capsys.readouterr().out
    assert re.fullmatch(r"[\n -~]*", shown)
    assert len(shown) < len(hostile.run.cases) * 20 * 6 * LONGEST_VALUE
    json.loads(shown)


@pytest.fixture(scope="module")
def plain_tags() -> set[tuple[str, str]]:
    """Return the elements of the pages of all sample runs, with the names of their attributes."""
    return {tag for name in (*RUNS, *PLACEMENTS) for tag in tags(page.render(compare(run_with(name, ""))))}


def tags(text: str) -> set[tuple[str, str]]:
    """Return the elements and attributes of a page, as a browser reads it."""
    found = html5lib.parse(text, namespaceHTMLElements=False).iter()
    return {(str(one.tag).rpartition("}")[2], key) for one in found for key in ("", *one.attrib)}


# A long cell has a class, and there can be a sentence about what is left out.
OF_ANY_RUN = {("td", "class"), ("th", "class"), ("p", ""), ("p", "class")}


def test_no_text_of_a_run_becomes_a_part_of_a_page(hostile: Hostile, plain_tags: set[tuple[str, str]]) -> None:
    began = time.process_time()
    shown = page.render(compare(hostile.run))
    assert time.process_time() - began < 5
    assert not ACTING.findall(shown)
    assert len(shown) < 2_000_000
    assert tags(shown) <= plain_tags | OF_ANY_RUN
    root = html5lib.parse(shown, namespaceHTMLElements=False)
    assert {one.attrib["href"][0] for one in root.iter("a")} == {"#"}
    assert [one.text for one in root.iter("style")] == [page.source("style.css")]
    assert [one.text for one in root.iter("script")] == [page.source("script.js")]


def test_the_check_of_a_page_sees_what_a_text_could_add(plain_tags: set[tuple[str, str]]) -> None:
    shown = page.render(compare(run_with("pud", "")))
    for planted in ("<b onclick=x>", "<img src=x>", "<p style=x>", "<iframe>", "<base href=x>"):
        assert not tags(shown.replace("<main", f"{planted}<main")) <= plain_tags | OF_ANY_RUN


def markdown_elements(text: str) -> lxml.html.HtmlElement:
    """Return the elements that GitHub's parser makes, before GitHub removes those that could act."""
    shown = cmarkgfm.github_flavored_markdown_to_html(text, cmarkgfm.Options.CMARK_OPT_UNSAFE)
    return lxml.html.fromstring(f"<div>{shown}</div>")


OWN_MARKDOWN = {"h2", "h3", "p", "strong", "code", "pre", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}


def test_no_text_of_a_run_becomes_markdown(hostile: Hostile) -> None:
    began = time.process_time()
    shown = markdown.render(compare(hostile.run))
    assert time.process_time() - began < 5
    assert not ACTING.findall(shown)
    assert len(shown) <= markdown.LONGEST + 200
    root = markdown_elements(shown)
    found = {str(one.tag) for one in root.iter(lxml.etree.Element)} - {"div", "details", "summary"}
    assert found <= OWN_MARKDOWN
    widths = [{len(row) for row in table.iter("tr")} for table in root.iter("table")]
    assert all(len(width) == 1 for width in widths), "a pipe ends a cell"
    outside = " ".join(cast("list[str]", root.xpath("//text()[not(ancestor::code)]")))
    assert not re.search(r"[@#`]|://|www\.|\b[0-9a-f]{7,}\b|javascript|pwned|<", outside)


def test_a_report_for_kcidb_fits_its_schema(hostile: Hostile) -> None:
    began = time.process_time()
    report = kcidb.to_kcidb((hostile.run,), "orch")
    assert time.process_time() - began < 5
    shown = json.dumps(report)
    assert not ACTING.findall("".join(strings(report)))
    assert len(shown) < 5_000_000
    LATEST.validate(report)
    assert len(report["tests"]) == len(hostile.run.cases) - len(hostile.run.builds)


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a value of JSON, without line feeds and tabs."""
    if isinstance(value, str):
        yield value.replace("\n", "").replace("\t", "")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


SHOWN = {
    "\x1b[31m": r"\x1b[31m",
    "a\rb\x08\x7f": r"a\rb\x08\x7f",
    "\x9b1m\x85": r"\x9b1m\x85",
    "\u202e\u2066\u2069": r"\u202e\u2066\u2069",
    "\u2028\u2029": r"\u2028\u2029",
    "\u200b\u200f\ufeff": r"\u200b\u200f\ufeff",
    "\udcff": r"\udcff",
    "\x00": r"\x00",
    "[red]x[/]": "[red]x[/]",
    "äöü 漢字 😀": "äöü 漢字 😀",
}


@pytest.mark.parametrize(("text", "shown"), SHOWN.items(), ids=[ascii(text) for text in SHOWN])
def test_each_character_that_acts_is_shown_by_its_number(text: str, shown: str) -> None:
    assert (clean(text), in_a_line(text), one_line(text)) == (shown, shown, shown)


@pytest.mark.parametrize(("text", "shown"), [("a\nb", r"a\nb"), ("a\tb", r"a\tb"), ("a\r\nb", r"a\r\nb")])
def test_a_name_is_one_line(text: str, shown: str) -> None:
    assert in_a_line(text) == shown
    assert fit(text, 80) == shown


@pytest.mark.parametrize("width", [-1, 0, 1, 3, 4, 80])
def test_what_is_fitted_is_no_wider(width: int) -> None:
    assert len(fit("\x1b" * 100, width)) <= max(0, width)


def test_a_word_of_any_length_is_wrapped_at_once() -> None:
    began = time.monotonic()
    lines = wrap(WORD * 10, 80)
    assert time.monotonic() - began < 1
    assert len(lines) < 100
    assert max(map(len, lines)) <= 80


def with_cases(*cases: Case) -> Run:
    """Return a run of one kernel with these cases."""
    return run_of(BootResult("base", "mm", "dev", GOOD, cases))


def failed(test: str, message: str = "", lines: tuple[str, ...] = (), bar: int = -1) -> Case:
    """Return a case that failed."""
    case_id = CaseId("base", "mm", "dev", bar, test, check="run")
    return Case(case_id, Status.FAIL, message=message, lines=lines)


@pytest.mark.parametrize(
    "case",
    [
        failed("x", lines=("l" * 11_000_000,)),
        failed("x", message="m" * 11_000_000),
        failed("n" * 1_000_000),
        failed("x", lines=("l",) * 1_000_000),
        failed("x", lines=("\x1b" * 1_000_000,) * 10),
    ],
    ids=["line", "message", "name", "lines", "escapes"],
)
def test_no_text_makes_junit_large(case: Case) -> None:
    document = junit.render(with_cases(case))
    assert len(document) < 500_000
    assert len(list(ET.fromstring(document).iter("testcase"))) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("x" * 1_000_000 + "a", "x" * 1_000_000 + "b"),
        ("a\x1bb", r"a\x1bb"),
        ("a\nb", r"a\nb", "a\r\nb"),
        ("a\udcff", r"a\udcff"),
    ],
    ids=["long", "escape", "newline", "surrogate"],
)
def test_names_stay_unique_in_junit(names: tuple[str, ...]) -> None:
    shown = junit.unique_names(names)
    assert len(set(shown)) == len(names)
    assert shown == list(reversed(junit.unique_names(reversed(names))))
    assert max(map(len, shown)) < 2000


def test_all_cases_of_a_flood_are_in_junit_although_their_details_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "MOST_DETAILS", 100_000)
    cases = [failed(f"t{at}", "m" * 2000, ("l" * 1000,) * 100) for at in range(300)]
    document = junit.render(with_cases(*cases))
    assert len(document) < 400_000
    assert len(list(ET.fromstring(document).iter("testcase"))) == len(cases)
    assert "left out" in document


def test_the_terminal_does_not_list_every_case_of_a_flood() -> None:
    run = with_cases(*(failed(f"t{at}", f"m{at}") for at in range(5000)))
    shown = terminal.render(compare(run))
    assert len(shown.splitlines()) < 5 * terminal.MOST
    assert f"... and {5000 - terminal.MOST} more cases: see junit.xml" in shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_error_reaches_any_stderr(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding=encoding))
    name = "a\udcff\x1b[2J\u202eä.yaml"
    assert cli.main(["check", name]) == 2
    sys.stderr.flush()
    shown = raw.getvalue().decode(encoding)
    assert not ACTING.findall(shown)
    assert r"a\udcff\x1b[2J\u202e" in shown


def test_an_argument_that_is_wrong_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "x.yaml", "-j", "\x1b[2J\u202e"])
    assert not ACTING.findall(capsys.readouterr().err)


def test_lines_keep_the_colours_of_orch_only_where_they_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[31mred\x1b[0m \x1b[2J", color=True)
    say("\x1b[31mred\x1b[0m")
    assert capsys.readouterr().out == "\x1b[31mred\x1b[0m \\x1b[2J\n\\x1b[31mred\\x1b[0m\n"


def test_values_of_json_are_bounded_and_stay_what_they_are() -> None:
    value = {"a": [1, None, True, "x"], WORD: WORD}
    shown = bounded(value)
    assert isinstance(shown, dict)
    assert shown["a"] == [1, None, True, "x"]
    assert len(str(shown)) < 3 * LONGEST_VALUE
