# SPDX-License-Identifier: GPL-2.0-only
"""One clear sentence for each broken kernel and each impossible scenario."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.cli.arguments import cache_directory
from tests.unit.host.test_contract import wait_until
from tests.vm.conftest import PATCHES, Finished, orch, scenario_text


def run(tmp_path: Path, kernels: str) -> Finished:
    (tmp_path / "broken.yaml").write_text(scenario_text(kernels))
    return orch(tmp_path / "results", "run", str(tmp_path / "broken.yaml"))


def variant(patch: str) -> str:
    return f"  variant:\n    extends: base\n    patches: {PATCHES / patch}\n"


def test_an_oops_in_the_fault_handler_is_a_crash_of_that_kernel_alone(pud: Finished, tmp_path: Path) -> None:
    done = run(tmp_path, variant("oops-in-fault.patch"))
    assert done.status == 1, done.err
    crashed = json.loads((done.run / "boots/variant/alignment/result.json").read_text())
    assert crashed["boot"]["end"] == "oops"
    assert "kernel BUG at drivers/vfio/pci/vfio_pci_core.c" in " ".join(crashed["boot"]["lines"])
    statuses = {case["id"]["check"]: case["status"] for case in crashed["cases"]}
    assert statuses["boot"] == "CRASH"
    assert {
        case["status"] for case in json.loads((done.run / "boots/base/alignment/result.json").read_text())["cases"]
    } == {"PASS"}
    assert "CRASH" in done.out
    assert "kernel BUG at drivers/vfio/pci/vfio_pci_core.c" in done.out


def test_a_kernel_that_does_not_compile_fails_with_its_first_error(pud: Finished, tmp_path: Path) -> None:
    done = run(tmp_path, variant("syntax-error.patch"))
    assert done.status == 1, done.err
    assert "no_such_function" in done.out
    assert "drivers/vfio/pci/vfio_pci_core.c:" in done.out
    jobs = {job["id"]: job["status"] for job in done.record["jobs"]}
    assert jobs["build/variant"] == "failed"
    assert jobs["boot/variant/alignment"] == "skipped"
    assert jobs["boot/base/alignment"] == "done"


def test_a_patch_for_another_version_is_refused_before_anything_is_built(pud: Finished, tmp_path: Path) -> None:
    done = run(tmp_path, variant("other-version.patch"))
    assert done.status == 2
    message = done.err.splitlines()[-1]
    for part in ("kernel 'variant'", "other-version.patch", "drivers/vfio/pci/vfio_pci_core.c", "hunk 1"):
        assert part in message
    assert not (done.run / "boots").exists()


def test_an_option_that_cannot_hold_is_named_with_what_it_depends_on(pud: Finished, tmp_path: Path) -> None:
    kernels = "  variant:\n    extends: base\n    options: {VFIO_DEVICE_CDEV: y}\n"
    done = run(tmp_path, kernels)
    assert done.status == 2
    for part in ("broken.yaml:", "kernel 'variant'", "CONFIG_VFIO_DEVICE_CDEV=y", "IOMMUFD [n]"):
        assert part in done.err


def test_a_package_that_does_not_exist_is_named_with_its_line(tmp_path: Path) -> None:
    text = scenario_text("").replace("linux-source-7.3", "linux-source-2.4")
    (tmp_path / "broken.yaml").write_text(text)
    done = orch(tmp_path / "results", "run", str(tmp_path / "broken.yaml"))
    assert done.status == 2
    assert "broken.yaml:" in done.err
    assert "no package 'linux-source-2.4'" in done.err


def test_nothing_half_written_stays_in_the_cache(pud: Finished) -> None:
    work = cache_directory() / "work"
    there = set(work.glob("*"))  # also of builds that other tests are at, which end
    assert wait_until(lambda: there.isdisjoint(work.glob("*")), 900), there & set(work.glob("*"))
