# SPDX-License-Identifier: GPL-2.0-only
"""How VMMs map a BAR: those that run in a guest, and the rules of those that cannot run here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm.conftest import PATCHES, REPOSITORY, Finished, orch
from tests.vm.test_broken_kernels import messages
from tests.vm.test_scenarios import cases, table

RULES = """\
name: rules
description: The parts around a hole at an odd page in the middle of a BAR, as different VMMs map them.
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
workloads:
  hole:
    run: alignment
    device: testdev
    bars: 2
    hole: 2097156K
    tests: ranges
    placements: [qemu, qemu-v4, cloud-hypervisor]
    timeout: 5m
kernels:
  linux-7.3:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    config: [guest, vfio]
    expect:
      qemu: {level: PUD}
      qemu-v4: {level: PUD}
      cloud-hypervisor: {level: PUD}
"""


def test_a_part_behind_an_odd_hole_needs_an_address_like_its_offset(tmp_path: Path) -> None:
    """The oracle agrees with every number, so these three are all that is not as the best rule gives it."""
    (tmp_path / "rules.yaml").write_text(RULES)
    done = orch(tmp_path / "results", "run", str(tmp_path / "rules.yaml"))
    assert done.status == 1, done.out + done.err
    behind = "level PTE, expected PUD, which is 1 PUD + 511 PMD + 510 PTE here"
    assert messages(done, "linux-7.3") == {
        "before.qemu/level": "level PTE, expected PUD, which is 2 PUD + 1 PTE here",
        "after.qemu/level": behind,
        "after.cloud-hypervisor/level": behind,
    }


COMMAND = "'{program} {device} {kernel} {initrd} \"{cmdline}\"'"
BROKEN = f"""\
name: broken-vmm
description: A KVM that maps wrongly on purpose, and programs that are no VMM.
machine: {{virtualization: yes}}
devices:
  testdev: {{emulated: pci-testdev, bar: 4G}}
workloads:
  qemu: {{vmm: {{debian: qemu-system-x86, suite: trixie}}, device: testdev, bars: 2, timeout: 5m}}
  ends: {{vmm: {{path: ends.sh, command: {COMMAND}}}, device: testdev, bars: 2, timeout: 5m}}
  lies: {{vmm: {{path: lies.sh, command: {COMMAND}}}, device: testdev, bars: 2, timeout: 5m}}
kernels:
  base:
    source: {{debian: linux-source-7.3, suite: trixie-backports}}
    config: [guest, vfio, kvm-host, userland, vmm]
    expect-vmm: {{qemu: {{alignment: 1G, level: PUD, entries: 4, stage2: PUD}}}}
  kvm-small:
    extends: base
    patches: {PATCHES / "kvm-small.patch"}
"""
ENDS = '#!/bin/sh\n[ -r "$2" ] && [ -r "$3" ] && echo "no VMM: $*"\nexit 3\n'
LIES = "#!/bin/sh\necho orch-inner: started\necho orch-inner: mapped 100000000 100000000\nsleep 100\n"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    done = orch(tmp_path_factory.mktemp("vmm"), "run", str(REPOSITORY / "scenarios/vmm.yaml"))
    assert done.status == 0, done.out + done.err
    return done


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    home = tmp_path_factory.mktemp("broken")
    for name, text in (("ends.sh", ENDS), ("lies.sh", LIES)):
        (home / name).write_text(text)
        (home / name).chmod(0o755)
    (home / "broken.yaml").write_text(BROKEN)
    return orch(home / "results", "run", str(home / "broken.yaml"))


@pytest.mark.long
@pytest.mark.parametrize("workload", ["qemu-bookworm", "qemu-trixie", "qemu-forky"])
@pytest.mark.parametrize("kernel", ["vfio-size", "mm-align"])
def test_the_kernels_help_reaches_every_qemu(shipped: Finished, workload: str, kernel: str) -> None:
    rows = table(shipped, f"testdev BAR2, 4 GiB, workload {workload}, test vmm")
    assert rows[kernel][:7] == ["1", "GiB", "PUD", "4", "-", "PUD", "4"]


@pytest.mark.long
def test_a_new_qemu_needs_no_help_and_an_old_one_has_luck(shipped: Finished) -> None:
    """QEMU 7.2 maps the BAR below a heap of the C library, which is aligned to 64 MiB."""
    heading = "testdev BAR2, 4 GiB, workload qemu-{}, test vmm"
    trixie, forky, old = (table(shipped, heading.format(suite))["base"] for suite in ("trixie", "forky", "bookworm"))
    assert trixie[:7] == forky[:7] == ["1", "GiB", "PUD", "4", "-", "PUD", "4"]
    assert old[2] in ("PMD", "PUD")
    assert old[2:4] == old[5:7]


@pytest.mark.long
def test_the_oracle_holds_every_vmm(shipped: Finished) -> None:
    found = cases(shipped)
    oracle = [status for (_, name), status in found.items() if name.endswith("vmm/oracle")]
    assert oracle == ["PASS"] * 9


@pytest.mark.long
def test_a_kvm_without_large_pages_is_seen_through_a_vmm(broken: Finished) -> None:
    """Its process has the entries of the base."""
    assert broken.status == 1, broken.out + broken.err
    qemu = {
        kernel: {test: message for test, message in messages(broken, kernel).items() if "run" not in test}
        for kernel in ("base", "kvm-small")
    }
    assert qemu == {
        "base": {},
        "kvm-small": {
            "vmm/stage2": "stage2 PTE, expected PUD",
            "vmm/oracle": "stage2: measured 1048576 PTE, predicted 4 PUD",
        },
    }


@pytest.mark.long
@pytest.mark.parametrize(
    ("workload", "why"),
    [
        (
            "ends",
            "the VMM ended with status 3 before its guest ran; it wrote last: no VMM: 0000:00:10.0 /tmp/kernel/vmlinux "
            "/tmp/initrd panic=-1 orch_device=1b36:0005 orch_bar=2",
        ),
        ("lies", "cannot count the entries of stage 2 before the BAR is read: No such file or directory (errno 2)"),
    ],
)
def test_a_program_that_is_no_vmm_fails_with_the_reason(broken: Finished, workload: str, why: str) -> None:
    result = (broken.run / f"boots/base/{workload}/result.json").read_text()
    assert why in result
