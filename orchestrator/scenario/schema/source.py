# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a kernel's source and of its patches.  Each is one of several kinds, by the key that names it."""

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
"""The kinds of source, and the keys that each may have beside its own."""

PREBUILT = ("image", "debian-image")
"""The kinds that are booted as somebody else built them."""

PATCHES: dict[str, tuple[str, ...]] = {
    "file": (),
    "range": ("git",),
    "revert": (),
    "message": ("version", "mbox"),
}
"""The kinds of patches, and the keys that each may have beside its own."""

_NEEDS = {"debian": ("suite",), "debian-image": ("suite",)}


def needed(kind: str) -> tuple[str, ...]:
    """The keys that a source or patch of `kind` cannot do without, beside the one that names it."""
    return _NEEDS.get(kind, ())


def _one_of(kinds: Mapping[str, tuple[str, ...]], schema: dict[str, Any]) -> None:
    """Tell editors that an entry is of one kind, and has the keys of no other."""
    schema["oneOf"] = [_of_kind(kind, (kind, *keys), schema["properties"]) for kind, keys in kinds.items()]


def _of_kind(kind: str, own: Collection[str], keys: Collection[str]) -> dict[str, Any]:
    required = [kind, *needed(kind)]
    strange = {key: {"type": "null"} for key in keys if key not in own}
    return {"required": required, "properties": strange | {key: {"not": {"type": "null"}} for key in required}}


class SourceEntry(Entry):
    """Where a kernel comes from: one of debian, git, tree, tarball, image and debian-image."""

    model_config = ConfigDict(json_schema_extra=lambda schema: _one_of(SOURCES, schema))

    debian: Package | None = Field(None, description="Name of a Debian source package, such as linux-source-6.12.")
    git: Text | None = Field(
        None,
        description="A git repository: a path from the scenario's directory (~ is your home), or an address that git "
        "can fetch from. Its checkout, index and stash are never touched.",
    )
    ref: Text | None = Field(
        None, description="What to build of the git repository: a branch, tag, commit or topic~3; HEAD where left out."
    )
    tree: Text | None = Field(
        None,
        description="A directory with a kernel source, built as it is now, uncommitted changes included; a path from "
        "the scenario's directory.",
    )
    tarball: Text | None = Field(
        None, description="A source tarball: a path from the scenario's directory, or an address with its sha256."
    )
    sha256: Digest | None = Field(None, description="SHA-256 of the tarball, in hex; needed for an address.")
    image: Text | None = Field(
        None,
        description="A kernel that is built already: an image (bzImage, vmlinux, Image), or the directory in which one "
        "was built; a path from the scenario's directory.",
    )
    modules: Text | None = Field(
        None, description="Directory with the modules of the image, as make modules_install leaves them."
    )
    config: Text | None = Field(
        None, description="Configuration of the image; that of its build directory, or in the image, where left out."
    )
    debian_image: ImagePackage | None = Field(
        None,
        description="Name of a Debian kernel package, such as linux-image-amd64, booted without any build; "
        "linux-binary-unsigned-* for a release that is not signed yet.",
    )
    suite: Suite | None = Field(None, description="The Debian suite that has the package, such as trixie-backports.")
    version: Version | None = Field(
        None, description="The Debian package's exact version; the suite's newest where left out."
    )


class PatchEntry(Entry):
    """What is applied to a source: a file, or one of range, revert and message."""

    model_config = ConfigDict(json_schema_extra=lambda schema: _one_of(PATCHES, schema))

    file: Text | None = Field(
        None,
        description="The same as the text alone: a series of orch's own kernels/patches, or a path (with a '/', or "
        "ending in .patch or .mbox) from the scenario's directory to a patch, an mbox, or a directory with a 'series'.",
    )
    range: Text | None = Field(
        None, description="Commits of git, oldest first, such as v7.3..topic; of the kernel's own source without 'git'."
    )
    git: Text | None = Field(None, description="The git repository of the range, as that of a source.")
    revert: Text | None = Field(None, description="A commit of the kernel's own git history to take back.")
    message: MessageId | None = Field(
        None, description="Message id of a series on a mailing list, fetched by b4, with the trailers of its replies."
    )
    version: PatchVersion | None = Field(None, description="Version of the series; the newest where left out.")
    mbox: Text | None = Field(
        None,
        description="An mbox with the thread, where it is not to be fetched; a path from the scenario's directory.",
    )

    @model_validator(mode="before")
    @classmethod
    def _text_is_a_file(cls, value: object) -> object:
        return {"file": value} if isinstance(value, str) else value


def kind_of(given: object, kinds: Mapping[str, tuple[str, ...]]) -> str:
    """The kind of an entry as the document has it: the first of `kinds` among its keys; "" for none of them."""
    if not isinstance(given, dict):
        return ""
    return next((kind for kind in kinds if given.get(kind) is not None), "")
