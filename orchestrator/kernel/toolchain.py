# SPDX-License-Identifier: GPL-2.0-only
"""Which compiler and linker build the kernels: part of every build's identity."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial

from orchestrator.arch import ARCHES, arch_name
from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Command, Host, check
from orchestrator.kernel.model import Toolchain


def cross_prefix(arch: str, native: str | None = None) -> str:
    """What stands before gcc's and ld's names for programs of `arch`; "" on a machine of that architecture, which is
    `native`, or this one's."""
    return "" if arch == (native or arch_name()) else f"{ARCHES[arch].triple}-"


def detect(
    host: Host, arch: str = "x86_64", compiler: str = "gcc", where: str = "", native: str | None = None
) -> Toolchain:
    """The toolchain on `host` that compiles for `arch` with `compiler`: gcc, clang or clang-N.

    `native` is the architecture of `host` where that is another machine than this one.
    Raises InfrastructureError, which begins with `where`, for a program that is missing, CommandError for one that
    does not even tell its version.
    """
    programs = _llvm(compiler) if compiler.startswith("clang") else _gnu(arch, native)
    there = shutil.which if native is None else partial(_which, host)
    missing = [(program, package) for program, package in programs if there(program) is None]
    if missing:
        said, several = f"{where}: " if where else "", "s" if len(missing) > 1 else ""
        names, packages = (_listed(part) for part in zip(*missing, strict=True))
        what = f"{said}{host.name if native else 'this machine'} has no {names} to build for {arch}"
        raise InfrastructureError(f"{what}; install the package{several} {packages}")
    (program, _), (linker, _) = programs[:2]
    version = _first_line(host, program)
    named = version if version.startswith(program) else f"{program} ({version})"
    return Toolchain(named, _first_line(host, linker), arch)


def versions(host: Host, programs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Those of `programs` that `host` has, each with the first line of its ``--version``."""
    asked = ((name, host.run(Command((name, "--version"), timeout=60))) for name in programs if _which(host, name))
    return tuple((name, done.output.splitlines()[0]) for name, done in asked if done.ok and done.output.strip())


def _listed(words: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _which(host: Host, program: str) -> str | None:
    """Where a program is on another machine."""
    done = host.run(Command(("sh", "-c", 'command -v "$1"', "sh", program), timeout=60))
    return done.output.strip() if done.ok else None


def _gnu(arch: str, native: str | None) -> tuple[tuple[str, str], ...]:
    """gcc and ld for `arch`, and the Debian package of each."""
    prefix = cross_prefix(arch, native)
    compiler, linker, _ = ARCHES[arch].cross_packages if prefix else ("gcc", "binutils", "")
    return (f"{prefix}gcc", compiler), (f"{prefix}ld", linker)


def _llvm(compiler: str) -> tuple[tuple[str, str], ...]:
    """clang, its linker and one of the tools that Kbuild runs with them, and the Debian package of each."""
    version = compiler.removeprefix("clang")
    return (compiler, compiler), (f"ld.lld{version}", f"lld{version}"), (f"llvm-ar{version}", f"llvm{version}")


def _first_line(host: Host, program: str) -> str:
    done = check(host.run(Command((program, "--version"), timeout=60)), f"asking {program} for its version")
    return done.output.splitlines()[0]
