# SPDX-License-Identifier: GPL-2.0-only
"""The C programs for failing cases of a real run: they show the failure on that kernel, and none on a right one."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass

import pytest

from tests.vm.conftest import Finished, orch

PLACEMENTS = ("kernel", "qemu", "misaligned", "offset", "pmd", "qemu-v4", "cloud-hypervisor")
# A range with an offset, so that every placement has another address; 543 is 31 PMD entries and 512 PTEs.
SCENARIO = """\
name: wrong
description: Expectations that the base does not meet.
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
workloads:
  WORKLOAD
kernels:
  base:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    config: [guest, vfio, iommufd, userland]
"""
MEASURED = (
    "alignment: {run: alignment, device: testdev, bars: 2, offset: 1M, length: 64M, timeout: 60s,"
    f" placements: [{', '.join(PLACEMENTS)}]}}"
)
WRONG = """\
    expect:
      kernel: {level: PMD, alignment: 2M, entries: 543, faults: 543}
      qemu: {level: PMD}
      misaligned: {faults: 1}
      offset: {level: PTE}
      pmd: {alignment: 1G}
      qemu-v4: {entries: 1}
      cloud-hypervisor: {level: PMD}
"""
RIGHT = "  vfio-size:\n    extends: base\n    patches: vfio-size\n"
KERNEL_CASES = ("level", "alignment", "entries", "faults")
CASES = (
    *(f"kernel/{check}" for check in KERNEL_CASES),
    *("qemu/level", "misaligned/faults", "offset/level", "pmd/alignment", "qemu-v4/entries", "cloud-hypervisor/level"),
)
# The programs of all cases run in one boot; the workload's status is that of the first.
SCRIPT = """\
#!/bin/sh
group=/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$ORCH_DEVICE/iommu_group")")
for program in ./*.repro; do
	"$program" "$group" "$ORCH_DEVICE" > "$ORCH_RESULTS/$program.out" 2>&1
	echo $? > "$ORCH_RESULTS/$program.status"
done
./kernel-level.repro /dev/vfio/devices/vfio0 > "$ORCH_RESULTS/cdev.out" 2>&1
echo $? > "$ORCH_RESULTS/cdev.status"
./kernel-level.repro "$group" "$ORCH_DEVICE"
"""


@dataclass(frozen=True)
class Shown:
    """What the programs printed and returned, by kernel: the run, and a directory for each kernel."""

    measured: Finished
    run: Finished

    def text(self, kernel: str, name: str) -> str:
        """Return a file that the script left."""
        return (self.run.run / "boots" / kernel / "shows/guest" / name).read_text()


def name_of(case: str) -> str:
    """Return the name of the program for a case."""
    return f"{case.replace('/', '-')}.repro"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The failing run, and then the programs of its cases on both kernels."""
    place = tmp_path_factory.mktemp("reproducer")
    (place / "wrong.yaml").write_text(SCENARIO.replace("WORKLOAD", MEASURED) + WRONG)
    measured = orch(place / "measured", "run", str(place / "wrong.yaml"))
    assert measured.status == 1, measured.err
    for case in CASES:
        source = place / f"{name_of(case)}.c"
        full = f"base/alignment/testdev/BAR2/{case}"
        done = orch(place / "measured", "reproducer", "latest", full, "-o", str(source))
        assert (done.status, done.out) == (0, ""), done.err
        argv = ["gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-static", "-o", str(place / name_of(case)), str(source)]
        subprocess.run(argv, check=True)
    (place / "all.sh").write_text(SCRIPT)
    files = ", ".join(["all.sh", *map(name_of, CASES)])
    command = f"shows: {{command: sh all.sh, files: [{files}], device: testdev, timeout: 2m}}"
    (place / "shows.yaml").write_text(SCENARIO.replace("WORKLOAD", command) + RIGHT)
    return Shown(measured, orch(place / "shows", "run", str(place / "shows.yaml")))


@pytest.mark.parametrize("case", CASES)
def test_it_shows_the_failure_on_the_kernel_that_fails(shown: Shown, case: str) -> None:
    out = shown.text("base", f"{name_of(case)}.out")
    assert shown.text("base", f"{name_of(case)}.status") == "1\n", out
    assert "expected: " in out


@pytest.mark.parametrize("check", KERNEL_CASES)
def test_it_shows_nothing_on_a_kernel_that_is_right(shown: Shown, check: str) -> None:
    name = name_of(f"kernel/{check}")
    assert shown.text("vfio-size", f"{name}.status") == "0\n", shown.text("vfio-size", f"{name}.out")


@pytest.mark.parametrize("case", CASES)
def test_it_measures_what_orch_measures(shown: Shown, case: str) -> None:
    """By other code: alignment, faults, and the entries of each level."""
    result = json.loads((shown.measured.run / "boots/base/alignment/result.json").read_text())
    numbers = {m["name"]: m["value"] for m in result["measurements"] if m["test"] == case.split("/", maxsplit=1)[0]}
    words = r"alignment 0x(\w+), (\d+) faults, VmPTE \+\d+ KiB, (\d+) PTE (\d+) PMD (\d+) PUD"
    found = re.search(words, shown.text("base", f"{name_of(case)}.out"))
    assert found
    assert int(found[1], 16) == numbers["alignment"]
    assert abs(int(found[2]) - numbers["faults"]) <= 8
    assert list(map(int, found.groups()[2:])) == [numbers[f"entries_{level}"] for level in ("pte", "pmd", "pud")]


def test_it_opens_the_device_by_its_own_node_too(shown: Shown) -> None:
    assert shown.text("base", "cdev.status") == "1\n", shown.text("base", "cdev.out")
    assert shown.text("vfio-size", "cdev.status") == "0\n", shown.text("vfio-size", "cdev.out")


def test_the_status_is_that_of_the_workload(shown: Shown) -> None:
    assert shown.run.status == 1
    statuses = {}
    for kernel in ("base", "vfio-size"):
        result = json.loads((shown.run.run / "boots" / kernel / "shows/result.json").read_text())
        statuses[kernel] = [case["status"] for case in result["cases"] if case["id"]["check"] == "run"]
    assert statuses == {"base": ["FAIL"], "vfio-size": ["PASS"]}
