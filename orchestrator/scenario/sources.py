# SPDX-License-Identifier: GPL-2.0-only
"""The source of a kernel and the patches applied to it, as frozen values independent of YAML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DebianSource:
    """A `linux-source-X.Y` package of a Debian suite.

    `version` is the exact version; None means the suite's newest.
    """

    package: str
    suite: str
    version: str | None = None


@dataclass(frozen=True)
class GitSource:
    """A revision of a git repository.

    `repository` is an absolute path or an address that git can fetch from.  `ref` is a branch, a tag, a commit, or an
    expression of these such as topic~3.
    """

    repository: str
    ref: str


@dataclass(frozen=True)
class TreeSource:
    """A directory with a kernel source in its current state, with uncommitted changes.

    `path` is absolute.
    """

    path: Path


@dataclass(frozen=True)
class TarballSource:
    """A source tarball: `location` is an absolute path or an address.

    `sha256` is that of the file, in hex; None means that the file at a path is not verified.
    """

    location: str
    sha256: str | None = None


@dataclass(frozen=True)
class ImageSource:
    """A kernel that is already built: an image file or the build directory of one.

    All paths are absolute.  `modules` is a directory with its modules (as installed by ``make modules_install``),
    `config` its configuration.  None means the place where a build or a distribution puts them, or the image itself.
    """

    path: Path
    modules: Path | None = None
    config: Path | None = None


@dataclass(frozen=True)
class DebianImageSource:
    """A `linux-image-*` or `linux-binary-*` package of a Debian suite; it can be a meta package."""

    package: str
    suite: str
    version: str | None = None


BuiltSource = DebianSource | GitSource | TreeSource | TarballSource
"""The sources that a kernel is built from."""

PrebuiltSource = ImageSource | DebianImageSource
"""The sources that are already built kernels."""

Source = BuiltSource | PrebuiltSource
"""The source of a kernel."""


@dataclass(frozen=True)
class GitRange:
    """The commits of `range`, such as v7.3..topic, oldest first.

    `repository` is as in `GitSource`; None means the kernel's own source.
    """

    range: str
    repository: str | None = None


@dataclass(frozen=True)
class Revert:
    """The reverse of one commit in the history of the kernel's source."""

    commit: str


@dataclass(frozen=True)
class Message:
    """A series on a mailing list, identified by the message id of any of its mails.

    `version` is the version of the series; None means the newest.  `mbox` is the absolute path of a file with the
    mails; None means that the thread is fetched from the list's archive.
    """

    id: str
    version: int | None = None
    mbox: Path | None = None


PatchSource = Path | GitRange | Revert | Message
"""A change applied to a source.  A path is absolute: a patch file, an mbox, or a directory with a `series` file."""
