# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that clang and LLVM's tools build, with modules, works as gcc's does.

A message says so if clang is absent.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.vm.conftest import Finished, orch, scenario_text

CLANG = "clang-19"
"""Debian's own, and new enough for Linux 7.3 (scripts/min-tool-version.sh)."""


MODULES = "    modules: true\n    options: {VFIO: m, VFIO_PCI: m, VFIO_IOMMU_TYPE1: m}\n"
"""In the same kernel, since each whole build takes its minutes."""


def write(place: Path, compiler: str) -> Path:
    """A scenario of one kernel that `compiler` builds."""
    path = place / "clang.yaml"
    path.write_text(scenario_text("").replace("    expect:", f"    compiler: {compiler}\n{MODULES}    expect:"))
    return path


@pytest.fixture(scope="module")
def clang(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    place = tmp_path_factory.mktemp("clang")
    return orch(place / "results", "run", str(write(place, CLANG)))


@pytest.mark.long
def test_a_kernel_of_clang_maps_bars_as_gccs_does(clang: Finished) -> None:
    assert clang.status == 0, clang.out + clang.err


@pytest.mark.long
def test_all_of_it_is_llvms(clang: Finished) -> None:
    config = (clang.run / "kernels/base/config").read_text()
    assert "CONFIG_CC_IS_CLANG=y" in config
    assert "CONFIG_LD_IS_LLD=y" in config
    assert "CONFIG_AS_IS_LLVM=y" in config
    version = (clang.run / "boots/base/alignment/guest/version").read_text()
    assert "clang version 19" in version
    assert "LLD 19" in version
    toolchain = json.loads((clang.run / "kernels/base/provenance.json").read_text())["toolchain"]
    assert toolchain["compiler"].startswith(f"{CLANG} (")
    assert "LLVM=-19" in (clang.run / "kernels/base/commands.sh").read_text()


@pytest.mark.long
def test_the_modules_that_were_asked_for_are_loaded_in_the_guest(clang: Finished) -> None:
    loaded = (clang.run / "boots/base/alignment/guest/modules.log").read_text()
    assert {"vfio_pci", "vfio_iommu_type1"} <= {line.split()[0] for line in loaded.splitlines()}
    modules = clang.build("base").modules
    assert modules is not None
    assert len(list(modules.rglob("vfio*.ko"))) > 2


def test_a_compiler_that_is_absent_is_one_sentence_before_anything_is_built(tmp_path: Path) -> None:
    done = orch(tmp_path / "results", "run", str(write(tmp_path, "clang-99")))
    assert done.status == 3
    (line,) = [line for line in done.err.splitlines() if line.startswith("orch: ")]
    assert "kernel 'base': this machine has no clang-99, ld.lld-99 and llvm-ar-99" in line
    assert line.endswith("install the packages clang-99, lld-99 and llvm-99")
