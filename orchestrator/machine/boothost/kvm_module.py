# SPDX-License-Identifier: GPL-2.0-only
"""Find the kernel module that provides /dev/kvm, and say if it is not hardware virtualization.

A module that is built in has a directory in /sys/module even if it found no such CPU, so the flags of the CPU decide.
"""

from __future__ import annotations

from collections.abc import Collection

_OF_FLAG = {"vmx": "kvm_intel", "svm": "kvm_amd"}
"""The module that uses a CPU's virtualization, by the CPU's flag (arch/x86/kvm)."""
_SOFTWARE = "kvm_pvm"
"""Pagetable Virtual Machine (linux-kernel, February 2024, "KVM: x86/PVM: Introduce a new hypervisor").

It runs the guest's kernel in user mode, and that kernel must be made for it.
"""
_COMMON = "kvm"
"""The whole of KVM on arm64 and riscv64; the part without a CPU vendor's code on x86_64."""


def kvm_module(modules: Collection[str], flags: Collection[str]) -> str:
    """Return the module that provides /dev/kvm, "" if it is not known.

    `modules` are the names in /sys/module, `flags` are those of the CPU in /proc/cpuinfo.
    """
    for flag, module in _OF_FLAG.items():
        if flag in flags and module in modules:
            return module
    return next((module for module in (_SOFTWARE, _COMMON) if module in modules), "")


def without_hardware(module: str) -> str:
    """Return the end of a sentence about /dev/kvm: that `module` is not hardware virtualization.

    Returns "" if it is.
    """
    if module != _SOFTWARE:
        return ""
    return f"; it is that of the module {module}, no hardware virtualization, which runs only kernels made for it"
