# SPDX-License-Identifier: GPL-2.0-only
"""The values of kernel builds: source tree, toolchain, patch, recipe and finished build."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from orchestrator.arch import ARCHES
from orchestrator.scenario.sources import BuiltSource, DebianSource, TarballSource

IMAGES = (*dict.fromkeys(Path(arch.image).name for arch in ARCHES.values()), "vmlinuz")
"""The possible file names of an image, built or prebuilt."""

_DIFF = re.compile(r"^(?:diff --git |--- (?:a/|/dev/null))", re.MULTILINE)

BUILD_FORMAT = 1
"""A part of every key: raise it when a changed build process changes artifacts."""


@dataclass(frozen=True)
class GitOrigin:
    """The place of a source in git.

    `store` is orch's own bare repository, which can read all objects of `origin`.  `origin` is the user's repository, a
    path or an address.  `tree` is the id of the source's tree object, `commit` the id of its commit: None for a state
    of a directory that was never committed.  `base` is the commit on which such a state is based: None if the directory
    is no checkout.
    """

    store: Path
    origin: str
    tree: str
    commit: str | None = None
    base: str | None = None


@dataclass(frozen=True)
class SourceTree:
    """A pristine kernel source on disk, never written to.

    `id` is the identity of the content (for Debian the package's SHA-256, for git the tree object's id), `version` its
    readable name, `git` its history, if it has one.  `origin` identifies what it is a state of, or is "".  Sources of
    one origin are similar, so one is best built from the built tree of another.  `named` is the scenario's description
    of it, with the version or the checksum that was found, so that the same source can be fetched again.
    """

    id: str
    version: str
    path: Path
    git: GitOrigin | None = None
    origin: str = ""
    named: BuiltSource | None = field(default=None, compare=False)

    @property
    def published(self) -> bool:
        """Whether it is a signed release of a distributor, or the scenario states its checksum."""
        return isinstance(self.named, DebianSource | TarballSource)


@dataclass(frozen=True)
class Toolchain:
    """A compiler and a linker, by their versions, and the kernel's name of the target.

    The versions are the first lines of ``gcc --version`` and ``ld --version``.  `compiler` begins with the name of the
    program: gcc's line has it already, before clang's it is added.
    """

    compiler: str
    linker: str
    arch: str = "x86_64"

    @property
    def program(self) -> str:
        """The name of the compiler's program, such as gcc, aarch64-linux-gnu-gcc or clang-19."""
        return self.compiler.split(maxsplit=1)[0]


@dataclass(frozen=True)
class Patch:
    """One patch file: its name for messages, its text, and the files it touches.

    `files` are relative to the source tree.  A patch is bytes of any encoding: in `text`, bytes that are not UTF-8 are
    surrogates (``surrogateescape``).
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
        """The diff of the patch, without the message before it."""
        first = _DIFF.search(self.text)
        return self.text[first.start() if first else 0 :]

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the diff: a new date or message builds the same kernel."""
        return hashlib.sha256(self.diff.encode(errors="surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Recipe:
    """All inputs of a kernel build, before the configuration is resolved.

    `request` is the requested configuration, as text for KCONFIG_ALLCONFIG; `required` are the (name, value) pairs that
    the final configuration must have.  `modules` is whether modules are built too.  `name` and `where` are for messages
    only, and not in the key.
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
        """The identity of the recipe.

        Equal recipes resolve to equal builds, or both fail because a required option is missing.
        """
        return _digest("recipe", {**self._parts(self.request), "required": self.required})

    def can_start_from(self, other: Recipe) -> bool:
        """Return whether objects of the kernel `other` may be used in this one.

        The patches of `other` could have written any of its objects, so this recipe must begin with all of them.
        See `kernel.cache.trees.best_of`, which applies the same rule to a tree.
        """
        digests = [patch.digest for patch in other.patches]
        first = [patch.digest for patch in self.patches[: len(digests)]]
        return not digests or (digests == first and self.source.id == other.source.id)

    def build_key(self, config: str) -> str:
        """Return the identity of the artifact, with the final `config` as text.

        It covers source, patches, configuration, compiler and architecture.
        """
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
    """A kernel that was built elsewhere and is booted unchanged.

    `id` is the identity of image, modules and configuration (for Debian the package's SHA-256), `version` its readable
    name, `place` the path that its files are taken from.  `name` and `where` are for messages only.
    """

    name: str
    where: str
    id: str
    version: str
    place: Path
    arch: str = "x86_64"

    @property
    def key(self) -> str:
        """The identity of the artifact."""
        return _digest("prebuilt", {"id": self.id, "arch": self.arch})


AnyRecipe = Recipe | Prebuilt
"""The inputs of one kernel's artifact."""


@dataclass(frozen=True)
class KernelBuild:
    """A finished artifact in the cache.

    `directory` has the image, config, provenance.json, and the log and the commands of the build.  `objects` is the
    number of objects that this build compiled (CC and AS lines of Kbuild); `seconds` is how long it took; `cached` is
    true if this run built nothing for it.
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
        """The directory with ``lib/modules/VERSION``; None if the kernel has no modules."""
        return self.directory if (self.directory / "lib/modules").is_dir() else None

    @property
    def config(self) -> Path:
        """The final configuration."""
        return self.directory / "config"


def _digest(kind: str, parts: dict[str, object]) -> str:
    text = json.dumps({"kind": kind, "format": BUILD_FORMAT, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
