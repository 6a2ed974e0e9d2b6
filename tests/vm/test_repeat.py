# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are booted several times: in turn, with every boot kept, and equal in what must be equal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.vm.conftest import ORCH, REPOSITORY, Finished, orch, virtual_machines
from tests.vm.test_interrupt import wait_for

KERNELS = ("base", "vfio-thp")
SCENARIO = """\
description: Are the boots of one kernel equal?
repeat: 3
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
machine: {accelerator: tcg}
workloads:
  alignment:
    {run: alignment, device: testdev, bars: 2, length: 64M, placements: [kernel, qemu], timeout: 3m}
kernels:
  base:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    config: [guest, vfio]
    expect:
      kernel: {level: PTE}
  vfio-thp:
    extends: base
    patches: vfio-thp
    expect:
      kernel: {level: PMD}
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repeat") / "repeat.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture(scope="module")
def repeated(scenario: Path) -> Finished:
    done = orch(scenario.parent / "results", "run", str(scenario))
    assert done.status == 0, done.out + done.err
    return done


def measurements(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "guest/measurements.jsonl").read_text().splitlines()]


def test_a_whole_round_is_booted_before_the_next_one_begins(repeated: Finished) -> None:
    boots = [job for job in repeated.record["jobs"] if job["kind"] == "boot"]
    began = sorted(boots, key=lambda job: job["began"])
    assert [job["round"] for job in began] == [1, 1, 2, 2, 3, 3]
    assert {(job["kernel"], job["round"]) for job in boots} == {(name, n) for name in KERNELS for n in (1, 2, 3)}
    lines = [line.split(" ...")[0].split("  ")[-1] for line in repeated.err.splitlines() if " ...: under" in line]
    # Two boots that start at the same moment may be written in either order.
    assert [sorted(lines[at : at + 2]) for at in (0, 2, 4)] == [
        [f"{name}: boot alignment {number}/3" for name in KERNELS] for number in (1, 2, 3)
    ]


def test_every_boot_is_kept_and_equal_in_every_exact_number(repeated: Finished) -> None:
    for name in KERNELS:
        by_number = defaultdict(list)
        for number in (1, 2, 3):
            directory = repeated.run / "boots" / name / "alignment" / str(number)
            assert "Linux version 7.3" in (directory / "console.log").read_text(errors="replace")
            assert json.loads((directory / "result.json").read_text())["round"] == number
            for one in measurements(directory):
                if one["exact"]:
                    by_number[one["test"], one["name"]].append(one["value"])
        assert by_number["kernel", "faults"]
        assert all(len(values) == 3 and len(set(values)) == 1 for values in by_number.values()), by_number


def test_the_report_has_one_verdict_a_case_and_every_sample(repeated: Finished) -> None:
    shown = orch(repeated.results, "compare")
    assert shown.out == repeated.out
    assert "each kernel is booted 3 times, interleaved" in shown.out
    assert "to show a difference takes 7 boots of each kernel" in " ".join(shown.out.split())
    data = json.loads(orch(repeated.results, "compare", "--json").out)
    names = [(case["kernel"], case["name"]) for case in data["cases"]]
    assert len(set(names)) == len(names) == sum(data["counts"].values())
    assert data["counts"].keys() == {"PASS"}
    assert not [name for _, name in names if name.endswith("repeatable")]
    assert [(boot["kernel"], boot["round"], boot["end"]) for boot in data["boots"]] == [
        (name, number, "ok") for number in (1, 2, 3) for name in KERNELS
    ]
    for time in data["times"]:
        place = (time["kernel"], time["test"], time["name"])
        boots = [repeated.run / "boots" / place[0] / "alignment" / str(number) for number in (1, 2, 3)]
        raw = [one["value"] for boot in boots for one in measurements(boot) if (one["test"], one["name"]) == place[1:]]
        assert [sample["value"] for sample in time["samples"]] == [value * 16 for value in raw], place
    assert len(data["times"]) == 2 * 2 * len(KERNELS)


def test_a_run_stopped_in_its_second_round_can_be_read(repeated: Finished, scenario: Path, tmp_path: Path) -> None:
    argv = ["env", "--default-signal=INT", ORCH, "run", str(scenario), "--repeat", "9", "--results", str(tmp_path)]
    process = subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(list(tmp_path.glob("latest/boots/*/*/*/result.json"))) >= 2, 60)
    wait_for(lambda: len(virtual_machines(tmp_path)) > 0, 60)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    shown = orch(tmp_path, "compare")
    assert shown.status == 130
    assert "INTERRUPTED: " in shown.out
    assert "each kernel is booted 9 times, interleaved" in shown.out
    data = json.loads(orch(tmp_path, "compare", "--json").out)
    ended = len(data["boots"])
    assert 2 <= ended < 18
    assert len(data["run"]["unfinished"]) == 18 - ended
    assert {sample["round"] for time in data["times"] for sample in time["samples"]} >= {1}
    assert (tmp_path / "latest/junit.xml").read_text().count("<testcase") == len(data["cases"])
