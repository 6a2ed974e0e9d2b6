# SPDX-License-Identifier: GPL-2.0-only
"""The command lines of VMMs, with placeholders for what only a run knows."""

from __future__ import annotations

import re
import shlex

QEMU = "qemu-system-x86"
"""The Debian package whose command line is known."""

# The split irqchip needs no KVM_IOAPIC, which is an option of newer kernels.  Without the devices and options that
# QEMU has by default, it needs none of the files that packages only recommend.
QEMU_COMMAND = (
    "/usr/bin/qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -serial stdio"
    " -machine q35,accel=kvm,kernel-irqchip=split -cpu host -m 256M"
    " -kernel {kernel} -initrd {initrd} -append 'console=ttyS0 {cmdline}' -device vfio-pci,host={device}"
)
"""QEMU with one vCPU and 256 MiB of RAM."""

PLACEHOLDERS = ("program", "device", "kernel", "initrd", "cmdline")
_NEEDED = ("device", "kernel", "initrd", "cmdline")
_BRACES = re.compile(r"\{([^{}]*)\}")


def command_problem(command: str) -> str:
    """Return what is wrong with a command line, as the end of a sentence, "" if nothing is."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        return f"cannot be split as a shell does: {error}"
    found = _BRACES.findall(command)
    unknown = [name for name in found if name not in PLACEHOLDERS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        return f"has {{{unknown[0]}}}; the placeholders are {known}"
    missing = [name for name in _NEEDED if name not in found]
    if missing or not words:
        return f"has no {{{missing[0]}}}; add it"
    return ""


def filled(command: str, values: dict[str, str]) -> tuple[str, ...]:
    """Return the words of a command line without its placeholders.

    A value is a part of one word, whatever is in it.  A placeholder without a value stays.
    """

    def value(found: re.Match[str]) -> str:
        return values.get(found[1], found[0])

    return tuple(_BRACES.sub(value, word) for word in shlex.split(command))
