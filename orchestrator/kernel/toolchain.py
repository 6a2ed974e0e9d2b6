# SPDX-License-Identifier: GPL-2.0-only
"""The compiler and the linker of kernels: a part of the identity of every build."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial

from orchestrator.arch import ARCHES, arch_name
from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Command, Host, check
from orchestrator.kernel.model import Toolchain
from orchestrator.yamlfile.messages import listed


def cross_prefix(arch: str, native: str | None = None) -> str:
    """Return the prefix of the names of the gcc and the ld for `arch`.

    It is "" if the machine has this architecture.  `native` is the machine's architecture; None means this machine's.
    """
    return "" if arch == (native or arch_name()) else f"{ARCHES[arch].triple}-"


def detect(
    host: Host, arch: str = "x86_64", compiler: str = "gcc", where: str = "", native: str | None = None
) -> Toolchain:
    """Return the toolchain on `host` that compiles for `arch` with `compiler`: gcc, clang or clang-N.

    `native` is the architecture of `host` if that is another machine; None means that it is this machine.
    Raises InfrastructureError, which begins with `where`, for a program that is missing, CommandError for a program
    that fails to print its version.
    """
    programs = _llvm(compiler) if compiler.startswith("clang") else _gnu(arch, native)
    find = shutil.which if native is None else partial(_which, host)
    missing = [(program, package) for program, package in programs if find(program) is None]
    if missing:
        label, several = f"{where}: " if where else "", "s" if len(missing) > 1 else ""
        names, packages = (listed(part) for part in zip(*missing, strict=True))
        what = f"{label}{host.name if native else 'this machine'} has no {names} to build for {arch}"
        raise InfrastructureError(f"{what}; install the package{several} {packages}")
    (program, _), (linker, _) = programs[:2]
    version = _first_line(host, program)
    named = version if version.startswith(program) else f"{program} ({version})"
    return Toolchain(named, _first_line(host, linker), arch)


def versions(host: Host, programs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return those of `programs` that `host` has, each with the first line of its ``--version``."""
    asked = ((name, host.run(Command((name, "--version"), timeout=60))) for name in programs if _which(host, name))
    return tuple((name, done.output.splitlines()[0]) for name, done in asked if done.ok and done.output.strip())


def _which(host: Host, program: str) -> str | None:
    """Return the path of a program on another machine; None if it is missing."""
    done = host.run(Command(("sh", "-c", 'command -v "$1"', "sh", program), timeout=60))
    return done.output.strip() if done.ok else None


def _gnu(arch: str, native: str | None) -> tuple[tuple[str, str], ...]:
    """Return gcc and ld for `arch`, each with its Debian package."""
    prefix = cross_prefix(arch, native)
    compiler, linker, _ = ARCHES[arch].cross_packages if prefix else ("gcc", "binutils", "")
    return (f"{prefix}gcc", compiler), (f"{prefix}ld", linker)


def _llvm(compiler: str) -> tuple[tuple[str, str], ...]:
    """Return clang, its linker and another tool that Kbuild needs, each with its Debian package."""
    version = compiler.removeprefix("clang")
    return (compiler, compiler), (f"ld.lld{version}", f"lld{version}"), (f"llvm-ar{version}", f"llvm{version}")


def _first_line(host: Host, program: str) -> str:
    done = check(host.run(Command((program, "--version"), timeout=60)), f"asking {program} for its version")
    return done.output.splitlines()[0]
