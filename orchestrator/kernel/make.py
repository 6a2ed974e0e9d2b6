# SPDX-License-Identifier: GPL-2.0-only
"""Kbuild's command line and environment, and what its output says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from orchestrator.arch import ARCHES
from orchestrator.kernel.model import Toolchain

# Kernel objects have relative names; the host's tools (tools/objtool) are named by absolute paths.
_COMPILED = re.compile(r"^  (?:CC|AS)(?: \[M\])? +(?!/)(\S+)")
_STEP = re.compile(r"^  ([A-Z][A-Z0-9_.]*)(?: \[M\])? +(\S+)")
_ERROR = re.compile(
    r"(?:^|\s)(?:fatal )?error: |undefined reference to |multiple definition of |"
    r"^(?:\S+-)?ld: (?!warning: )|^objtool: error|: Error: "
)
_MAKE_ERROR = re.compile(r"^make(?:\[\d+\])?: \*\*\* ")
_NOT_THE_KERNEL = re.compile(
    # Not in the lines of source that the compiler shows behind a bar.
    r"^(?!\s*\d* \|).*(?:No space left on device|Cannot allocate memory|out of memory allocating|Killed signal|"
    r"Disk quota exceeded|virtual memory exhausted|Killed$)"
)


_ONLY_FOR = {"RUST": ("RUSTC", "BINDGEN"), "DEBUG_INFO_BTF": ("PAHOLE",)}
"""By the option that needs them: programs that Kconfig looks for in PATH and whose versions it writes into .config
(init/Kconfig), whether they are used or not."""

_NOT_USED = "orch-uses-none"
"""The name of no program."""

DEBUG_TREE = "/linux"
"""Where debugging information says that the source was; gdb's ``set substitute-path`` leads from there."""

_RANDOM = {
    "MODULE_SIG": "CONFIG_MODULE_SIG makes a random key, unless one is given, and puts its certificate in.",
    "RANDSTRUCT": "CONFIG_RANDSTRUCT lays out structures by a random seed.",
}


def make_argv(tree: Path, toolchain: Toolchain, request: str, jobs: int, *targets: str) -> tuple[str, ...]:
    """The make command for `tree`, which builds into ``tree/build``.

    The build directory lies directly in the tree because Kbuild then names every source relatively (``..``), so that
    a moved or cloned tree has nothing to rebuild.  `request` is the configuration that was asked for.
    """
    variables = make_variables(toolchain, request)
    return ("make", "-C", str(tree), "O=build", *variables, f"-j{jobs}", *targets)


def make_variables(toolchain: Toolchain, request: str) -> tuple[str, ...]:
    """The variables of every make of a kernel with the configuration `request`.

    A program that this does not need is not looked for: a kernel is the same with rustc in PATH and without.
    """
    lines = request.splitlines()
    unused = (names for option, names in _ONLY_FOR.items() if f"CONFIG_{option}=y" not in lines)
    none = (f"{name}={_NOT_USED}" for names in unused for name in names)
    return (f"ARCH={ARCHES[toolchain.arch].kbuild}", *compiler_variables(toolchain), *none)


def programs_of(option: str) -> tuple[str, ...]:
    """The programs whose versions become part of a kernel with `option`, beside the compiler's."""
    return tuple(name.lower() for name in _ONLY_FOR.get(option, ()))


def compiler_variables(toolchain: Toolchain) -> tuple[str, ...]:
    """What make must be told of the compiler (Documentation/kbuild/llvm.rst): nothing for the machine's own gcc.

    LLVM names all of clang's tools, for any target; gcc is another program for each target.
    """
    program = toolchain.program
    if program.startswith("clang"):
        return (f"LLVM={program.removeprefix('clang') or 1}",)
    prefix = program.removesuffix("gcc")
    return (f"CROSS_COMPILE={prefix}",) if prefix not in ("", program) else ()


def make_environment(key: str) -> dict[str, str]:
    """What would otherwise differ from build to build, fixed (Documentation/kbuild/reproducible-builds.rst).

    The build key stands in the kernel's version banner, so that a booted kernel says which artifact it is.  Of the
    user's own environment a build sees nothing (`host.cleared`).
    """
    return {
        "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
        "KBUILD_BUILD_USER": "orch",
        "KBUILD_BUILD_HOST": "orch",
        "KBUILD_BUILD_VERSION": key[:12],
        "KCONFIG_CONFIG": ".config",
        "LC_ALL": "C",
    }


def debug_environment(tree: str, config: str) -> dict[str, str]:
    """What make needs, too, where the final `config` asks for debugging information: that would name `tree`, in which
    it is built, and with it no two builds would be the same."""
    if "CONFIG_DEBUG_INFO=y\n" not in config:
        return {}
    mapped = f"-fdebug-prefix-map={tree}={DEBUG_TREE}"
    return {"KCFLAGS": mapped, "KAFLAGS": mapped}


def told_irreproducible(config: str) -> tuple[str, ...]:
    """Why a kernel of the final `config` is another one whenever it is built from nothing, a sentence for each."""
    return tuple(why for option, why in _RANDOM.items() if f"CONFIG_{option}=y\n" in config)


class ObjectCounter:
    """Watches make's lines: counts what is compiled, and reports the count and the current step."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.objects = 0
        self._progress = progress

    def __call__(self, line: str) -> None:
        """Take one line of make's output."""
        if _COMPILED.match(line):
            self.objects += 1
        if step := _STEP.match(line):
            self._progress(f"{self.objects} objects, {step[1]} {step[2]}")


def first_error(output: str) -> str | None:
    """The first error that the compiler, assembler, linker or Kbuild reports; None where the kernel is not at fault.

    A full disk or an exhausted memory shows as compiler errors too, hence the look at those first.
    """
    lines = output.splitlines()
    if any(_NOT_THE_KERNEL.search(line) for line in lines):
        return None
    for pattern in (_ERROR, _MAKE_ERROR):
        found = next((line for line in lines if pattern.search(line)), None)
        if found:
            return found.strip()
    return None
