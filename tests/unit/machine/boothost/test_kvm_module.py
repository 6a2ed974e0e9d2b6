# SPDX-License-Identifier: GPL-2.0-only
"""Which module provides /dev/kvm, from /sys/module and /proc/cpuinfo."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.agent.check import kvm
from orchestrator.agent.sysfs import Tree
from orchestrator.machine.boothost import base
from orchestrator.machine.boothost.base import LocalBootHost
from orchestrator.machine.boothost.kvm_module import kvm_module, without_hardware
from tests.fakes import FakeHost

HOSTS = {
    "intel": (["kvm", "kvm_intel"], "vmx", "kvm_intel"),
    "amd": (["kvm", "kvm_amd", "kvmgt"], "svm", "kvm_amd"),
    "pvm": (["kvm", "kvm_pvm"], "", "kvm_pvm"),
    "pvm, and Intel's built in without such a CPU": (["kvm", "kvm_intel", "kvm_pvm"], "", "kvm_pvm"),
    "pvm, and AMD's built in on another CPU": (["kvm", "kvm_amd", "kvm_pvm"], "vmx", "kvm_pvm"),
    "pvm built in, and Intel's in use": (["kvm", "kvm_intel", "kvm_pvm"], "vmx", "kvm_intel"),
    "pvm on a CPU with virtualization": (["kvm", "kvm_pvm"], "svm", "kvm_pvm"),
    "both vendors built in": (["kvm", "kvm_amd", "kvm_intel"], "svm", "kvm_amd"),
    "arm64, built in": (["kvm", "vfio"], "asimd", "kvm"),
    "no module of a vendor": (["kvm"], "vmx", "kvm"),
    "none": (["vfio", "kvmgt"], "vmx", ""),
    "no modules": ([], "", ""),
}


@pytest.mark.parametrize(("modules", "flag", "expected"), HOSTS.values(), ids=HOSTS)
def test_the_module_is_found_in_sysfs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: list[str], flag: str, expected: str
) -> None:
    for name in ("kernel", *modules):
        (tmp_path / "sys/module" / name).mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flag} ht\n")
    monkeypatch.setattr(base, "MODULES", tmp_path / "sys/module")
    monkeypatch.setattr(base, "CPUINFO", tmp_path / "proc/cpuinfo")
    assert LocalBootHost(FakeHost(), tmp_path).kvm_module() == expected
    report = kvm(Tree(str(tmp_path)))
    assert kvm_module(report["modules"], {report["flag"]}) == expected


@pytest.mark.parametrize("module", ["kvm_intel", "kvm_amd", "kvm", ""])
def test_hardware_virtualization_needs_no_sentence(module: str) -> None:
    assert without_hardware(module) == ""


def test_what_is_no_hardware_virtualization_is_named() -> None:
    assert "module kvm_pvm, no hardware virtualization" in without_hardware("kvm_pvm")
