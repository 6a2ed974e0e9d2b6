# SPDX-License-Identifier: GPL-2.0-only
"""Selftests and commands in a scenario: their values, and the messages about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.errors import ScenarioError
from orchestrator.scenario.model import CommandWorkload, Outcome, SelftestsWorkload
from orchestrator.scenario.schema.json import json_schema
from tests.unit.scenario.test_load import load_text

KERNELS = """\
kernels:
  base:
    source: {debian: linux-source-7.3, suite: sid}
"""
HEAD = "description: What?\ndevices:\n  nvme: {emulated: nvme, properties: {serial: 1}}\nworkloads:\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios/data").mkdir(parents=True)
    for name in ("test.sh", "other.sh", "data/test.sh"):
        (tmp_path / "scenarios" / name).touch()


def scenario(*workloads: str) -> str:
    """Return a scenario with these workloads, from line 5 on."""
    return HEAD + "".join(f"  w{number}: {{{text}}}\n" for number, text in enumerate(workloads)) + KERNELS


def problems(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_text(Path.cwd(), text)
    return [str(problem).removeprefix("scenarios/pud.yaml:") for problem in caught.value.problems]


def accepted(text: str) -> bool:
    return Draft202012Validator(json_schema()).is_valid(yaml.safe_load(text))


def test_selftests_with_every_key() -> None:
    keys = (
        "selftests: [vfio, net/lib], device: nvme, only: vfio_pci_device_test, test-timeout: 90.5s, setup: [a, b c], "
        "environment: {A: 1, B_2: ''}, xfail: {'vfio:x/*': why}, timeout: 10m"
    )
    text = scenario(keys)
    assert accepted(text)
    assert load_text(Path.cwd(), text).workloads == (
        SelftestsWorkload(
            "w0",
            ("vfio", "net/lib"),
            device="nvme",
            only=("vfio_pci_device_test",),
            test_timeout=91,
            environment=(("A", "1"), ("B_2", "")),
            setup=("a", "b c"),
            xfail=(("vfio:x/*", "why"),),
            timeout=600.0,
            where="scenarios/pud.yaml:5",
        ),
    )


def test_a_command_with_every_key() -> None:
    text = scenario("command: ./test.sh --flag, files: [test.sh, data], outcome: ktap, device: nvme, timeout: 9s")
    assert accepted(text)
    beside = Path.cwd() / "scenarios"
    assert load_text(Path.cwd(), text).workloads == (
        CommandWorkload(
            "w0",
            "./test.sh --flag",
            files=(beside / "test.sh", beside / "data"),
            outcome=Outcome.KTAP,
            device="nvme",
            timeout=9.0,
            where="scenarios/pud.yaml:5",
        ),
    )


def test_a_command_alone_needs_no_device() -> None:
    text = scenario("command: 'true'").replace("devices:\n  nvme: {emulated: nvme, properties: {serial: 1}}\n", "")
    assert accepted(text)
    (workload,) = load_text(Path.cwd(), text).workloads
    assert workload == CommandWorkload("w0", "true", where="scenarios/pud.yaml:3")


MISTAKES = [
    ("selftests: vfio, length: 2G", "5: 'length' is for 'run: alignment'; remove it"),
    ("command: a, only: b", "5: 'only' is for 'selftests'; remove it"),
    ("run: alignment, device: nvme, setup: a", "5: 'setup' is for 'selftests' and 'command'; remove it"),
    ("run: alignment, device: nvme, outcome: ktap", "5: 'outcome' is for 'command'; remove it"),
    ("selftests: vfio, command: a", "5: workload 'w0' has both 'selftests' and 'command'; split it in two"),
    (
        "device: nvme",
        "5: workload 'w0' has none of 'run', 'selftests', 'command' and 'vmm'; add one of them",
    ),
    ("run: alignment", "5: workload 'w0' has no 'device'; add it"),
    ("selftests: [vfio, vfio]", "5: 'selftests' has 'vfio' twice; remove one of them"),
    ("selftests: ../evil", "5: 'selftests' must be a target of the kernel's selftests such as vfio, not '../evil'"),
    ("selftests: vfio, only: a/b", "5: 'only' must be the name of a program of the selftests, not 'a/b'"),
    ("command: a, outcome: tap", "5: 'outcome' must be one of exit-status, ktap, not 'tap'; did you mean 'ktap'?"),
    (
        "command: a, environment: {A B: c}",
        "5: a variable's name must be made of letters, digits and '_', such as MY_FLAG, not 'A B'",
    ),
    ("command: a, device: nvm", "5: no device 'nvm' for workload 'w0'; did you mean 'nvme'?"),
    ("command: a, comand: b", "5: unknown key 'comand' in workload 'w0'; did you mean 'command'?"),
]


@pytest.mark.parametrize(("workload", "message"), MISTAKES, ids=[message[:60] for _, message in MISTAKES])
def test_one_mistake_is_one_problem(workload: str, message: str) -> None:
    assert problems(scenario(workload)) == [message]


def test_editors_see_what_needs_no_look_at_other_keys() -> None:
    for workload, _ in MISTAKES:
        assert accepted(scenario(workload)) == workload.endswith("device: nvm"), workload


def test_variables_of_orch_itself_are_not_the_users() -> None:
    assert problems(scenario("command: a, environment: {ORCH_DEVICE: x, A: b}")) == [
        "5: 'ORCH_DEVICE' is reserved for orch; rename it"
    ]


def test_files_must_be_there_and_differ_in_name() -> None:
    assert problems(scenario("command: a, files: [tset.sh, test.sh, data/test.sh]")) == [
        "5: 'data/test.sh' and 'test.sh' have one name in the guest; rename one",
        "5: no file 'tset.sh' in scenarios; the path goes from the scenario's directory",
    ]


def test_all_problems_come_at_once() -> None:
    text = scenario("selftests: vfio, length: 2G, files: test.sh", "run: alignment", "command: a, timeout: soon")
    assert [problem[:2] for problem in problems(text)] == ["5:", "5:", "6:", "7:"]


def test_expectations_are_of_placements_that_some_workload_has() -> None:
    text = scenario("command: 'true'") + "    expect: {qemu: {level: PUD}}\n"
    assert problems(text) == [
        "9: no workload has the placement 'qemu' that kernel 'base' has an expectation of; the placements are none"
    ]
