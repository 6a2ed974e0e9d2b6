# SPDX-License-Identifier: GPL-2.0-only
"""Which compiler and linker build the kernels: part of every build's identity."""

from __future__ import annotations

from orchestrator.host.base import Host, check
from orchestrator.kernel.model import Toolchain


def detect(host: Host, arch: str = "x86_64") -> Toolchain:
    """The toolchain on `host`.  Raises CommandError where there is no compiler."""
    return Toolchain(_first_line(host, "gcc"), _first_line(host, "ld"), arch)


def _first_line(host: Host, program: str) -> str:
    done = check(host.run((program, "--version"), timeout=60), f"asking {program} for its version")
    return done.output.splitlines()[0]
