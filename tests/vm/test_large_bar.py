# SPDX-License-Identifier: GPL-2.0-only
"""A BAR as large as a GPU's.

It must fit the guest's firmware, aperture and IOMMU.
"""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.kernel.model import KernelBuild
from tests.vm.conftest import orch, scenario_text


def test_a_bar_of_128_gib_is_mapped_whole(base: KernelBuild, tmp_path: Path) -> None:
    assert base.image.exists()
    text = scenario_text("", length="128G").replace("bar: 4G", "bar: 128G")
    text = text.replace("[qemu, kernel]", "[qemu]").replace("qemu: {level: PMD}", "qemu: {level: PUD}")
    (tmp_path / "large.yaml").write_text(text)
    done = orch(tmp_path, "run", str(tmp_path / "large.yaml"))
    assert done.status == 0, done.out + done.err
    record = json.loads((done.run / "boots/base/alignment/result.json").read_text())
    measured = {one["name"]: one["value"] for one in record["measurements"] if one["test"] == "qemu"}
    assert (measured["entries_pud"], measured["faults"], measured["dma_faults"]) == (128, 128, 128)
