# SPDX-License-Identifier: GPL-2.0-only
"""Workloads with a VMM in a scenario: their values, what is expected of them, and the messages about mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.errors import ScenarioError
from orchestrator.scenario.expand.overrides import with_source
from orchestrator.scenario.model import DebianVmm, Expectation, Level, ProgramVmm, VmmWorkload
from orchestrator.scenario.schema.json import json_schema
from orchestrator.scenario.sources import TreeSource
from orchestrator.scenario.vmm import QEMU_COMMAND, command_problem, filled
from tests.unit.scenario.test_load import load_text

HEAD = "description: What?\ndevices:\n  testdev: {emulated: pci-testdev, bar: 4G}\nmachine: {virtualization: yes}\n"
KERNELS = "kernels:\n  base:\n    source: {debian: linux-source-7.3, suite: sid}\n"
QEMU = "vmm: {debian: qemu-system-x86, suite: bookworm}, device: testdev"
OWN = "vmm: {path: bin/vmm, command: '{program} {device} {kernel} {initrd} {cmdline}'}, device: testdev"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios/bin").mkdir(parents=True)
    (tmp_path / "scenarios/bin/vmm").touch()


def scenario(*workloads: str, kernel: str = "", head: str = HEAD) -> str:
    """Return a scenario with these workloads, from line 6 on."""
    listed = "".join(f"  w{number}: {{{text}}}\n" for number, text in enumerate(workloads))
    return head + "workloads:\n" + listed + KERNELS + kernel


def problems(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_text(Path.cwd(), text)
    return [str(problem).removeprefix("scenarios/pud.yaml:") for problem in caught.value.problems]


def accepted(text: str) -> bool:
    return Draft202012Validator(json_schema()).is_valid(json.loads(json.dumps(yaml.safe_load(text))))


def test_a_package_and_a_program(tmp_path: Path) -> None:
    text = scenario(f"{QEMU}, bars: 2, timeout: 90s", OWN)
    assert accepted(text)
    packaged, own = load_text(Path.cwd(), text).workloads
    assert packaged == VmmWorkload(
        "w0", "testdev", DebianVmm("qemu-system-x86", "bookworm"), QEMU_COMMAND, (2,), 90.0, "scenarios/pud.yaml:6"
    )
    assert isinstance(own, VmmWorkload)
    assert own.vmm == ProgramVmm(tmp_path / "scenarios/bin/vmm")
    assert own.command_line == "{program} {device} {kernel} {initrd} {cmdline}"


def test_expectations_go_by_the_workload_and_are_inherited_one_by_one() -> None:
    more = (
        "    expect-vmm: {w0: {level: PMD, stage2: pmd}, w1: {entries: 4}}\n"
        "  better: {extends: base, expect-vmm: {w0: {level: PUD}}}\n"
    )
    text = scenario(QEMU, QEMU, kernel=more)
    assert accepted(text)
    base, better = load_text(Path.cwd(), text).kernels
    assert base.expect_vmm == (
        ("w0", Expectation(level=Level.PMD, stage2=Level.PMD)),
        ("w1", Expectation(entries=4)),
    )
    assert better.expect_vmm == (("w0", Expectation(level=Level.PUD)), ("w1", Expectation(entries=4)))
    assert with_source(base, TreeSource(Path("/linux")), name="new", where="--tree").expect_vmm == ()


FOUR = "{device} {kernel} {initrd} {cmdline}"
MISTAKES = [
    (scenario("vmm: {debian: qemu-system-x86, suite: trixie}"), "6: workload 'w0' has no 'device'; add it"),
    (scenario(f"{QEMU}, tests: stage2"), "6: 'tests' is for 'run: alignment'; remove it"),
    (scenario(f"{QEMU}, run: alignment"), "6: workload 'w0' has both 'run' and 'vmm'; split it in two"),
    (
        scenario("vmm: {suite: sid}, device: testdev"),
        "6: 'vmm' of workload 'w0' must have either 'debian' or 'path'",
    ),
    (
        scenario("vmm: {debian: qemu-system-x86}, device: testdev"),
        "6: 'vmm' of workload 'w0' must have 'suite' beside 'debian', and only there",
    ),
    (
        scenario(OWN.replace("path:", "suite: sid, path:")),
        "6: 'vmm' of workload 'w0' must have 'suite' beside 'debian', and only there",
    ),
    (
        scenario("vmm: {debian: crosvm, suite: sid}, device: testdev"),
        "6: 'vmm' of workload 'w0' has no 'command'; only that of qemu-system-x86 is known",
    ),
    (
        scenario("vmm: {debian: qemu-system-x86, siute: sid}, device: testdev"),
        "6: unknown key 'siute' in 'vmm' of workload 'w0'; did you mean 'suite'?",
    ),
    (
        scenario(OWN.replace("{program}", "vmm")),
        "6: 'vmm' of workload 'w0' must have {program} in 'command' beside 'path', and only there",
    ),
    (
        scenario(OWN.replace("path: bin/vmm", "debian: crosvm, suite: sid")),
        "6: 'vmm' of workload 'w0' must have {program} in 'command' beside 'path', and only there",
    ),
    (
        scenario(OWN.replace("bin/vmm", "bin/gone")),
        "6: no file 'bin/gone' in scenarios/bin; the path goes from the scenario's directory",
    ),
    (scenario(OWN.replace("{kernel}", "k")), "6: 'command' has no {kernel}; add it"),
    (
        scenario(OWN.replace("{kernel}", "{kernal}")),
        "6: 'command' has {kernal}; the placeholders are {program}, {device}, {kernel}, {initrd}, {cmdline}",
    ),
    (
        scenario(OWN.replace("'{program}", "'\"{program}")),
        "6: 'command' cannot be split as a shell does: No closing quotation",
    ),
    (
        scenario(QEMU, head=HEAD.replace("{virtualization: yes}", "{cpus: 1}")),
        "6: the VMM of workload 'w0' runs virtual machines in the guest; add 'virtualization: true' to 'machine'",
    ),
    (
        scenario(QEMU, head=HEAD.replace("yes}", "yes, iommu: none}")),
        "6: the VMM of workload 'w0' needs an IOMMU to pass the device through; remove 'iommu: none'",
    ),
    (
        scenario(QEMU, kernel="    expect-vmm: {w1: {level: PUD}}\n"),
        "10: no workload 'w1' has a VMM; the workloads with a VMM are w0",
    ),
    (
        scenario(QEMU, kernel="    expect-vmm: {w0: {xfail: why}}\n"),
        "10: expectation 'w0' of kernel 'base' checks nothing; give it alignment, level, entries or stage2, "
        "or remove it",
    ),
    (
        scenario(QEMU, kernel="    expect-vmm: {w0: {faults: 1}}\n"),
        "10: unknown key 'faults' in expectation 'w0' of kernel 'base'; the keys are alignment, level, entries, "
        "stage2, xfail",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message[:60] for _, message in MISTAKES])
def test_one_mistake_is_one_problem(text: str, message: str) -> None:
    assert problems(text) == [message]


def test_the_schema_of_editors_knows_which_keys_a_vmm_needs() -> None:
    for text in ("{debian: qemu-system-x86}", "{path: bin/vmm}", "{debian: crosvm, suite: sid}", "{}"):
        assert not accepted(scenario(f"vmm: {text}, device: testdev")), text
    assert not accepted(scenario("vmm: {debian: qemu-system-x86, suite: sid}"))
    assert not accepted(scenario(f"{QEMU}, tests: map"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("a {device}", ("a", "0:0 x")),
        ("'a b{device}' {cmdline}", ("a b0:0 x", "{cmdline}")),
        ("-append 'console=ttyS0 {cmdline}'", ("-append", "console=ttyS0 {cmdline}")),
        ("{device}{device} $HOME;", ("0:0 x0:0 x", "$HOME;")),
    ],
)
def test_a_value_is_never_split(command: str, words: tuple[str, ...]) -> None:
    assert filled(command, {"device": "0:0 x"}) == words


def test_the_command_line_of_qemu_is_a_good_one() -> None:
    assert command_problem(QEMU_COMMAND) == ""
