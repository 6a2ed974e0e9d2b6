# SPDX-License-Identifier: GPL-2.0-only
"""The compiler of a kernel: found with its linker, or reported with its package."""

from __future__ import annotations

import platform
from collections.abc import Callable

import pytest

from orchestrator.arch import arch_name
from orchestrator.errors import InfrastructureError
from orchestrator.kernel.model import Toolchain
from orchestrator.kernel.toolchain import cross_prefix, detect
from tests.fakes import Answer, FakeHost

Install = Callable[..., None]

VERSIONS = {
    "gcc": "gcc (Debian 12.2.0-14+deb12u1) 12.2.0",
    "ld": "GNU ld (GNU Binutils for Debian) 2.40",
    "aarch64-linux-gnu-gcc": "aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0",
    "aarch64-linux-gnu-ld": "GNU ld (GNU Binutils for Debian) 2.40",
    "clang": "Debian clang version 14.0.6",
    "ld.lld": "Debian LLD 14.0.6 (compatible with GNU linkers)",
    "llvm-ar": "Debian LLVM version 14.0.6",
    "clang-19": "Debian clang version 19.1.7 (3~deb12u1)",
    "ld.lld-19": "Debian LLD 19.1.7 (compatible with GNU linkers)",
    "llvm-ar-19": "Debian LLVM version 19.1.7",
}
HOST = FakeHost([((name, "--version"), Answer(f"{version}\nCopyright\n")) for name, version in VERSIONS.items()])


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make an x86-64 machine with these programs, except some."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")

    def without(*absent: str) -> None:
        there = VERSIONS.keys() - set(absent)
        monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name in there else None)

    without()
    return without


@pytest.mark.parametrize(
    ("arch", "compiler", "found"),
    [
        ("x86_64", "gcc", Toolchain(VERSIONS["gcc"], VERSIONS["ld"], "x86_64")),
        ("arm64", "gcc", Toolchain(VERSIONS["aarch64-linux-gnu-gcc"], VERSIONS["aarch64-linux-gnu-ld"], "arm64")),
        ("x86_64", "clang", Toolchain(f"clang ({VERSIONS['clang']})", VERSIONS["ld.lld"], "x86_64")),
        ("x86_64", "clang-19", Toolchain(f"clang-19 ({VERSIONS['clang-19']})", VERSIONS["ld.lld-19"], "x86_64")),
        ("arm64", "clang-19", Toolchain(f"clang-19 ({VERSIONS['clang-19']})", VERSIONS["ld.lld-19"], "arm64")),
    ],
)
def test_a_toolchain_begins_with_the_name_of_its_program(
    install: Install, arch: str, compiler: str, found: Toolchain
) -> None:
    assert detect(HOST, arch, compiler) == found
    assert found.program.endswith(compiler)


@pytest.mark.parametrize(
    ("arch", "compiler", "absent", "sentence"),
    [
        ("x86_64", "gcc", ("gcc",), "this machine has no gcc to build for x86_64; install the package gcc"),
        (
            "arm64",
            "gcc",
            ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ld"),
            "this machine has no aarch64-linux-gnu-gcc and aarch64-linux-gnu-ld to build for arm64; "
            "install the packages gcc-aarch64-linux-gnu and binutils-aarch64-linux-gnu",
        ),
        (
            "x86_64",
            "clang-19",
            ("llvm-ar-19",),
            "this machine has no llvm-ar-19 to build for x86_64; install the package llvm-19",
        ),
        (
            "x86_64",
            "clang-17",
            (),
            "this machine has no clang-17, ld.lld-17 and llvm-ar-17 to build for x86_64; "
            "install the packages clang-17, lld-17 and llvm-17",
        ),
    ],
)
def test_an_absent_compiler_is_one_sentence_with_its_package(
    install: Install, arch: str, compiler: str, absent: tuple[str, ...], sentence: str
) -> None:
    install(*absent)
    with pytest.raises(InfrastructureError) as caught:
        detect(HOST, arch, compiler, "s.yaml:7: kernel 'k'")
    assert str(caught.value) == f"s.yaml:7: kernel 'k': {sentence}"


def test_programs_of_this_machines_own_architecture_have_no_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert arch_name() == "arm64"
    assert cross_prefix("arm64") == ""
    assert cross_prefix("x86_64") == "x86_64-linux-gnu-"
