# SPDX-License-Identifier: GPL-2.0-only
"""The values of the kernel room: a source tree on disk, a toolchain, and a finished kernel build."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from orchestrator.arch import ARCHES
from orchestrator.scenario.sources import BuiltSource, DebianSource, TarballSource

IMAGES = (*dict.fromkeys(Path(arch.image).name for arch in ARCHES.values()), "vmlinuz")
"""What the image of an artifact is called: as built for each architecture, and as it came."""

_DIFF = re.compile(r"^(?:diff --git |--- (?:a/|/dev/null))", re.MULTILINE)

BUILD_FORMAT = 1
"""Part of every key: raise it when the way of building changes what comes out."""


@dataclass(frozen=True)
class GitOrigin:
    """Where a source is in git: `store` is orch's own bare repository, which reaches all objects of `origin`.

    `origin` is the user's repository, a path or an address.  `tree` is the id of the source's tree object, `commit` of
    what it was committed as; None for the state of a directory that was never committed.  `base` is the commit that
    such a directory was changed from, None where it is no checkout.
    """

    store: Path
    origin: str
    tree: str
    commit: str | None = None
    base: str | None = None


@dataclass(frozen=True)
class SourceTree:
    """A pristine kernel source on disk, never written to.

    `id` is the content's identity (for Debian the package's SHA-256, for git the tree object's id), `version` what a
    person calls it, `git` its history where it has one.  `origin` is what it is a state of: sources of one origin are
    alike, and one is built best from the built tree of another; "" for no such thing.  `named` is what a scenario
    called it, with the version or the checksum that it turned out to be, for whoever wants the same again.
    """

    id: str
    version: str
    path: Path
    git: GitOrigin | None = None
    origin: str = ""
    named: BuiltSource | None = field(default=None, compare=False)

    @property
    def published(self) -> bool:
        """Whether it is a release that its distributor signed, or whose checksum the scenario states."""
        return isinstance(self.named, DebianSource | TarballSource)


@dataclass(frozen=True)
class Toolchain:
    """What compiles: the first lines of ``gcc --version`` and ``ld --version``, and the kernel's name of the target.

    `compiler` begins with the name of the program: gcc's own first line does, clang's gets it put before.
    """

    compiler: str
    linker: str
    arch: str = "x86_64"

    @property
    def program(self) -> str:
        """The compiler's program, such as gcc, aarch64-linux-gnu-gcc or clang-19."""
        return self.compiler.split(maxsplit=1)[0]


@dataclass(frozen=True)
class Patch:
    """One patch file: its name for messages, its text, and the files it touches, relative to the source tree.

    A patch is bytes, of whatever encoding: in `text`, those that are no UTF-8 are surrogates (``surrogateescape``).
    """

    path: Path
    text: str
    files: tuple[str, ...]

    @property
    def data(self) -> bytes:
        """The patch file, byte for byte."""
        return self.text.encode(errors="surrogateescape")

    @property
    def diff(self) -> str:
        """What the patch does, without the message before it."""
        first = _DIFF.search(self.text)
        return self.text[first.start() if first else 0 :]

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of what the patch does: a new date or a reworded message builds the same kernel."""
        return hashlib.sha256(self.diff.encode(errors="surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Recipe:
    """All that decides a kernel build, before the configuration is resolved.

    `request` is the configuration asked for, as text for KCONFIG_ALLCONFIG; `required` are the (name, value) pairs
    that must survive.  `modules` is whether its modules are built, too.  `name` and `where` are for messages only and
    no part of the key.
    """

    name: str
    where: str
    source: SourceTree
    patches: tuple[Patch, ...]
    request: str
    required: tuple[tuple[str, str], ...]
    toolchain: Toolchain
    modules: bool = False

    @property
    def key(self) -> str:
        """Identity of the recipe: equal recipes resolve to equal builds, or both fail for what is required."""
        return _digest("recipe", {**self._parts(self.request), "required": self.required})

    def can_start_from(self, other: Recipe) -> bool:
        """Whether objects of the kernel `other` may be in this one: whoever wrote its patches could have written them.

        See `kernel.cache.trees.best_of`, which asks the same of a tree.
        """
        theirs = [patch.digest for patch in other.patches]
        begins = theirs == [patch.digest for patch in self.patches[: len(theirs)]] and self.source.id == other.source.id
        return not theirs or begins

    def build_key(self, config: str) -> str:
        """Identity of the artifact: source, patches, final `config` text, compiler and architecture."""
        return _digest("build", self._parts(config))

    def _parts(self, config: str) -> dict[str, object]:
        return {
            "source": self.source.id,
            "patches": [patch.digest for patch in self.patches],
            "config": hashlib.sha256(config.encode()).hexdigest(),
            "toolchain": asdict(self.toolchain),
            **({"modules": True} if self.modules else {}),
        }


@dataclass(frozen=True)
class Prebuilt:
    """A kernel that is booted as somebody else built it.

    `id` is the identity of image, modules and configuration (for Debian the package's SHA-256), `version` what a person
    calls it, `place` where its files are to be taken from.  `name` and `where` are for messages only.
    """

    name: str
    where: str
    id: str
    version: str
    place: Path
    arch: str = "x86_64"

    @property
    def key(self) -> str:
        """Identity of the artifact."""
        return _digest("prebuilt", {"id": self.id, "arch": self.arch})


AnyRecipe = Recipe | Prebuilt
"""What decides the artifact of one kernel."""


@dataclass(frozen=True)
class KernelBuild:
    """A finished artifact in the cache; `directory` holds the image, config, provenance.json and what made it.

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
    arch: str = "x86_64"

    @property
    def image(self) -> Path:
        """The bootable image."""
        return next(
            (self.directory / name for name in IMAGES if (self.directory / name).exists()), self.directory / IMAGES[0]
        )

    @property
    def modules(self) -> Path | None:
        """The directory with ``lib/modules/VERSION``; None where the kernel has no modules."""
        return self.directory if (self.directory / "lib/modules").is_dir() else None

    @property
    def config(self) -> Path:
        """The final configuration."""
        return self.directory / "config"


def _digest(kind: str, parts: dict[str, object]) -> str:
    text = json.dumps({"kind": kind, "format": BUILD_FORMAT, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
