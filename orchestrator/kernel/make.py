# SPDX-License-Identifier: GPL-2.0-only
"""The command line and the environment of Kbuild, and the analysis of its output."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from orchestrator.arch import ARCHES
from orchestrator.kernel.model import Toolchain

# Kernel objects have relative names; the host tools (tools/objtool) have absolute ones.
_COMPILED = re.compile(r"^  (?:CC|AS)(?: \[M\])? +(?!/)(\S+)")
_STEP = re.compile(r"^  ([A-Z][A-Z0-9_.]*)(?: \[M\])? +(\S+)")
_ERROR = re.compile(
    r"(?:^|\s)(?:fatal )?error: |undefined reference to |multiple definition of |"
    r"^(?:\S+-)?ld: (?!warning: )|^objtool: error|: Error: "
)
_MAKE_ERROR = re.compile(r"^make(?:\[\d+\])?: \*\*\* ")
_NOT_THE_KERNEL = re.compile(
    # Not in source lines, which the compiler prints after a bar.
    r"^(?!\s*\d* \|).*(?:No space left on device|Cannot allocate memory|out of memory allocating|Killed signal|"
    r"Disk quota exceeded|virtual memory exhausted|Killed$)"
)


_ONLY_FOR = {"RUST": ("RUSTC", "BINDGEN"), "DEBUG_INFO_BTF": ("PAHOLE",)}
"""Programs that Kconfig looks for in PATH, by the option that needs them.

Kconfig writes their versions into .config (init/Kconfig), whether they are used or not.
"""

_NOT_USED = "orch-uses-none"
"""A name that no program has."""

DEBUG_TREE = "/linux"
"""The path of the source in debugging information; gdb's ``set substitute-path`` replaces it."""

_RANDOM = {
    "MODULE_SIG": "CONFIG_MODULE_SIG makes a random key, unless one is given, and puts its certificate in.",
    "RANDSTRUCT": "CONFIG_RANDSTRUCT lays out structures by a random seed.",
}


def make_argv(tree: Path, toolchain: Toolchain, request: str, jobs: int, *targets: str) -> tuple[str, ...]:
    """Return the make command for `tree`, which builds into ``tree/build``.

    The build directory is directly in the tree because Kbuild then names every source by a relative path (``..``), so
    that a moved or cloned tree has nothing to rebuild.  `request` is the requested configuration.
    """
    variables = make_variables(toolchain, request)
    return ("make", "-C", str(tree), "O=build", *variables, f"-j{jobs}", *targets)


def make_variables(toolchain: Toolchain, request: str) -> tuple[str, ...]:
    """Return the make variables for a kernel with the configuration `request`.

    They hide programs that `request` does not need.  So a kernel is the same with rustc in PATH and without.
    """
    lines = request.splitlines()
    unused = (names for option, names in _ONLY_FOR.items() if f"CONFIG_{option}=y" not in lines)
    hidden = (f"{name}={_NOT_USED}" for names in unused for name in names)
    return (f"ARCH={ARCHES[toolchain.arch].kbuild}", *compiler_variables(toolchain), *hidden)


def programs_of(option: str) -> tuple[str, ...]:
    """Return the programs whose versions become part of a kernel with `option`, beside the compiler's."""
    return tuple(name.lower() for name in _ONLY_FOR.get(option, ()))


def compiler_variables(toolchain: Toolchain) -> tuple[str, ...]:
    """Return the make variables for the compiler: none for the machine's native gcc.

    LLVM selects clang and all its tools, for any target (Documentation/kbuild/llvm.rst); gcc is another program for
    each target.
    """
    program = toolchain.program
    if program.startswith("clang"):
        return (f"LLVM={program.removeprefix('clang') or 1}",)
    prefix = program.removesuffix("gcc")
    return (f"CROSS_COMPILE={prefix}",) if prefix not in ("", program) else ()


def make_environment(key: str) -> dict[str, str]:
    """Return fixed values for what would differ between builds.

    See Documentation/kbuild/reproducible-builds.rst.  The build key is in the kernel's version banner, so that a booted
    kernel shows which artifact it is.  A build sees nothing of the user's own environment (`host.cleared`).
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
    """Return the further environment of make if the final `config` has debugging information.

    That information would have the path `tree`, in which the kernel is built, so that no two builds would be equal.
    """
    if "CONFIG_DEBUG_INFO=y\n" not in config:
        return {}
    mapped = f"-fdebug-prefix-map={tree}={DEBUG_TREE}"
    return {"KCFLAGS": mapped, "KAFLAGS": mapped}


def irreproducible_because(config: str) -> tuple[str, ...]:
    """Return why each full build with the final `config` is different: one sentence per reason."""
    return tuple(why for option, why in _RANDOM.items() if f"CONFIG_{option}=y\n" in config)


class ObjectCounter:
    """A sink for make's output that counts compiled objects and reports count and step."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.objects = 0
        self._progress = progress

    def __call__(self, line: str) -> None:
        """Process one line of make's output."""
        if _COMPILED.match(line):
            self.objects += 1
        if step := _STEP.match(line):
            self._progress(f"{self.objects} objects, {step[1]} {step[2]}")


def first_error(output: str) -> str | None:
    """Return the first error of the compiler, the assembler, the linker or Kbuild.

    Returns None if there is none, or if the kernel is not the cause: a full disk or exhausted memory leads to compiler
    errors too, so these are looked for first.
    """
    lines = output.splitlines()
    if any(_NOT_THE_KERNEL.search(line) for line in lines):
        return None
    for pattern in (_ERROR, _MAKE_ERROR):
        found = next((line for line in lines if pattern.search(line)), None)
        if found:
            return found.strip()
    return None
