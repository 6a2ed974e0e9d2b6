# SPDX-License-Identifier: GPL-2.0-only
"""The analysis of make's output: number of objects, and first error."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.kernel.make import (
    ObjectCounter,
    compiler_variables,
    first_error,
    make_argv,
    make_environment,
    make_variables,
)
from orchestrator.kernel.model import Toolchain

COMPILER = """\
  CC      mm/vma.o
../mm/mmap.c: In function ‘__get_unmapped_area’:
../mm/mmap.c:812:9: warning: unused variable ‘x’ [-Wunused-variable]
../mm/mmap.c:815:16: error: implicit declaration of function ‘mm_align’ [-Werror=implicit-function-declaration]
  815 |         return mm_align(addr);
      |                ^~~~~~~~
../mm/mmap.c:820:1: error: control reaches end of non-void function [-Werror=return-type]
cc1: some warnings being treated as errors
make[4]: *** [../scripts/Makefile.build:289: mm/mmap.o] Error 1
make[3]: *** [../scripts/Makefile.build:548: mm] Error 2
make: *** [Makefile:248: __sub-make] Error 2
"""
FIRST = (
    "../mm/mmap.c:815:16: error: implicit declaration of function ‘mm_align’ [-Werror=implicit-function-declaration]"
)
LINKER = """\
  LD      .tmp_vmlinux1
ld: drivers/vfio/pci/vfio_pci_core.o: in function `vfio_pci_core_mmap':
vfio_pci_core.c:(.text+0x1a2b): undefined reference to `pud_mkhuge'
make[2]: *** [../scripts/Makefile.vmlinux:72: vmlinux] Error 1
"""
ASSEMBLER = """\
  AS      arch/x86/entry/entry_64.o
../arch/x86/entry/entry_64.S: Assembler messages:
../arch/x86/entry/entry_64.S:90: Error: no such instruction: `swapgz'
make[3]: *** [../scripts/Makefile.build:430: arch/x86/entry/entry_64.o] Error 1
"""
OBJTOOL = """\
  CC      kernel/fork.o
kernel/fork.o: error: objtool: copy_process+0x1: unreachable instruction
make[3]: *** [../scripts/Makefile.build:289: kernel/fork.o] Error 255
"""
NO_RULE = """\
  SYNC    include/config/auto.conf
make[3]: *** No rule to make target 'mm/nothing.o', needed by 'mm/built-in.a'.  Stop.
make: *** [Makefile:248: __sub-make] Error 2
"""


@pytest.mark.parametrize(
    ("output", "error"),
    [
        (COMPILER, FIRST),
        (
            "In file included from ../mm/mmap.c:1:\n../include/a.h:1:10: fatal error: b.h: No such file or directory\n",
            None,
        ),
        (
            LINKER.replace("\nld:", "\naarch64-linux-gnu-ld:"),
            "aarch64-linux-gnu-ld: drivers/vfio/pci/vfio_pci_core.o: in function `vfio_pci_core_mmap':",
        ),
        (
            "ld: warning: vmlinux has a LOAD segment\nld.lld: error: undefined symbol: pud_mkhuge\n",
            "ld.lld: error: undefined symbol: pud_mkhuge",
        ),
        (LINKER, "ld: drivers/vfio/pci/vfio_pci_core.o: in function `vfio_pci_core_mmap':"),
        ("mm/a.o:(.data+0x0): multiple definition of `x'; mm/b.o:(.data+0x0): first defined here\n", None),
        (ASSEMBLER, "../arch/x86/entry/entry_64.S:90: Error: no such instruction: `swapgz'"),
        (OBJTOOL, "kernel/fork.o: error: objtool: copy_process+0x1: unreachable instruction"),
        (NO_RULE, "make[3]: *** No rule to make target 'mm/nothing.o', needed by 'mm/built-in.a'.  Stop."),
    ],
)
def test_the_first_error_is_the_one_that_is_reported(output: str, error: str | None) -> None:
    assert first_error(output) == (error or output.splitlines()[-1])


@pytest.mark.parametrize(
    "reason",
    [
        "fatal error: error writing to /tmp/ccXYZ.s: No space left on device",
        "gcc: fatal error: Killed signal terminated program cc1",
        "cc1: out of memory: Cannot allocate memory",
        "/bin/sh: line 1: 12345 Killed",
        "ld: final link failed: No space left on device",
        "ld: final link failed: Disk quota exceeded",
        "cc1: out of memory allocating 65536 bytes after a total of 1000 bytes",
        "virtual memory exhausted",
    ],
)
def test_a_full_disk_or_memory_is_not_the_kernels_fault(reason: str) -> None:
    assert first_error(f"  CC      mm/mmap.o\n{reason}\n{COMPILER}") is None


@pytest.mark.parametrize(
    "output", ["", "  CC      mm/error.o\n  CC      lib/errname.o\n", "warning: an error occurred\n"]
)
def test_no_error_is_none(output: str) -> None:
    assert first_error(output) is None


def test_a_source_line_in_the_compilers_message_is_not_the_machines_trouble() -> None:
    shown = '  815 |         pr_err("Cannot allocate memory");\n      |         No space left on device\n'
    assert first_error(COMPILER + shown) == FIRST


def test_objects_are_counted_and_other_steps_only_shown() -> None:
    shown: list[str] = []
    count = ObjectCounter(shown.append)
    for line in (
        "make[1]: Entering directory '/w/tree/build'",
        "  HOSTCC  scripts/basic/fixdep",
        "  CC      init/main.o",
        "  AS      arch/x86/entry/entry.o",
        "  CC [M]  drivers/a.o",
        "  AS [M]  drivers/b.o",
        "  LD      vmlinux",
        "  CC      /w/tree/build/tools/objtool/check.o",
        "CC      not/indented.o",
    ):
        count(line)
    assert count.objects == 4
    assert shown[0] == "0 objects, HOSTCC scripts/basic/fixdep"
    assert shown[1] == "1 objects, CC init/main.o"
    assert "4 objects, LD vmlinux" in shown


def test_a_build_depends_on_no_clock_user_or_host() -> None:
    environment = make_environment("0123456789abcdef")
    fixed = {"KBUILD_BUILD_TIMESTAMP", "KBUILD_BUILD_USER", "KBUILD_BUILD_HOST", "KBUILD_BUILD_VERSION", "LC_ALL"}
    assert fixed <= environment.keys()
    assert environment["KBUILD_BUILD_VERSION"] == "0123456789ab"
    assert make_environment("x") == make_environment("x")


NONE = ("RUSTC=orch-uses-none", "BINDGEN=orch-uses-none", "PAHOLE=orch-uses-none")


def test_make_builds_beside_the_source_with_so_many_jobs() -> None:
    argv = make_argv(Path("/w/tree"), Toolchain("gcc (Debian) 12", "ld 2"), "", 3, "vmlinux")
    assert argv == ("make", "-C", "/w/tree", "O=build", "ARCH=x86_64", *NONE, "-j3", "vmlinux")


@pytest.mark.parametrize(
    ("asked", "unused"),
    [
        ("CONFIG_PCI=y\n", NONE),
        ("# CONFIG_RUST is not set\n# CONFIG_DEBUG_INFO_BTF=y\nCONFIG_RUST=n\nCONFIG_RUST_X=y\n", NONE),
        ("CONFIG_RUST=y\n", NONE[2:]),
        ("CONFIG_PCI=y\nCONFIG_DEBUG_INFO_BTF=y\n", NONE[:2]),
        ("CONFIG_DEBUG_INFO_BTF=y\nCONFIG_RUST=y\n", ()),
    ],
)
def test_a_program_that_only_an_option_needs_is_not_looked_for_without_it(asked: str, unused: tuple[str, ...]) -> None:
    assert make_variables(Toolchain("gcc (Debian) 12", "ld 2"), asked) == ("ARCH=x86_64", *unused)


@pytest.mark.parametrize(
    ("compiler", "arch", "variables"),
    [
        ("gcc (Debian 12.2.0-14) 12.2.0", "x86_64", ()),
        ("aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0", "arm64", ("CROSS_COMPILE=aarch64-linux-gnu-",)),
        ("gcc (Debian 12.2.0-14) 12.2.0", "arm64", ()),  # on an arm64 machine
        ("clang (Debian clang version 19.1.7)", "x86_64", ("LLVM=1",)),
        ("clang-19 (Debian clang version 19.1.7)", "x86_64", ("LLVM=-19",)),
        ("clang-19 (Debian clang version 19.1.7)", "arm64", ("LLVM=-19",)),
        ("cc 2", "x86_64", ()),
    ],
)
def test_make_gets_every_compiler_but_the_machines_own_gcc(
    compiler: str, arch: str, variables: tuple[str, ...]
) -> None:
    toolchain = Toolchain(compiler, "ld", arch)
    assert compiler_variables(toolchain) == variables
    assert make_argv(Path("/w"), toolchain, "", 1, "x")[4:-2] == (f"ARCH={arch}", *variables, *NONE)
