# SPDX-License-Identifier: GPL-2.0-only
"""Measurements: values of JSON lines, and a problem for each invalid line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.workload.measurement import Measured, parse_measurements
from orchestrator.workload.model import Measurement

DATA = Path(__file__).parents[1] / "data" / "workload"
LINE: dict[str, object] = {
    "device": "0000:00:10.0",
    "bar": 2,
    "test": "kernel",
    "name": "faults",
    "value": 524288,
    "unit": "faults",
    "exact": True,
}


def parse(text: str) -> Measured:
    return parse_measurements(
        text, kernel="base", workload="alignment", devices={"0000:00:10.0": "testdev"}, path="boots/m.jsonl"
    )


def line(**changes: object) -> str:
    return json.dumps(LINE | changes) + "\n"


def test_a_line() -> None:
    assert parse(line()) == Measured(
        (
            Measurement(
                kernel="base",
                workload="alignment",
                device="testdev",
                bar=2,
                test="kernel",
                name="faults",
                value=524288,
                unit="faults",
                exact=True,
                evidence="boots/m.jsonl:1",
            ),
        )
    )


def test_real_measurements() -> None:
    measured = parse((DATA / "alignment-7.3-2G.measurements.jsonl").read_text())
    assert not measured.problems
    values = {(m.bar, m.test, m.name): m.value for m in measured.measurements}
    assert len(values) == len(measured.measurements) == 118
    for placement, level, entries in [
        ("kernel", "pte", 524288),
        ("qemu", "pud", 2),
        ("offset", "pud", 2),
        ("misaligned", "pte", 524288),
    ]:
        assert values[2, placement, f"entries_{level}"] == entries
        assert values[2, placement, "faults"] == entries
        assert values[2, placement, "dma_faults"] == entries
        assert values[2, placement, "own_faults"] == 0
        assert values[2, placement, "length"] == 2 << 30
        assert values[2, placement, "bar_address"] == 4 << 30
    assert values[2, "kernel", "alignment"] == 4096
    assert values[2, "qemu", "alignment"] == 1 << 30
    exact = {m.name for m in measured.measurements if m.exact}
    entries_names = {"entries_pte", "entries_pmd", "entries_pud"}
    assert exact == {"length", "offset", "alignment", "faults", "own_faults", "dma_faults"} | entries_names


def test_a_torn_last_line_is_ignored() -> None:
    torn = line() + line(name="vmpte")[:40]
    assert [m.name for m in parse(torn).measurements] == ["faults"]
    assert not parse(torn).problems


def test_a_whole_last_line_counts_without_its_newline() -> None:
    assert len(parse(line().rstrip()).measurements) == 1


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("nonsense\n", "not JSON: 'nonsense'"),
        ("\n", "not JSON: ''"),
        ("[1]\n", "not a JSON object: '[1]'"),
        ('{"device":"0000:00:10.0"}\n', "not the keys of a measurement: missing "),
        (line(kernel="x"), "missing none; unknown kernel"),
        (line(value="1"), "value is '1', not an int"),
        (line(value=1.0), "value is 1.0, not an int"),
        (line(bar=True), "bar is True, not an int"),
        (line(exact=1), "exact is 1, not a bool"),
        (line(unit=None), "unit is None, not a str"),
        (line(device="0000:00:11.0"), "no device of the scenario is at '0000:00:11.0'; there are 0000:00:10.0"),
        (line(value=1), "faults was measured already, see boots/m.jsonl:1"),
        ("[" * 100000 + "\n", "not JSON: '[[["),
    ],
)
def test_bad_lines_are_problems_and_the_others_count(bad: str, what: str) -> None:
    measured = parse(line() + bad + line(name="vmpte"))
    assert [m.name for m in measured.measurements] == ["faults", "vmpte"]
    if bad == "\n":
        assert not measured.problems
        return
    (problem,) = measured.problems
    assert problem.where == "boots/m.jsonl:2"
    assert what in problem.what


@given(st.text())
def test_never_raises(text: str) -> None:
    assert len(parse(text).measurements) <= text.count("\n") + 1


@given(st.integers(0, 2 * len(line())))
def test_a_tear_anywhere_is_no_problem(end: int) -> None:
    assert not parse((line() + line(name="vmpte"))[:end]).problems


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"value": 1 << 64}, "value is 18446744073709551616, which no 64 bits hold"),
        ({"value": -(1 << 63) - 1}, "which no 64 bits hold"),
        ({"value": 10**400}, "value is a number of 1329 bits, which no 64 bits hold"),
        ({"value": True}, "value is True, not an int"),
        ({"value": 1.0}, "value is 1.0, not an int"),
        ({"value": "1"}, "value is '1', not an int"),
        ({"value": None}, "value is None, not an int"),
        ({"value": ["x"] * 10_000}, "value is ['x', "),
        ({"bar": -1}, "bar is -1, not a number from 0 to 5"),
        ({"bar": 6}, "bar is 6, not a number from 0 to 5"),
        ({"bar": 10**400}, "bar is a number of 1329 bits, not"),
        ({"name": "x" * 201}, "name is longer than 200 characters"),
        ({"test": "x" * 1_000_000}, "test is longer than 200 characters"),
        ({"device": "x" * 150}, "no device of the scenario is at 'xxx"),
        ({"x" * 1_000_000: 1}, "unknown xxx"),
    ],
)
def test_a_number_or_a_word_that_no_program_of_ours_writes_is_a_problem(changes: dict[str, object], what: str) -> None:
    measured = parse(line(**changes) + line())
    assert len(measured.measurements) == 1
    (problem,) = measured.problems
    assert what in problem.what
    assert len(problem.what) < 500


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "-" + "9" * 4300, "\u00b2", "0x10", "[" * 100_000, "01"],
    ids=range(10),
)
def test_a_value_that_json_or_python_does_not_take_is_a_problem(text: str) -> None:
    measured = parse(line().replace("524288", text) + line())
    assert len(measured.measurements) == len(measured.problems) == 1
    assert len(measured.problems[0].what) < 200


@pytest.mark.parametrize("value", [0, -1, -(1 << 63), (1 << 64) - 1])
def test_every_number_of_64_bits_is_taken(value: int) -> None:
    assert [one.value for one in parse(line(value=value)).measurements] == [value]


def test_no_more_measurements_are_read_than_a_boot_can_take() -> None:
    measured = parse("".join(line(name=f"n{number}") for number in range(20_010)))
    assert len(measured.measurements) == 20_000
    assert [problem.what for problem in measured.problems] == ["only the first 20,000 measurements are read"]
