# SPDX-License-Identifier: GPL-2.0-only
"""Build the kernel's own selftests from the patched source of the kernel that they test.

The selftests themselves are not modified.

selftests/<key>/install/       the output of `make install` of the selftests, with run_kselftest.sh
selftests/<key>/build.log      the whole output, and beside it commands.sh, the commands that ran
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path

from orchestrator.arch import ARCHES
from orchestrator.errors import InfrastructureError, KernelBuildError
from orchestrator.events import Emit, phase
from orchestrator.host.base import Command, Host, check
from orchestrator.host.cleared import Cleared
from orchestrator.host.confined import Confined, why_not_confined
from orchestrator.host.disk import full_disk, report_full_disk
from orchestrator.host.full import tells_full_disk
from orchestrator.host.lock import locked
from orchestrator.host.recorder import Recorder
from orchestrator.host.untrusted import read_untrusted, text_of
from orchestrator.kernel.cache.sealed import broken_seal, seal
from orchestrator.kernel.cache.store import KernelCache, mark_used
from orchestrator.kernel.clone import clone
from orchestrator.kernel.make import compiler_variables, first_error, make_environment
from orchestrator.kernel.model import Recipe
from orchestrator.kernel.patch import series

FORMAT = 1
"""A part of every key: increase it when a change of the build procedure changes the output."""

LISTED = "install/kselftest-list.txt"
"""The file with the names of the installed tests; without it, selftests are incomplete."""
_MOST_LISTED = 1 << 20
"""The most bytes of `LISTED` that are read: a patch can make the kernel's makefiles write anything there."""

_SECONDS_TO_BUILD = 1800.0
_PLACE = Path("tools/testing/selftests")

_NO_HEADER = re.compile(r"fatal error: (?P<header>\S+): No such file or directory")
_KERNELS = ("linux/", "asm/", "asm-generic/", "uapi/", "generated/", ".", "/")
"""Headers that only a kernel tree has."""
_INCLUDES = ("include", "include/uapi", "usr/include", "tools/include", "tools/include/uapi", "tools/lib")


@dataclass(frozen=True)
class Selftests:
    """Installed selftests.

    `directory` has the runner; `listed` is the text of its kselftest-list.txt.
    """

    directory: Path
    listed: str


@dataclass(frozen=True)
class SelftestsBuilder:
    """The parts that all builds of selftests share.

    `jobs` is the number of jobs that make may run; `emit` gets the events.
    """

    host: Host
    cache: KernelCache
    jobs: int
    emit: Emit

    def build(self, recipe: Recipe, targets: tuple[str, ...]) -> Selftests:
        """Return the selftests `targets` of a kernel, and build them if the cache lacks them.

        `recipe` is the recipe of the kernel.  Raises PatchError, KernelBuildError (no such target, or the first error
        of the log), InfrastructureError.
        """
        key = selftests_key(recipe, targets)
        place = self.cache.root / "selftests" / key
        if broken_seal(place):
            with (
                report_full_disk(self.cache.root, f"building the selftests of kernel '{recipe.name}'"),
                locked(self.host, self.cache.lock(f"selftests-{key}")),
            ):
                if broken_seal(place):
                    self.cache.discard(place)
                    self._build(recipe, targets, key, place)
                    seal(place)
        mark_used(place)
        listed = read_untrusted(place, LISTED, _MOST_LISTED)
        return Selftests(place / "install", text_of(listed or b""))

    def _build(self, recipe: Recipe, targets: tuple[str, ...], key: str, place: Path) -> None:
        recorder = Recorder(self.host)
        job = f"selftests {', '.join(targets)}"
        with self.cache.workspace(f"selftests-{key}") as work, phase(self.emit, recipe.name, job) as progress:
            tree, whole = work / "tree", work / "whole"
            (whole / "install").mkdir(parents=True)
            confined = why_not_confined(self.host, work) == ""
            clone(recorder, recipe.source.path, tree, linked=confined)
            for patch in recipe.patches:
                series.apply(recorder, tree, patch, recipe.name)
            _refuse_unknown(tree, targets, recipe.name)
            cleared = Cleared(self.host)
            inner: Host = Confined(cleared, tree, work / "layer", (whole / "install",)) if confined else cleared
            make = Recorder(inner, recorder.lines, cleared=True)
            progress("headers")
            variables = compiler_variables(recipe.toolchain)
            arch = f"ARCH={ARCHES[recipe.toolchain.arch].kbuild}"
            self._make(make, recipe, whole, ("make", "-C", str(tree), arch, *variables, "headers"))
            progress("install")
            install = install_argv(tree, targets, whole / "install", self.jobs)
            self._make(make, recipe, whole, (*install, *variables))
            (whole / "commands.sh").write_text(recorder.script())
            place.parent.mkdir(parents=True, exist_ok=True)
            whole.rename(place)

    def _make(self, host: Host, recipe: Recipe, whole: Path, argv: tuple[str, ...]) -> None:
        log = whole / "build.log"
        done = host.run(Command(argv, env=make_environment(""), timeout=_SECONDS_TO_BUILD, log=log))
        if done.ok:
            return
        if tells_full_disk(done.output):
            raise full_disk(self.cache.root, f"building the selftests of kernel '{recipe.name}'")
        kept = self.cache.keep_failed_log(recipe, log, "-selftests")
        error = first_error(done.output)
        header = hosts_header(error or "", done.output, whole.parent / "tree")
        if header:
            what = f"the selftests of kernel '{recipe.name}' need the header '{header}', which this host does not have"
            raise InfrastructureError(f"{what}; install the package with it (log: {kept})")
        if error is None:
            check(done, f"building the selftests of kernel '{recipe.name}' (log: {kept})")
        raise KernelBuildError(f"the selftests of kernel '{recipe.name}' do not build: {error} (log: {kept})")


def has_selftests(cache: KernelCache, recipe: Recipe, targets: tuple[str, ...]) -> bool:
    """Return whether the selftests `targets` of the kernel of `recipe` are built already."""
    return (cache.root / "selftests" / selftests_key(recipe, targets) / LISTED).exists()


def selftests_key(recipe: Recipe, targets: tuple[str, ...]) -> str:
    """Return the key of built selftests, from source, patches, targets and compiler.

    The configuration is not part of it.
    """
    parts = {
        "format": FORMAT,
        "source": recipe.source.id,
        "patches": [patch.digest for patch in recipe.patches],
        "toolchain": asdict(recipe.toolchain),
        "targets": sorted(targets),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def install_argv(tree: Path, targets: tuple[str, ...], install: Path, jobs: int) -> tuple[str, ...]:
    """Return the command that builds `targets` in `tree` and installs them to `install`.

    It fails if one of the targets fails.
    """
    argv = ("make", "-C", str(tree / _PLACE), f"-j{jobs}", f"TARGETS={' '.join(targets)}", "FORCE_TARGETS=1")
    # Both names: kernel versions differ in which of them they use.
    return (*argv, f"KSFT_INSTALL_PATH={install}", f"INSTALL_PATH={install}", "install")


def hosts_header(error: str, output: str, tree: Path) -> str:
    """Return the missing header if it belongs to the host, else "".

    `error` is the first error of the compiler's `output`.  A header of the kernel's own `tree` does not count.
    """
    match = _NO_HEADER.search(error)
    name = match["header"] if match else ""
    ours = name.startswith(_KERNELS) or f'#include "{name}"' in output
    there = (tree / place / name for place in _INCLUDES)
    beside = (path.as_posix().endswith(f"/{name}") for path in (tree / _PLACE).rglob("*.h"))
    return "" if ours or any(path.exists() for path in there) or any(beside) else name


def _refuse_unknown(tree: Path, targets: tuple[str, ...], kernel: str) -> None:
    """Raise KernelBuildError for a target that this source does not have."""
    missing = next((target for target in targets if not (tree / _PLACE / target / "Makefile").exists()), None)
    if missing is not None:
        known = [path.parent.name for path in (tree / _PLACE).glob("*/Makefile")]
        near = get_close_matches(missing, known, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise KernelBuildError(f"the source of kernel '{kernel}' has no selftests '{missing}'{hint}")
