# SPDX-License-Identifier: GPL-2.0-only
"""How VMMs map a BAR: the rules of those that cannot run here."""

from __future__ import annotations

from pathlib import Path

from tests.vm.conftest import orch
from tests.vm.test_broken_kernels import messages

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
