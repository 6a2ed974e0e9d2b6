# SPDX-License-Identifier: GPL-2.0-only
"""The values of the kernel room: a source tree on disk, a toolchain, and a finished kernel build."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

IMAGE = "vmlinux"
"""What is built and booted: the ELF image with a PVH entry (QEMU docs/system/i386; arch/x86/platform/pvh)."""

_DIFF = re.compile(r"^(?:diff --git |--- (?:a/|/dev/null))", re.MULTILINE)

BUILD_FORMAT = 1
"""Part of every key: raise it when the way of building changes what comes out."""


@dataclass(frozen=True)
class SourceTree:
    """A pristine kernel source on disk, never written to.

    `id` is the content's identity (for Debian the package's SHA-256), `version` what a person calls it.
    """

    id: str
    version: str
    path: Path


@dataclass(frozen=True)
class Toolchain:
    """What compiles: the first lines of ``gcc --version`` and ``ld --version``, and the kernel's name of the target."""

    compiler: str
    linker: str
    arch: str = "x86_64"


@dataclass(frozen=True)
class Patch:
    """One patch file: its name for messages, its text, and the files it touches, relative to the source tree."""

    path: Path
    text: str
    files: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of what the patch does: a new date or a reworded message builds the same kernel."""
        first = _DIFF.search(self.text)
        return hashlib.sha256(self.text[first.start() if first else 0 :].encode()).hexdigest()


@dataclass(frozen=True)
class Recipe:
    """All that decides a kernel build, before the configuration is resolved.

    `request` is the configuration asked for, as text for KCONFIG_ALLCONFIG; `required` are the (name, value) pairs
    that must survive.  `name` and `where` are for messages only and no part of the key.
    """

    name: str
    where: str
    source: SourceTree
    patches: tuple[Patch, ...]
    request: str
    required: tuple[tuple[str, str], ...]
    toolchain: Toolchain

    @property
    def key(self) -> str:
        """Identity of the recipe: equal recipes resolve to equal builds, or both fail for what is required."""
        return _digest("recipe", {**self._parts(self.request), "required": self.required})

    def build_key(self, config: str) -> str:
        """Identity of the artifact: source, patches, final `config` text, compiler and architecture."""
        return _digest("build", self._parts(config))

    def _parts(self, config: str) -> dict[str, object]:
        return {
            "source": self.source.id,
            "patches": [patch.digest for patch in self.patches],
            "config": hashlib.sha256(config.encode()).hexdigest(),
            "toolchain": asdict(self.toolchain),
        }


@dataclass(frozen=True)
class KernelBuild:
    """A finished artifact in the cache; `directory` holds vmlinux, config, build.log and provenance.json.

    `objects` counts what this build compiled (CC and AS lines of Kbuild); `seconds` is how long it took;
    `cached` says that this run built nothing for it.
    """

    name: str
    key: str
    directory: Path
    version: str
    objects: int
    seconds: float
    cached: bool

    @property
    def image(self) -> Path:
        """The bootable image."""
        return self.directory / "vmlinux"

    @property
    def config(self) -> Path:
        """The final configuration."""
        return self.directory / "config"


def _digest(kind: str, parts: dict[str, object]) -> str:
    text = json.dumps({"kind": kind, "format": BUILD_FORMAT, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
