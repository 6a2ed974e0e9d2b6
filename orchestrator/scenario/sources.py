# SPDX-License-Identifier: GPL-2.0-only
"""Where a kernel comes from, and what is applied to its source: frozen values, free of YAML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DebianSource:
    """A `linux-source-X.Y` package of a Debian suite; `version` pins it, None takes the suite's newest."""

    package: str
    suite: str
    version: str | None = None


@dataclass(frozen=True)
class GitSource:
    """What `ref` names in a git repository: an absolute path, or an address that git can fetch from.

    `ref` is a branch, a tag, a commit, or an expression of them such as topic~3.
    """

    repository: str
    ref: str


@dataclass(frozen=True)
class TreeSource:
    """A directory with a kernel source as it is now, changes that are not committed included; absolute."""

    path: Path


@dataclass(frozen=True)
class TarballSource:
    """A source tarball: an absolute path or an address; `sha256`, in hex, is that of the file, and None for a path
    that is taken as it is."""

    location: str
    sha256: str | None = None


@dataclass(frozen=True)
class ImageSource:
    """A kernel that somebody else built: an image file, or a directory in which one was built; absolute.

    `modules` is a directory with its modules (as ``make modules_install`` leaves them), `config` its configuration;
    None for what lies where a build or a distribution puts it, or is in the image.
    """

    path: Path
    modules: Path | None = None
    config: Path | None = None


@dataclass(frozen=True)
class DebianImageSource:
    """A distribution's kernel: a `linux-image-*` or `linux-binary-*` package of a Debian suite, a meta package
    included."""

    package: str
    suite: str
    version: str | None = None


BuiltSource = DebianSource | GitSource | TreeSource | TarballSource
"""The sources that a kernel is built from."""

PrebuiltSource = ImageSource | DebianImageSource
"""The sources that are kernels already."""

Source = BuiltSource | PrebuiltSource
"""Where a kernel comes from."""


@dataclass(frozen=True)
class GitRange:
    """The commits of `range`, such as v7.3..topic, oldest first, from `repository` (as in `GitSource`); None for the
    kernel's own source."""

    range: str
    repository: str | None = None


@dataclass(frozen=True)
class Revert:
    """The reverse of one commit in the history of the kernel's source."""

    commit: str


@dataclass(frozen=True)
class Message:
    """A series on a mailing list, by the message id of any of its mails: `version` of it, None for the newest.

    `mbox`, absolute, has the mails; None to fetch the thread from the list's archive.
    """

    id: str
    version: int | None = None
    mbox: Path | None = None


PatchSource = Path | GitRange | Revert | Message
"""What is applied to a source; a path, absolute, is a patch file, an mbox, or a directory with a `series` file."""
