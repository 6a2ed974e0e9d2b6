# SPDX-License-Identifier: GPL-2.0-only
"""Kbuild's command line and environment, and what its output says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

# Kernel objects have relative names; the host's tools (tools/objtool) are named by absolute paths.
_COMPILED = re.compile(r"^  (?:CC|AS)(?: \[M\])? +(?!/)(\S+)")
_STEP = re.compile(r"^  ([A-Z][A-Z0-9_.]*)(?: \[M\])? +(\S+)")
_ERROR = re.compile(
    r"(?:^|\s)(?:fatal )?error: |undefined reference to |multiple definition of |^ld: |^objtool: error|: Error: "
)
_MAKE_ERROR = re.compile(r"^make(?:\[\d+\])?: \*\*\* ")
_NOT_THE_KERNEL = re.compile(
    # Not in the lines of source that the compiler shows behind a bar.
    r"^(?!\s*\d* \|).*(?:No space left on device|Cannot allocate memory|out of memory allocating|Killed signal|"
    r"Disk quota exceeded|virtual memory exhausted|Killed$)"
)


def make_argv(tree: Path, arch: str, jobs: int, *targets: str) -> tuple[str, ...]:
    """The make command for `tree`, which builds into ``tree/build``.

    The build directory lies directly in the tree because Kbuild then names every source relatively (``..``), so that
    a moved or cloned tree has nothing to rebuild.
    """
    return ("make", "-C", str(tree), "O=build", f"ARCH={arch}", f"-j{jobs}", *targets)


def make_environment(key: str) -> dict[str, str]:
    """What would otherwise differ from build to build, fixed (Documentation/kbuild/reproducible-builds.rst).

    The build key stands in the kernel's version banner, so that a booted kernel says which artifact it is.
    """
    return {
        "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
        "KBUILD_BUILD_USER": "orch",
        "KBUILD_BUILD_HOST": "orch",
        "KBUILD_BUILD_VERSION": key[:12],
        "LC_ALL": "C",
    }


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
