# SPDX-License-Identifier: GPL-2.0-only
"""riscv64: kernels from a cross compiler, booted under emulation in no-IOMMU mode.

Long, because no other test needs a kernel for riscv64, and it is built whole.
"""

from __future__ import annotations

import json

import pytest

from tests.vm.conftest import REPOSITORY, Finished, orch
from tests.vm.test_pud import HANDFUL, PMDS, PTES, measured

pytestmark = pytest.mark.long

SCENARIO = REPOSITORY / "scenarios/riscv64.yaml"
PLACEMENT = {"base": (PTES, 4 << 10), "vfio-thp": (PMDS, 2 << 20), "vfio-size": (2, 1 << 30)}
"""The faults and the alignment with the kernel's own placement."""


@pytest.fixture(scope="module")
def riscv64(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The scenario that comes with orch."""
    done = orch(tmp_path_factory.mktemp("riscv64"), "run", str(SCENARIO))
    assert done.status == 0, done.out + done.err
    return done


@pytest.mark.parametrize("kernel", PLACEMENT)
def test_the_kernels_own_placement(riscv64: Finished, kernel: str) -> None:
    faults, alignment = PLACEMENT[kernel]
    values = measured(riscv64.run, kernel, "kernel")
    assert values["alignment"] == alignment
    assert faults <= values["faults"] <= faults + HANDFUL


@pytest.mark.parametrize("kernel", PLACEMENT)
def test_what_cannot_be_measured_is_skipped_with_a_reason(riscv64: Finished, kernel: str) -> None:
    result = json.loads((riscv64.run / f"boots/{kernel}/alignment/result.json").read_text())
    skipped = [case for case in result["cases"] if case["status"] == "SKIP"]
    assert {case["id"]["test"] for case in skipped} == {"kernel", "qemu", "offset", "misaligned"}
    assert all("cannot show its page tables" in case["message"] for case in skipped)
    assert "dma_faults" not in measured(riscv64.run, kernel, "kernel")


def test_the_level_is_deduced(riscv64: Finished) -> None:
    assert "PUD*" in riscv64.out
    assert "level and entries are deduced" in riscv64.out


def test_the_guest_is_a_riscv64(riscv64: Finished) -> None:
    for kernel in PLACEMENT:
        facts = json.loads((riscv64.run / f"kernels/{kernel}/provenance.json").read_text())
        assert facts["toolchain"]["compiler"].startswith("riscv64-linux-gnu-gcc ")
        version = (riscv64.run / f"boots/{kernel}/alignment/guest/version").read_text()
        assert f"#{facts['key'][:12]}" in version
        assert "riscv64-linux-gnu-gcc" in version
