# SPDX-License-Identifier: GPL-2.0-only
"""The cases in a suite's KTAP: their names and statuses.

The logs in data/suites are of real runs.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.workload.ktap.parse import parse_ktap
from orchestrator.workload.suite.cases import SuiteCase, SuiteStatus, suite_cases

DATA = Path(__file__).parents[2] / "data/suites"


def cases(text: str, planned: tuple[str, ...] = ()) -> tuple[SuiteCase, ...]:
    return suite_cases(parse_ktap(text), planned)


def statuses(text: str, planned: tuple[str, ...] = ()) -> dict[str, SuiteStatus]:
    return {case.name: case.status for case in cases(text, planned)}


def golden(name: str) -> dict[str, SuiteCase]:
    return {case.name: case for case in cases((DATA / name).read_text())}


def test_a_real_run_with_a_failed_test_and_three_that_were_skipped() -> None:
    found = golden("vfio-7.3-failing.log")
    assert [case.name for case in found.values() if case.status is not SuiteStatus.PASS] == [
        "vfio:vfio_iommufd_setup_test/vfio_cdev.get_info_without_bind_fails",
        "vfio:vfio_pci_device_test/vfio_pci_irq_test.msi.enable_trigger_disable",
        "vfio:vfio_pci_driver_test",
        "vfio:vfio_pci_sriov_uapi_test",
    ]
    assert len(found) == 13


def test_a_failure_is_described_by_its_assertion_with_the_lines_around_it() -> None:
    failed = golden("vfio-7.3-failing.log")["vfio:vfio_iommufd_setup_test/vfio_cdev.get_info_without_bind_fails"]
    assert failed.status is SuiteStatus.FAIL
    assert failed.message.startswith("vfio_iommufd_setup_test.c:88:get_info_without_bind_fails:Expected 0 (0) == ")
    assert failed.line == 16
    assert any("Test terminated by assertion" in line for line in failed.lines)


def test_every_skip_has_its_reason_wherever_it_stands() -> None:
    found = golden("vfio-7.3-failing.log")
    reasons = [case.message for case in found.values() if case.status is SuiteStatus.SKIP]
    assert reasons == [
        "MSI: not supported",
        "No driver found for device 0000:00:10.0",
        "SR-IOV may not be supported by the PF: 0000:00:10.0",
    ]


def test_a_real_run_in_which_the_runner_ended_two_programs() -> None:
    found = golden("vfio-7.3-timeout.log")
    program = found["vfio:vfio_pci_device_init_perf_test"]
    assert (program.status, program.message, program.line) == (SuiteStatus.TIMEOUT, "not ended within 1 seconds", 44)
    first = found["vfio:vfio_pci_device_init_perf_test/vfio_pci_device_init_perf_test.vfio_type1_iommu.init"]
    assert first.status == "pass"
    assert found["vfio:vfio_pci_device_init_perf_test/#2"].status is SuiteStatus.TIMEOUT
    assert found["vfio:vfio_pci_device_init_perf_test/#2"].message == "never reported: TIMEOUT 1 seconds"


def test_subtests_of_any_depth_have_the_path_as_their_name() -> None:
    text = (
        "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n    KTAP version 1\n    1..1\n    ok 1 c\n  ok 1 b\nok 1 a\n"
    )
    assert statuses(text) == {"a/b/c": SuiteStatus.PASS}


def test_names_that_occur_again_are_numbered_and_never_collide() -> None:
    text = "TAP version 13\n1..4\nok 1 - a\nok 2 - a\nok 3 - a (2)\nok 4\n"
    assert list(statuses(text)) == ["a", "a (3)", "a (2)", "#4"]


def test_a_parent_that_failed_although_no_child_did() -> None:
    text = "TAP version 13\n1..1\n# TAP version 13\n# 1..1\n# ok 1 b\nnot ok 1 selftests: mm: a # exit=139\n"
    (child, parent) = cases(text)
    assert (child.name, child.status) == ("mm:a/b", SuiteStatus.PASS)
    assert (parent.name, parent.status) == ("mm:a", SuiteStatus.FAIL)
    assert parent.message == "not ok, although none of its subtests failed: exit=139"


def test_a_parent_that_failed_with_a_child_says_nothing_new() -> None:
    text = "TAP version 13\n1..1\n# TAP version 13\n# 1..1\n# not ok 1 b\nnot ok 1 selftests: mm: a # exit=1\n"
    assert statuses(text) == {"mm:a/b": SuiteStatus.FAIL}


def test_a_program_that_died_left_tests_unreported() -> None:
    text = "TAP version 13\n1..1\n# TAP version 13\n# 1..3\n# ok 1 b\nnot ok 1 selftests: mm: a # exit=139\n"
    assert statuses(text) == {
        "mm:a/b": SuiteStatus.PASS,
        "mm:a/#2": SuiteStatus.MISSING,
        "mm:a/#3": SuiteStatus.MISSING,
    }
    assert cases(text)[1].message == "never reported: selftests: mm: a ended before it (exit=139)"


def test_a_guest_that_died_left_programs_unreported_that_the_list_names() -> None:
    text = "TAP version 13\n1..3\nok 1 selftests: mm: a\n# selftests: mm: b\n# TAP version 13\n# 1..2\n# ok 1 x\n"
    found = statuses(text, ("mm:a", "mm:b", "mm:c"))
    assert found == {
        "mm:a": SuiteStatus.PASS,
        "mm:b/x": SuiteStatus.PASS,
        "mm:b/#2": SuiteStatus.MISSING,
        "mm:c": SuiteStatus.MISSING,
    }


def test_directives() -> None:
    text = (
        "TAP version 13\n1..9\nok 1 a # SKIP why\nnot ok 2 b # SKIP\nnot ok 3 c # TODO later\nok 4 d # TODO\n"
        "ok 5 e # XFAIL known\nnot ok 6 f # TIMEOUT 45 seconds\nnot ok 7 g # ERROR no device\n"
        "ok 8 h # XPASS\nnot ok 9 i # XPASS\n"
    )
    assert list(statuses(text).values()) == [
        *(
            SuiteStatus.SKIP,
            SuiteStatus.SKIP,
            SuiteStatus.XFAIL,
            SuiteStatus.XPASS,
            SuiteStatus.XFAIL,
            SuiteStatus.TIMEOUT,
            SuiteStatus.ERROR,
        ),
        *(SuiteStatus.XPASS, SuiteStatus.FAIL),
    ]
    assert [case.message for case in cases(text)][:4] == ["why", "", "later", "passes, but says TODO"]


def test_a_program_that_skips_all_of_its_tests_says_why() -> None:
    text = "TAP version 13\n1..1\n# TAP version 13\n# 1..0 # SKIP no such device\nok 1 selftests: mm: a # SKIP\n"
    (case,) = cases(text)
    assert (case.name, case.status, case.message) == ("mm:a", SuiteStatus.SKIP, "no such device")


@pytest.mark.parametrize(("parent", "reason"), [("# SKIP", "no device"), ("# SKIP not here", "not here")])
def test_a_program_that_skips_after_its_plan_skips_what_it_did_not_report(parent: str, reason: str) -> None:
    below = "# TAP version 13\n# 1..3\n# ok 0 # SKIP no device\n"
    found = cases(f"TAP version 13\n1..1\n{below}ok 1 selftests: timers: b {parent}\n")
    assert [case.name for case in found] == [f"timers:b/#{number}" for number in range(4)]
    assert {case.status for case in found} == {SuiteStatus.SKIP}
    assert [case.message for case in found[1:]] == [reason] * 3


COLLECTIONS = ("l:a", "l:b", "m:c", "m:d", "n:e")


def test_programs_of_collections_that_the_runner_counts_each_from_one() -> None:
    first = "TAP version 13\n1..2\nok 1 selftests: l: a\nok 2 selftests: l: b\n"
    second = "TAP version 13\n1..2\n# selftests: m: c\n# TAP version 13\n# 1..1\n# ok 1 x\n"
    found = statuses(first + second, COLLECTIONS)
    missing = dict.fromkeys(("m:d", "n:e"), SuiteStatus.MISSING)
    assert found == {
        "l:a": SuiteStatus.PASS,
        "l:b": SuiteStatus.PASS,
        "m:c/x": SuiteStatus.PASS,
        "m:c": SuiteStatus.MISSING,
        **missing,
    }
    assert list(statuses(first, COLLECTIONS)) == list(COLLECTIONS)
    torn = first.replace("ok 1 selftests: l: a\n", "") + "TAP version 13\n1..2\nok 1 selftests: m: c\n"
    assert statuses(torn, COLLECTIONS) == {
        **{"l:b": SuiteStatus.PASS, "l:a": SuiteStatus.MISSING, "m:c": SuiteStatus.PASS},
        **missing,
    }


def test_a_program_that_was_called_with_arguments_is_the_one_that_was_planned() -> None:
    assert statuses("TAP version 13\n1..1\nok 1 selftests: l: a -v 2\n", ("l:a",)) == {"l:a": SuiteStatus.PASS}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TAP version 13\n1..1\nok 1 a\n1..2\nok 2 b\n", "a second plan, 1..2, after 1..1"),
        ("KTAP version 1\n1..1\nok 1 a\nnot ok b\n", "a result without a number: not ok b"),
        (
            "KTAP version 1\n1..1\nok 1 a\nnot ok b\nnot ok c\n",
            "a result without a number: not ok b (and 1 more breaches of the protocol)",
        ),
        ("TAP version 13\n1..1\nok 1 a\nok 1 b\n", "test 1 has a second result"),
    ],
)
def test_a_breach_of_the_protocol_fails(text: str, message: str) -> None:
    breach = cases(text)[-1]
    assert (breach.name, breach.status, breach.message) == ("plan", SuiteStatus.FAIL, message)
    assert breach.line


def test_a_plan_that_cannot_be_believed_is_an_error() -> None:
    assert statuses("TAP version 13\n1..999999\nok 1 a\n") == {"a": SuiteStatus.PASS, "plan": SuiteStatus.ERROR}


@given(
    st.lists(st.sampled_from(["TAP version 13", "1..3", "ok 1 a", "not ok 2 a", "# ok 1 b", "# TAP version 13", "x"]))
)
def test_names_are_unique_whatever_was_written(lines: list[str]) -> None:
    names = [case.name for case in cases("\n".join(lines))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "word", ["a" * 2_000_000, "." * 2_000_000, "a." * 1_000_000, "1:" * 1_000_000, ".a:1" * 500_000]
)
def test_a_long_word_in_what_a_failed_test_wrote_costs_no_time(word: str) -> None:
    started = monotonic()
    first, second = cases(f"KTAP version 1\n1..2\n# {word}\nnot ok 1 x\n# test.c:12: it failed\nnot ok 2 y\n")
    assert monotonic() - started < 5
    assert (first.status, second.message) == (SuiteStatus.FAIL, "test.c:12: it failed")
