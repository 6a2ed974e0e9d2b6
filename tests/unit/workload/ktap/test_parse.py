# SPDX-License-Identifier: GPL-2.0-only
"""The KTAP parser: the specification's examples, dialects, real logs, and arbitrary text."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.workload.ktap.model import Directive, Outcome, Tap, TapTest
from orchestrator.workload.ktap.parse import MOST_MISSING, parse_ktap
from orchestrator.workload.suite.cases import suite_cases

DATA = Path(__file__).parents[2] / "data" / "workload"


def parse(text: str) -> Tap:
    return parse_ktap(dedent(text).lstrip("\n"))


def outcomes(tap: Tap) -> dict[str, str]:
    """Return the outcome of every test by its path, with its directive if any."""
    return {
        "/".join(names): f"{test.outcome.value} {test.directive.value}" if test.directive else test.outcome.value
        for names, test in tap.walk()
    }


SPECIFICATION = """
    KTAP version 1
    1..1
      KTAP version 1
      1..3
        KTAP version 1
        1..1
        # test_1: initializing test_1
        ok 1 test_1
      ok 1 example_test_1
        KTAP version 1
        1..2
        ok 1 test_1 # SKIP test_1 skipped
        ok 2 test_2
      ok 2 example_test_2
        KTAP version 1
        1..3
        ok 1 test_1
        # test_2: FAIL
        not ok 2 test_2
        ok 3 test_3 # SKIP test_3 skipped
      not ok 3 example_test_3
    not ok 1 main_test
    """


def test_the_specifications_example() -> None:
    tap = parse(SPECIFICATION)
    assert outcomes(tap) == {
        "main_test": "not ok",
        "main_test/example_test_1": "ok",
        "main_test/example_test_1/test_1": "ok",
        "main_test/example_test_2": "ok",
        "main_test/example_test_2/test_1": "ok SKIP",
        "main_test/example_test_2/test_2": "ok",
        "main_test/example_test_3": "not ok",
        "main_test/example_test_3/test_1": "ok",
        "main_test/example_test_3/test_2": "not ok",
        "main_test/example_test_3/test_3": "ok SKIP",
    }
    assert not tap.problems
    tests = {"/".join(names): test for names, test in tap.walk()}
    assert tests["main_test/example_test_1/test_1"].diagnostics == ("test_1: initializing test_1",)
    assert tests["main_test/example_test_2/test_1"].comment == "test_1 skipped"
    assert tests["main_test/example_test_3/test_2"].diagnostics == ("test_2: FAIL",)
    assert tests["main_test/example_test_3/test_2"].line == 19


def test_a_diagnostic_of_the_parent_does_not_end_its_subtests() -> None:
    tap = parse(
        """
        KTAP version 1
        1..1
          KTAP version 1
          1..2
          ok 1 test_1
        # of the example
          not ok 2 test_2
        not ok 1 example
        """
    )
    assert [test.name for test in tap.tests[0].subtests] == ["test_1", "test_2"]
    assert tap.tests[0].diagnostics == ("of the example",)


@pytest.mark.parametrize(
    ("line", "outcome", "name", "directive", "comment"),
    [
        ("ok 1 test_case_name", Outcome.OK, "test_case_name", None, ""),
        ("not ok 1 test_case_name", Outcome.NOT_OK, "test_case_name", None, ""),
        ("ok 1", Outcome.OK, "", None, ""),
        ("ok 1 # SKIP", Outcome.OK, "", Directive.SKIP, ""),
        ("ok 1 test # SKIP dependency unavailable", Outcome.OK, "test", Directive.SKIP, "dependency unavailable"),
        ("not ok 1 test # SKIP", Outcome.NOT_OK, "test", Directive.SKIP, ""),
        ("not ok 1 test # TIMEOUT 30 seconds", Outcome.NOT_OK, "test", Directive.TIMEOUT, "30 seconds"),
        ("not ok 1 test # ERROR no device", Outcome.NOT_OK, "test", Directive.ERROR, "no device"),
        ("not ok 1 test # XFAIL known", Outcome.NOT_OK, "test", Directive.XFAIL, "known"),
        ("not ok 1 test # todo later", Outcome.NOT_OK, "test", Directive.TODO, "later"),
        ("ok 1 test # Skipped: no CPU", Outcome.OK, "test", Directive.SKIP, "no CPU"),
        ("ok 1 check return code # rcode=0", Outcome.OK, "check return code", None, "rcode=0"),
        ("not ok 1 test # error 5", Outcome.NOT_OK, "test", Directive.ERROR, "5"),
        ("not ok 1 test # errors: 5", Outcome.NOT_OK, "test", None, "errors: 5"),
        ("ok 1 - page #2 # SKIP no BAR2", Outcome.OK, "page #2", Directive.SKIP, "no BAR2"),
        ("ok 1 - page #2", Outcome.OK, "page #2", None, ""),
        ("ok 1 - page # 2 # SKIP", Outcome.OK, "page # 2", Directive.SKIP, ""),
        ("not ok 1 - issue #17 # TODO not yet", Outcome.NOT_OK, "issue #17", Directive.TODO, "not yet"),
        ("not ok 1 race #3 # xfail known", Outcome.NOT_OK, "race #3", Directive.XFAIL, "known"),
        ("ok 1 race #3 # XPASS", Outcome.OK, "race #3", Directive.XPASS, ""),
        ("ok 1 a --> b.html#l12 # SKIP", Outcome.OK, "a --> b.html#l12", Directive.SKIP, ""),
        ("ok 1 a # SKIP see #7 and # 8", Outcome.OK, "a", Directive.SKIP, "see #7 and # 8"),
        ("ok 1 a # rcode=0 # SKIP b", Outcome.OK, "a # rcode=0", Directive.SKIP, "b"),
        ("not ok 1 a # SKIP b # TODO c", Outcome.NOT_OK, "a # SKIP b", Directive.TODO, "c"),
        (r"not ok 1 a \# SKIP b", Outcome.NOT_OK, "a # SKIP b", None, ""),
        (r"not ok 1 a \# b # TODO c", Outcome.NOT_OK, "a # b", Directive.TODO, "c"),
        (r"ok 1 a\\b", Outcome.OK, r"a\b", None, ""),
        ("not ok 1 a# SKIP b", Outcome.NOT_OK, "a# SKIP b", None, ""),
        ("ok 1 a #SKIP b", Outcome.OK, "a", Directive.SKIP, "b"),
        ("not ok 1 a # SKIP-list is wrong", Outcome.NOT_OK, "a", None, "SKIP-list is wrong"),
        ("ok\t1\t-\ta\t#\tSKIP\tb", Outcome.OK, "a", Directive.SKIP, "b"),
        ("\x1b[32mok\x1b[0m 1 - \x1b[1;4mgreen\x1b[m", Outcome.OK, "green", None, ""),
        ("\x1b[31mnot ok\x1b[0m 1 - red\x1b[K", Outcome.NOT_OK, "red", None, ""),
        ("\x1b]0;title\x07not ok 1 \x1b(Ba", Outcome.NOT_OK, "(Ba", None, ""),
        ("\x00not\x00 ok 1 a\x00 # TO\x00DO", Outcome.NOT_OK, "a", Directive.TODO, ""),
        ("10 %\r99 %\rnot ok 1 a\r", Outcome.NOT_OK, "a", None, ""),
        ("not ok 1 test # SKIPPERS are none", Outcome.NOT_OK, "test", None, "SKIPPERS are none"),
        ("not ok 1 test # UNKNOWN thing", Outcome.NOT_OK, "test", None, "UNKNOWN thing"),
        ("ok 1 - with a dash", Outcome.OK, "with a dash", None, ""),
        ("ok 1 - ", Outcome.OK, "", None, ""),
        ("ok 1 selftests: vfio: a-b", Outcome.OK, "selftests: vfio: a-b", None, ""),
        (r"ok 1 a\#b # c", Outcome.OK, "a#b", None, "c"),
        ("ok 1 C#sharp", Outcome.OK, "C#sharp", None, ""),
    ],
)  # fmt: skip
def test_result_lines(line: str, outcome: Outcome, name: str, directive: Directive | None, comment: str) -> None:
    tap = parse_ktap(f"TAP version 13\n1..1\n{line}\n")
    (test,) = tap.tests
    assert replace(test, diagnostics=()) == TapTest(1, name, outcome, directive, comment, line=3)
    assert not tap.problems


@pytest.mark.parametrize("line", ["okay 1 test", "ok: 1", "ok1 test", "notok 1 test", "ok then", "[ok 1 test", "ok"])
def test_other_lines_are_no_results_in_ktap(line: str) -> None:
    tap = parse_ktap(f"KTAP version 1\n1..1\n{line}\nok 1 test\n")
    assert [test.name for test in tap.tests] == ["test"]
    assert tap.tests[0].diagnostics == (line,)


def test_kernel_messages_in_between() -> None:
    tap = parse(
        """
        virtme-ng-init: starting script
        KTAP version 1
        1..1
        [    4.811732] vfio-pci 0000:00:10.0: enabling device (0000 -> 0002)
          KTAP version 1
          1..1
        tsc: Refined TSC clocksource calibration: 2596.066 MHz
          ok 1 test
        ok 1 suite
        reboot: Power down
        """
    )
    assert outcomes(tap) == {"suite": "ok", "suite/test": "ok"}
    assert tap.tests[0].subtests[0].diagnostics == ("tsc: Refined TSC clocksource calibration: 2596.066 MHz",)
    assert tap.diagnostics == ("reboot: Power down",)
    assert not tap.problems


@pytest.mark.parametrize("stamp", ["[    1.234567] ", "<6>[    1.234567] ", "[    1.234567][   T12] "])
def test_printk_timestamps_before_every_line(stamp: str) -> None:
    text = "KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    ok 1 test\nok 1 suite\n"
    stamped = "".join(stamp + line + "\n" for line in text.splitlines())
    assert outcomes(parse_ktap(stamped + "ok 9 from user space\n")) == {"suite": "ok", "suite/test": "ok"}


@pytest.mark.parametrize("first", ["TAP version 13", "1..1", "ok 1 a"])
def test_timestamps_hold_for_a_document_whose_first_line_has_one(first: str) -> None:
    lines = dict.fromkeys((first, "1..1", "ok 1 a"))
    assert outcomes(parse_ktap("".join(f"[    1.5] {line}\n" for line in lines))) == {"a": "ok"}


def test_planned_but_never_reported() -> None:
    tap = parse(
        """
        KTAP version 1
        1..2
          KTAP version 1
          # Subtest: suite
          1..3
          ok 1 first
        """
    )
    assert outcomes(tap) == {"suite": "missing", "suite/first": "ok", "suite/": "missing", "": "missing"}
    assert [(test.number, test.outcome) for test in tap.tests[0].subtests] == [
        (1, Outcome.OK),
        (2, Outcome.MISSING),
        (3, Outcome.MISSING),
    ]
    assert [test.number for test in tap.tests] == [1, 2]


def test_a_suite_that_died_and_the_next_one() -> None:
    tap = parse(
        """
        KTAP version 1
        1..2
          KTAP version 1
          # Subtest: died
          1..2
          ok 1 first
          KTAP version 1
          # Subtest: lives
          1..1
          ok 1 only
        ok 2 lives
        """
    )
    assert outcomes(tap) == {
        "died": "missing",
        "died/first": "ok",
        "died/": "missing",
        "lives": "ok",
        "lives/only": "ok",
    }


def test_equal_names_stay_apart() -> None:
    tap = parse("KTAP version 1\n1..2\nok 1 same\nnot ok 2 same\n")
    assert [(test.number, test.outcome.value) for test in tap.tests] == [(1, "ok"), (2, "not ok")]


NO_PLAN = "no plan: without 1..N, how many tests there should be is not known"
NO_SUBPLAN = NO_PLAN.replace("plan:", "plan of the subtests s:")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("KTAP version 1\nok 1 a\nok 2 b\n", [NO_PLAN]),
        ("ok 1 a\n", [NO_PLAN]),
        ("TAP version 13\nok a\nok b\n", [NO_PLAN]),
        ("TAP version 13\nok 1 a\nok 3 b\n", [NO_PLAN]),
        ("TAP version 13\n", []),
        ("TAP version 13\n1..0 # SKIP x\n", []),
        ("TAP version 13\nok 1 a\nok 2 b\n1..2\n", []),
        ("TAP version 13\n1..1\nok 1 a\nTAP version 13\n", [NO_PLAN]),
        ("TAP version 13\n1..1\nok 1 a\nTAP version 13\nok 1 b\n", [NO_PLAN]),
        ("TAP version 13\nok 1 a\nTAP version 13\n1..1\nok 1 b\n", [NO_PLAN]),
        ("KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n  ok 1 x\nok 1 s\n", [NO_SUBPLAN]),
        ("KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n  ok 1 x\n  1..1\nok 1 s\n", []),
        ("TAP version 13\n1..2\nok 1 a\nok 2 b\nok 3 c\n", ["test 3 is beyond the plan, 1..2"]),
        ("TAP version 13\n1..1\nok a\nok b\n", ["test 2 is beyond the plan, 1..1"]),
        ("TAP version 13\n1..0\nok 1 a\n", ["test 1 is beyond the plan, 1..0"]),
        ("TAP version 13\n1..2\nok 2 b\nok 1 a\n", ["test 1 comes after test 2"]),
        ("TAP version 13\n1..2\nok 1 a\nok 1 a\nok 2 b\n", ["test 1 has a second result"]),
    ],
)
def test_plans_and_numbers(text: str, problems: list[str]) -> None:
    assert [problem.what for problem in parse_ktap(text).problems] == problems


def test_a_gap_in_the_numbers_is_a_test_that_never_reported() -> None:
    assert outcomes(parse("TAP version 13\n1..3\nok 1 a\nok 3 c\n")) == {"a": "ok", "c": "ok", "": "missing"}


@pytest.mark.parametrize(
    "line", ["Bail out! why", "bail out!  why", "  Bail out! why", "\x1b[31mBail out! why\x1b[0m\r"]
)
def test_bailing_out(line: str) -> None:
    assert parse_ktap(f"TAP version 13\n1..2\nok 1 a\n{line}\n").bail_out == "why"


LONG = 1 << 18
FILLERS = (
    " ",
    "#",
    " #",
    "# ",
    "a",
    ".a",
    "a:",
    "\\",
    "\t",
    "0",
    "\x1b[",
    "\x1b]",
    "\x1b[0",
    "\x00",
    "\r",
    "# SKIP ",
    "- ",
)


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("start", ["", "ok 1 ", "not ok 1 a # ", "1..2 ", "# Subtest: ", "Bail out!", "\x1b[", "# "])
def test_a_long_line_takes_linear_time(start: str, filler: str) -> None:
    line = start + filler * (LONG // len(filler))
    before = time.process_time()
    suite_cases(parse_ktap(f"TAP version 13\n1..2\n{line}x\nnot ok 2 b\n"))
    assert time.process_time() - before < 1


def test_breaches_of_the_protocol() -> None:
    tap = parse_ktap("KTAP version 1\n1..2\n1..3\nok 1 a\nok 1 b\nok 7 c\n", "boots/a/ktap.log")
    assert [str(problem) for problem in tap.problems] == [
        "boots/a/ktap.log:3: a second plan, 1..3, after 1..2",
        "boots/a/ktap.log:5: test 1 has a second result",
        "boots/a/ktap.log:7: test 7 is beyond the plan, 1..3",
    ]
    assert [test.number for test in tap.tests] == [1, 1, 7, 2, 3]


def test_an_incredible_plan() -> None:
    tap = parse_ktap("KTAP version 1\n1..999999999\nok 1 a\n")
    assert len(tap.tests) == 1
    assert "1..999999999" in tap.problems[0].what
    assert len(parse_ktap(f"KTAP version 1\n1..{MOST_MISSING}\n").tests) == MOST_MISSING


def test_everything_skipped() -> None:
    tap = parse("TAP version 13\n1..0 # SKIP no IOMMU\n")
    assert (tap.plan, tap.skip_all, tap.tests) == (0, "no IOMMU", ())


def test_tap13_without_numbers_with_yaml_and_a_bail_out() -> None:
    tap = parse(
        """
        TAP version 13
        1..4
        ok - Input file opened
        not ok First line invalid
          ---
          message: 'ok 9 is no test'
          got:
            - ok 3 neither
          ...
        ok Read the rest # TODO Not written yet
        Bail out! No more input
        """
    )
    assert outcomes(tap) == {
        "Input file opened": "ok",
        "First line invalid": "not ok",
        "Read the rest": "ok TODO",
        "": "missing",
    }
    assert tap.tests[1].diagnostics == (
        "---",
        "message: 'ok 9 is no test'",
        "got:",
        "  - ok 3 neither",
        "...",
    )
    assert tap.bail_out == "No more input"


def test_a_yaml_block_without_end() -> None:
    tap = parse("TAP version 13\n1..2\nnot ok 1 a\n  ---\n  message: b\nok 2 c\n")
    assert outcomes(tap) == {"a": "not ok", "c": "ok"}
    assert tap.tests[0].diagnostics == ("---", "message: b")


def test_a_plan_at_the_end() -> None:
    assert outcomes(parse("TAP version 13\nok 1 a\n1..2\n")) == {"a": "ok", "": "missing"}


def test_tap14_subtests() -> None:
    tap = parse(
        """
        TAP version 14
        1..2
        # Subtest: foo.tap
            1..2
            ok 1
            ok 2 - this passed
        ok 1 - foo.tap
            # Subtest: bar.tap
            ok 1 - object should be a Bar
            1..1
        not ok 2 - bar.tap
        """
    )
    assert outcomes(tap) == {
        "foo.tap": "ok",
        "foo.tap/": "ok",
        "foo.tap/this passed": "ok",
        "bar.tap": "not ok",
        "bar.tap/object should be a Bar": "ok",
    }
    assert not tap.problems


def test_kselftests_nesting() -> None:
    tap = parse(
        """
        TAP version 13
        1..2
        # timeout set to 45
        # selftests: vfio: vfio_dma_mapping_test
        # TAP version 13
        # 1..2
        # # Starting 2 tests from 1 test cases.
        # #  RUN           vfio_dma_mapping_test.vfio_type1_iommu.dma_map_unmap ...
        # Mapped HVA 0x7f4d3ac00000 (size 0x1000)
        # ok 1 vfio_dma_mapping_test.vfio_type1_iommu.dma_map_unmap
        # not ok 2 vfio_dma_mapping_test.vfio_type1_iommu.dma_map_fail
        # # Totals: pass:1 fail:1 xfail:0 xpass:0 skip:0 error:0
        not ok 1 selftests: vfio: vfio_dma_mapping_test # exit=1
        # timeout set to 45
        # selftests: vfio: run.sh
        # no device given
        ok 2 selftests: vfio: run.sh # SKIP
        """
    )
    assert outcomes(tap) == {
        "selftests: vfio: vfio_dma_mapping_test": "not ok",
        "selftests: vfio: vfio_dma_mapping_test/vfio_dma_mapping_test.vfio_type1_iommu.dma_map_unmap": "ok",
        "selftests: vfio: vfio_dma_mapping_test/vfio_dma_mapping_test.vfio_type1_iommu.dma_map_fail": "not ok",
        "selftests: vfio: run.sh": "ok SKIP",
    }
    first, second = tap.tests
    assert first.comment == "exit=1"
    assert "Totals: pass:1 fail:1 xfail:0 xpass:0 skip:0 error:0" in first.diagnostics
    assert "Mapped HVA 0x7f4d3ac00000 (size 0x1000)" in first.subtests[0].diagnostics
    assert second.diagnostics == ("timeout set to 45", "selftests: vfio: run.sh", "no device given")


def test_two_documents_after_one_another() -> None:
    tap = parse("KTAP version 1\n1..2\nok 1 a\nKTAP version 1\n1..1\nok 1 b\n")
    assert outcomes(tap) == {"a": "ok", "": "missing", "b": "ok"}
    assert not tap.problems


def test_carriage_returns() -> None:
    tap = parse_ktap("KTAP version 1\r\n1..1\r\nok 1 a # SKIP b\r\n")
    assert outcomes(tap) == {"a": "ok SKIP"}
    assert tap.tests[0].comment == "b"


def test_a_real_log() -> None:
    tap = parse_ktap((DATA / "alignment-7.3-2G.ktap.log").read_text())
    device = "0000:00:10.0"
    cases = {
        f"{device}/{bar}/{p}": "ok" for bar in ("BAR0", "BAR2") for p in ("kernel", "qemu", "offset", "misaligned")
    }
    bars = {device: "ok", f"{device}/BAR0": "ok", f"{device}/BAR1": "ok SKIP", f"{device}/BAR2": "ok"}
    assert outcomes(tap) == bars | cases
    assert not tap.problems


def test_a_real_log_of_a_guest_that_was_killed() -> None:
    tap = parse_ktap((DATA / "alignment-7.3-killed.ktap.log").read_text())
    found = outcomes(tap)
    assert found["0000:00:10.0"] == "missing"
    assert found["0000:00:10.0/BAR2"] == "missing"
    assert found["0000:00:10.0/BAR2/offset"] == "ok"
    assert found["0000:00:10.0/BAR2/"] == "missing"
    assert not tap.problems


LINES = st.sampled_from(
    [
        "KTAP version 1", "TAP version 14", "1..2", "1..0 # SKIP x", "1..99999999999999", "ok 1 a", "ok",
        "not ok 2 b # TODO", "ok 3 # SKIP", "# Subtest: s", "# note", "---", "...", "Bail out! why", "random", "",
    ]
)  # fmt: skip
PREFIXES = st.sampled_from(["", "  ", "    ", "# ", "# # ", "\t", "      ", "[    1.0] ", " "])


@given(st.text())
def test_never_raises_on_any_text(text: str) -> None:
    for _, test in parse_ktap(text).walk():
        assert test.number >= 0


@given(st.lists(st.tuples(PREFIXES, LINES).map("".join), max_size=40))
def test_never_raises_on_likely_text(lines: list[str]) -> None:
    tap = parse_ktap("\n".join(lines))
    hash(tap)
    for _, test in tap.walk():
        assert (test.outcome is Outcome.MISSING) == (test.line == 0)


@given(st.integers(0, 400))
def test_any_depth(depth: int) -> None:
    text = "".join("  " * level + "KTAP version 1\n" + "  " * level + "1..1\n" for level in range(depth))
    assert "deep" in [test.name for _, test in parse_ktap(text + "  " * depth + "ok 1 deep\n").walk()]


@given(st.integers(0, len(dedent(SPECIFICATION))))
def test_a_truncated_document_has_only_what_was_reported(end: int) -> None:
    """Of a truncated document, exactly the tests before its end are reported."""
    whole = outcomes(parse(SPECIFICATION))
    torn = parse_ktap(dedent(SPECIFICATION)[:end].rpartition("\n")[0])
    for names, test in torn.walk():
        if test.outcome is not Outcome.MISSING and len(names) == 1:
            assert whole[test.name] == test.outcome.value
