# SPDX-License-Identifier: GPL-2.0-only
"""The C program for a failing case: short, correct C, and nothing of a run acts in it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.errors import UsageError
from orchestrator.report.reproducer import reproducer
from orchestrator.report.reproducer_c import MOST_LINES
from orchestrator.result.judge.alignment import judge
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, Run
from orchestrator.scenario.model import Expectation, Kernel, Level, Placement
from tests.unit.report.test_hostile import HOSTILE, everywhere
from tests.unit.result.test_samples import GOOD, PTE, PUD, WORKLOAD, kernel, run_of, told

WRONG = Expectation(alignment=1 << 21, level=Level.PMD, entries=1024, faults=1024, dma_faults=1024)
CHECKS = ("alignment", "level", "entries", "faults")


def failing(placement: Placement = Placement.KERNEL, numbers: Mapping[str, int] = PTE, name: str = "base") -> Run:
    """Return a run in which every check of a placement fails."""
    recipe = Kernel(name, kernel("x").source, expect=((placement, WRONG),))
    output = told(name, {placement.value: numbers})
    cases = judge(recipe, replace(WORKLOAD, placements=(placement,)), GOOD, output)
    run = run_of(BootResult(name, "alignment", "testdev", GOOD, cases, output.measurements))
    devices: Mapping[str, Mapping[str, object]] = {"testdev": {"model": "pci-testdev", "bar_size": 4 << 30}}
    return replace(run, scenario=replace(run.scenario, devices=devices))


def compiled(text: str, directory: Path) -> None:
    """Compile a program as a reader of the mail would, with all warnings."""
    (directory / "r.c").write_text(text)
    argv = ["gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-fsyntax-only", str(directory / "r.c")]
    subprocess.run(argv, check=True)


@pytest.mark.parametrize("placement", Placement)
@pytest.mark.parametrize("check", CHECKS)
def test_every_program_is_short_and_compiles_without_a_warning(
    placement: Placement, check: str, tmp_path: Path
) -> None:
    text = reproducer(failing(placement), f"base/alignment/testdev/BAR2/{placement}/{check}")
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES
    assert max(len(line.expandtabs(8)) for line in lines) <= 110
    assert lines[0] == "// SPDX-License-Identifier: GPL-2.0-only"
    assert "@" not in text
    compiled(text, tmp_path)


@pytest.mark.parametrize(
    ("check", "code", "words"),
    [
        ("alignment", "return ALIGNMENT(at) < 0x200000UL;", "expected: at least 2 MiB"),
        ("level", "? n[0] != 0 || n[1] != 1024 || n[2] != 0 : 2;", "expected: 0 PTE 1024 PMD 0 PUD"),
        ("entries", "? n[0] + n[1] + n[2] != 1024 : 2;", "expected: 1024 entries"),
        ("faults", "return faults < 1024 || faults > 1032;", "expected: 1024 to 1032 faults"),
    ],
)
def test_the_expected_value_is_that_of_the_case(check: str, code: str, words: str) -> None:
    text = reproducer(failing(), f"alignment/testdev/BAR2/kernel/{check}")
    assert code in text
    assert words in text
    assert "Seen on Linux 7.3.4-base, kernel base; device pci-testdev, BAR of 4 GiB." in text


def test_the_range_and_the_rule_are_those_of_the_case() -> None:
    moved = PTE | {"offset": 3 << 20, "length": 64 << 20}
    expected = {
        Placement.QEMU: "/* The placement qemu: 0x0 modulo 64 MiB. */",
        Placement.QEMU_V4: "/* The placement qemu-v4: 0x300000 modulo 1 GiB. */",
        Placement.CLOUD_HYPERVISOR: "/* The placement cloud-hypervisor: 0x0 modulo 64 MiB. */",
        Placement.OFFSET: "/* The placement offset: 0x100000 modulo 2 MiB. */",
        Placement.PMD: "/* The placement pmd: 0x20300000 modulo 1 GiB. */",
        Placement.MISALIGNED: "/* The placement misaligned: 0x101000 modulo 2 MiB. */",
    }
    for placement, rule in expected.items():
        text = reproducer(failing(placement, moved), f"alignment/testdev/BAR2/{placement}/alignment")
        assert rule in text
        assert "#define OFFSET\t0x300000UL\n#define LENGTH\t0x4000000UL\n" in text


@pytest.mark.parametrize("what", [*HOSTILE, "comment", "string"])
def test_no_text_of_a_run_is_code(what: str, tmp_path: Path) -> None:
    text = {"comment": '*/ int main(void) { return system("x"); } /*', "string": '\\";}\\\n#error x\n??/'} | HOSTILE
    run = failing()
    hostile: Run = everywhere(run, text[what])
    boots = tuple(
        replace(
            boot,
            cases=tuple(
                replace(case, id=replace(old.id, kernel=case.id.kernel), expected=old.expected)
                for case, old in zip(boot.cases, before.cases, strict=True)
            ),
            measurements=tuple(
                replace(m, name=old.name, test=old.test, workload=old.workload, device=old.device)
                for m, old in zip(boot.measurements, before.measurements, strict=True)
            ),
            workload=before.workload,
        )
        for boot, before in zip(hostile.boots, run.boots, strict=True)
    )
    hostile = replace(hostile, boots=boots)
    plain, shown = (
        reproducer(run, "alignment/testdev/BAR2/kernel/level"),
        reproducer(hostile, "alignment/testdev/BAR2/kernel/level"),
    )
    before, after = (text.partition("*/") for text in (plain, shown))
    assert before[2] == after[2]
    assert re.fullmatch(r"[\n\t -~]*", after[0])
    assert len(after[0]) < len(before[0]) + 200
    compiled(shown, tmp_path)


def case_of(**fields: str) -> Run:
    """Return a run with one failing case, with these fields of its id and its expected value."""
    expected = fields.pop("expected", "at least 2 MiB")
    names = {"workload": "alignment", "device": "testdev", "test": "kernel", "check": "alignment"} | fields
    run = failing()
    case = Case(CaseId("base", bar=2, **names), Status.FAIL, expected=expected)
    return replace(run, boots=(replace(run.boots[0], cases=(case,)),))


@pytest.mark.parametrize(
    ("run", "name", "sentence"),
    [
        (failing(), "base/alignment/testdev/BAR2/kernel/dma_faults", "the check dma_faults is about a DMA map"),
        (failing(), "alignment/testdev/BAR2/kernel/levl", "did you mean base/alignment/testdev/BAR2/kernel/level"),
        (failing(), "alignment/testdev/BAR2/kernel/run", "did not fail in pud-20260617-193406"),
        (case_of(check="log", test=""), "alignment/testdev/BAR2/log", "the check log is about a whole boot"),
        (case_of(check="stage2"), "alignment/testdev/BAR2/kernel/stage2", "stage2 is about the entries of KVM"),
        (case_of(test="random", check="level"), "alignment/testdev/BAR2/random/level", "random is another test"),
        (case_of(expected="at least 2; x"), "alignment/testdev/BAR2/kernel/alignment", "is none that orch writes"),
        (case_of(expected="at least 2 MiB\n"), "alignment/testdev/BAR2/kernel/alignment", "is none that orch writes"),
        (case_of(expected="at least ² MiB"), "alignment/testdev/BAR2/kernel/alignment", "is none that orch writes"),
        (failing(numbers={}), "alignment/testdev/BAR2/kernel/level", "did not fail in"),
        (failing(numbers=PTE | {"offset": -4096}), "alignment/testdev/BAR2/kernel/level", "did not measure which part"),
        (failing(numbers=PTE | {"length": 7}), "alignment/testdev/BAR2/kernel/alignment", "did not measure which part"),
        (failing(numbers=PTE | {"length": 1 << 63}), "alignment/testdev/BAR2/kernel/faults", "did not measure which"),
    ],
)
def test_what_it_cannot_show_is_one_sentence(run: Run, name: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        reproducer(run, name)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_case_that_fails_on_several_kernels_needs_the_name_of_one() -> None:
    both = run_of(*failing().boots, *failing(name="other").boots)
    with pytest.raises(UsageError, match="choose base/alignment/testdev/BAR2/kernel/level or other/alignment"):
        reproducer(both, "alignment/testdev/BAR2/kernel/level")
    assert "kernel other;" in reproducer(both, "other/alignment/testdev/BAR2/kernel/level")


@pytest.mark.parametrize(
    ("arch", "path"), [("arm64", "current_user_page_tables"), ("x86_64", "page_tables/current_kernel"), (None, "page_")]
)
def test_the_page_tables_are_read_where_the_architecture_shows_them(arch: str | None, path: str) -> None:
    run = failing()
    facts = {**run.kernels["base"], "arch": arch} if arch else run.kernels["base"]
    text = reproducer(replace(run, kernels={"base": facts}), "alignment/testdev/BAR2/kernel/level")
    assert f'fopen("/sys/kernel/debug/{path}' in text


def test_a_better_level_than_expected_is_shown_too(tmp_path: Path) -> None:
    text = reproducer(failing(numbers=PUD), "alignment/testdev/BAR2/kernel/level")
    assert "n[0] != 0 || n[1] != 1024 || n[2] != 0" in text


def test_a_file_that_cannot_be_written_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = Path(__file__).parent / "data/run-before-layout"
    assert main(["reproducer", str(stored), "base/x", "-o", str(tmp_path)]) == 2
    assert "no case of it failed" in capsys.readouterr().err
