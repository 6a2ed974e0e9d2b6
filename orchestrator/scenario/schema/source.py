# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a kernel's source and of its patches.

Each source or patch is of one of several kinds; the kind is the name of a key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from orchestrator.scenario.schema.fields import (
    Digest,
    ImagePackage,
    MessageId,
    Package,
    PatchVersion,
    Suite,
    Text,
    Version,
)
from orchestrator.yamlfile.entry import Entry

SOURCES: dict[str, tuple[str, ...]] = {
    "debian": ("suite", "version"),
    "git": ("ref",),
    "tree": (),
    "tarball": ("sha256",),
    "image": ("modules", "config"),
    "debian-image": ("suite", "version"),
}
"""The kinds of source, and the further keys that each kind can have."""

PREBUILT = ("image", "debian-image")
"""The kinds that are booted as they are, without a build."""

PATCHES: dict[str, tuple[str, ...]] = {
    "file": (),
    "range": ("git",),
    "revert": (),
    "message": ("version", "mbox"),
}
"""The kinds of patches, and the further keys that each kind can have."""

_NEEDS = {"debian": ("suite",), "debian-image": ("suite",)}


def needed(kind: str) -> tuple[str, ...]:
    """Return the further keys that a source or patch of `kind` must have."""
    return _NEEDS.get(kind, ())


def _one_of(kinds: Mapping[str, tuple[str, ...]], schema: dict[str, Any]) -> None:
    """Restrict the JSON Schema to entries of one kind, without the keys of the other kinds."""
    schema["oneOf"] = [_of_kind(kind, (kind, *keys), schema["properties"]) for kind, keys in kinds.items()]


def _of_kind(kind: str, own: Collection[str], keys: Collection[str]) -> dict[str, Any]:
    required = [kind, *needed(kind)]
    foreign = {key: {"type": "null"} for key in keys if key not in own}
    return {"required": required, "properties": foreign | {key: {"not": {"type": "null"}} for key in required}}


class SourceEntry(Entry):
    """The source of a kernel: one of debian, git, tree, tarball, image and debian-image."""

    model_config = ConfigDict(json_schema_extra=lambda schema: _one_of(SOURCES, schema))

    debian: Package | None = Field(None, description="Name of a Debian source package, such as linux-source-6.12.")
    git: Text | None = Field(
        None,
        description="A git repository: a path relative to the scenario's directory (~ is your home directory), or an "
        "address that git can fetch from. Its checkout, index and stash are never changed.",
    )
    ref: Text | None = Field(
        None, description="Revision to build: a branch, a tag, a commit, or an expression like topic~3. Default: HEAD."
    )
    tree: Text | None = Field(
        None,
        description="A directory with a kernel source, built in its current state with uncommitted changes. The path "
        "is relative to the scenario's directory.",
    )
    tarball: Text | None = Field(
        None,
        description="A source tarball: a path relative to the scenario's directory, or an address with its sha256.",
    )
    sha256: Digest | None = Field(None, description="SHA-256 of the tarball, in hex. Required for an address.")
    image: Text | None = Field(
        None,
        description="A kernel that is already built: an image (bzImage, vmlinux, Image), or the build directory of "
        "one. The path is relative to the scenario's directory.",
    )
    modules: Text | None = Field(
        None, description="Directory with the modules of the image, as installed by make modules_install."
    )
    config: Text | None = Field(
        None,
        description="Configuration of the image. Default: the one in its build directory, or the one in the image.",
    )
    debian_image: ImagePackage | None = Field(
        None,
        description="Name of a Debian kernel package, such as linux-image-amd64, which is booted without a build. Use "
        "linux-binary-unsigned-* for a release that is not signed yet.",
    )
    suite: Suite | None = Field(None, description="The Debian suite that has the package, such as trixie-backports.")
    version: Version | None = Field(
        None, description="The exact version of the Debian package. Default: the newest in the suite."
    )


class PatchEntry(Entry):
    """A change that is applied to a source: a file, or one of range, revert and message."""

    model_config = ConfigDict(json_schema_extra=lambda schema: _one_of(PATCHES, schema))

    file: Text | None = Field(
        None,
        description="A series in orch's kernels/patches, or a path (with a '/', or ending in .patch or .mbox), "
        "relative to the scenario's directory, to a patch, an mbox, or a directory with a file 'series'. The same as "
        "a text instead of a mapping.",
    )
    range: Text | None = Field(
        None,
        description="Range of git commits, such as v7.3..topic, applied oldest first. Without 'git', it is a range of "
        "the kernel's own source.",
    )
    git: Text | None = Field(
        None, description="Git repository of the range: a path or an address, as for the 'git' of a source."
    )
    revert: Text | None = Field(None, description="A commit in the kernel's own git history to revert.")
    message: MessageId | None = Field(
        None,
        description="Message id of a series on a mailing list; b4 fetches it, with the trailers from the replies.",
    )
    version: PatchVersion | None = Field(None, description="Version of the series. Default: the newest.")
    mbox: Text | None = Field(
        None,
        description="An mbox with the thread, used instead of fetching it. The path is relative to the scenario's "
        "directory.",
    )

    @model_validator(mode="before")
    @classmethod
    def _text_is_a_file(cls, value: object) -> object:
        return {"file": value} if isinstance(value, str) else value


def kind_of(given: object, kinds: Mapping[str, tuple[str, ...]]) -> str:
    """Return the kind of an entry of the document.

    This is the first of `kinds` that is a key of the entry.  Returns "" if none is.
    """
    if not isinstance(given, dict):
        return ""
    return next((kind for kind in kinds if given.get(kind) is not None), "")
