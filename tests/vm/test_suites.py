# SPDX-License-Identifier: GPL-2.0-only
"""Suites that others wrote: the kernel's own selftests, and programs of the user's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.vm.conftest import PATCHES, REPOSITORY, Finished, orch

KERNEL = """\
  base:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    config: [guest, vfio, iommufd, userland]
"""

PROGRAMS = (
    """\
name: programs
description: Programs that end in every way there is.
devices:
  testdev: {emulated: pci-testdev, bar: 64M}
workloads:
  good:
    command: ./check.sh data/word
    files: [check.sh, data]
    device: testdev
    environment: {EXPECTED: "a word, 'quoted' $HOME"}
    timeout: 60s
  fails: {command: "echo what is wrong; exit 3", timeout: 60s}
  skips: {command: "echo no such hardware; exit 4", timeout: 60s}
  killed: {command: "kill -SEGV $$", timeout: 60s}
  left: {command: "(trap '' HUP; sleep 600) & setsid sleep 600 & echo begun", timeout: 60s}
  late: {command: "echo begun; sleep 600", timeout: 15s}
  silent: {command: "echo nothing to see", outcome: ktap, timeout: 60s}
  speaks:
    command: "printf 'TAP version 13\\n1..2\\nok 1 - one\\nnot ok 2 - two # TODO later\\n'"
    outcome: ktap
    timeout: 60s
  dies:
    command: "printf 'KTAP version 1\\n1..3\\nok 1 first\\n'; kill -KILL $$"
    outcome: ktap
    timeout: 60s
  unprepared: {command: "true", setup: "test -e /nowhere", timeout: 60s}
  known: {command: "exit 1", xfail: {run: never worked}, timeout: 60s}
kernels:
"""
    + KERNEL
)

CHECK = """\
#!/bin/bash
set -eu
[[ $(< "$1") = "$EXPECTED" ]]
[[ $(basename "$(readlink "/sys/bus/pci/devices/$ORCH_DEVICE/driver")") = vfio-pci ]]
perl -e 'print "perl runs\\n"' > "$ORCH_RESULTS/left.txt"
! touch /usr/written 2> /dev/null
test ! -e /work
"""


def cases(done: Finished, kernel: str, workload: str) -> dict[str, dict[str, Any]]:
    """The cases of one boot by their names, without that of the guest's log."""
    result = json.loads((done.run / "boots" / kernel / workload / "result.json").read_text())
    named = {case["id"]["test"] or case["id"]["check"]: case for case in result["cases"]}
    return {name: case for name, case in named.items() if name != "log"}


def statuses(done: Finished, workload: str, kernel: str = "base") -> dict[str, str]:
    return {name: case["status"] for name, case in cases(done, kernel, workload).items()}


@pytest.fixture(scope="module")
def selftests(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The scenario that comes with orch; its kernel serves the other tests as well."""
    return orch(tmp_path_factory.mktemp("selftests"), "run", str(REPOSITORY / "scenarios/selftests.yaml"))


@pytest.fixture(scope="module")
def programs(selftests: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """All of the programs, in one run."""
    place = tmp_path_factory.mktemp("programs")
    (place / "programs.yaml").write_text(PROGRAMS)
    (place / "check.sh").write_text(CHECK)
    (place / "check.sh").chmod(0o755)
    (place / "data").mkdir()
    (place / "data/word").write_text("a word, 'quoted' $HOME\n")
    return orch(place / "results", "run", str(place / "programs.yaml"))


def test_the_vfio_selftests_pass_unmodified(selftests: Finished) -> None:
    assert selftests.status == 0, selftests.out + selftests.err
    found = statuses(selftests, "vfio")
    assert set(found.values()) <= {"PASS", "SKIP"}
    assert sum(status == "PASS" for status in found.values()) > 100
    sriov = [status for name, status in found.items() if name.startswith("vfio:vfio_pci_sriov_uapi_test/")]
    assert sriov == ["PASS"] * 45
    msi = statuses(selftests, "vfio-msi")
    assert msi["vfio:vfio_pci_device_test/vfio_pci_irq_test.msi.enable_trigger_disable"] == "PASS"


def test_every_case_is_in_junit_under_a_name_of_its_own(selftests: Finished) -> None:
    found = ElementTree.parse(selftests.run / "junit.xml").getroot().iter("testcase")
    names = [case.attrib["name"] for case in found]
    assert len(names) == len(set(names)) == sum(selftests.record["counts"].values())
    name = "vfio/nvme/vfio:vfio_pci_device_test/vfio_pci_device_test.reset/run"
    assert name in names


def test_evidence_of_a_case_is_its_line(selftests: Finished) -> None:
    case = cases(selftests, "base", "vfio")["vfio:vfio_pci_device_test/vfio_pci_device_test.reset"]
    path, line = case["evidence"].rsplit(":", 1)
    shown = (selftests.run / path).read_text().splitlines()[int(line) - 1]
    assert shown == "# ok 3 vfio_pci_device_test.reset"


def test_the_report_of_a_suite_is_short(selftests: Finished) -> None:
    assert len(selftests.out.splitlines()) < 30
    assert max(len(line) for line in selftests.out.splitlines()[:-1]) <= 80
    assert "vfio:vfio_pci_driver_test\n  SKIP" in selftests.out


def test_a_program_has_its_files_environment_device_and_the_hosts_tools(programs: Finished) -> None:
    assert statuses(programs, "good") == {"run": "PASS"}
    boot = programs.run / "boots/base/good"
    assert (boot / "guest/left.txt").read_text() == "perl runs\n"
    assert (boot / "files/check.sh").read_text() == CHECK


def test_an_exit_status_is_a_verdict(programs: Finished) -> None:
    assert programs.status == 1
    failed = cases(programs, "base", "fails")["run"]
    assert (failed["status"], failed["message"]) == ("FAIL", "ended with exit status 3; it wrote last: what is wrong")
    assert failed["lines"] == ["what is wrong"]
    skipped = cases(programs, "base", "skips")["run"]
    assert (skipped["status"], skipped["message"]) == ("SKIP", "no such hardware")
    killed = cases(programs, "base", "killed")["run"]
    assert (killed["status"], killed["message"]) == ("FAIL", "was killed by SIGSEGV (exit status 139)")
    assert statuses(programs, "known") == {"run": "XFAIL"}
    assert statuses(programs, "left") == {"run": "PASS"}


def test_a_program_that_does_not_end_is_a_timeout(programs: Finished) -> None:
    assert statuses(programs, "late") == {"boot": "TIMEOUT", "run": "TIMEOUT"}
    assert (programs.run / "boots/base/late/guest/output.log").read_text() == "begun\n"


def test_ktap_and_tap_are_read(programs: Finished) -> None:
    assert statuses(programs, "speaks") == {"one": "PASS", "two": "XFAIL"}


def test_a_suite_that_ran_nothing_is_an_error(programs: Finished) -> None:
    silent = cases(programs, "base", "silent")["suite"]
    assert (silent["status"], silent["message"]) == ("ERROR", "the suite ran nothing: nothing to see")


def test_what_a_killed_program_had_planned_is_a_crash(programs: Finished) -> None:
    assert statuses(programs, "dies") == {"first": "PASS", "#2": "CRASH", "#3": "CRASH"}
    assert "SIGKILL" in cases(programs, "base", "dies")["#2"]["message"]


def test_a_setup_that_fails_is_the_infrastructures_error(programs: Finished) -> None:
    case = cases(programs, "base", "unprepared")["boot"]
    assert (case["status"], case["message"]) == ("ERROR", "the setup failed: test -e /nowhere")


def test_the_example_of_the_readme_runs(selftests: Finished, tmp_path: Path) -> None:
    done = orch(tmp_path / "results", "run", str(REPOSITORY / "scenarios/command.yaml"))
    assert done.status == 0, done.out + done.err
    assert statuses(done, "ready") == {"driver": "PASS", "alone-in-its-group": "PASS", "bar-size": "PASS"}


def test_patches_change_the_selftests_of_their_kernel_alone(selftests: Finished, tmp_path: Path) -> None:
    text = """\
description: Kernels whose selftests are broken.
devices: {nvme: {emulated: nvme, properties: {serial: orch}}}
workloads:
  vfio: {selftests: vfio, only: vfio_iommufd_setup_test, device: nvme, timeout: 2m}
kernels:
"""
    for name in ("fails", "syntax-error"):
        text += f"  {name}: {{extends: base, patches: {PATCHES / f'selftest-{name}.patch'}}}\n"
    (tmp_path / "patched.yaml").write_text(text.replace("description", "base: base\ndescription") + KERNEL)
    done = orch(tmp_path / "results", "run", str(tmp_path / "patched.yaml"))
    assert done.status == 1, done.err
    assert set(statuses(done, "vfio").values()) == {"PASS"}
    failed = cases(done, "fails", "vfio")["vfio:vfio_iommufd_setup_test/vfio_cdev.get_info_without_bind_fails"]
    assert failed["status"] == "FAIL"
    assert "Expected 0 (0) == vfio_device_get_info_ioctl" in failed["message"]
    broken = cases(done, "syntax-error", "vfio")["build"]
    assert broken["status"] == "FAIL"
    assert "no_such_function" in broken["message"]
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line.strip()}
    assert rows["base"] == ["6", "0", "0", "(base)", "PASS"]
    assert rows["fails"] == ["5", "1", "0", "regression", "FAIL"]
