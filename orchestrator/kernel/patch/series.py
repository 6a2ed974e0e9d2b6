# SPDX-License-Identifier: GPL-2.0-only
"""Patch series: read from any kind of source, merged if necessary, applied to trees."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import PatchError
from orchestrator.events import Emit, Event, Kind, ignore
from orchestrator.host.base import Command, Completed, Host
from orchestrator.host.full import failure
from orchestrator.kernel.model import Patch, SourceTree
from orchestrator.kernel.patch.b4 import asker
from orchestrator.kernel.patch.choose import choose
from orchestrator.kernel.patch.diff import NotAPatch, hunk_number, printable
from orchestrator.kernel.patch.git import of_range, of_revert
from orchestrator.kernel.patch.mbox import Post, needs_decoding, posts
from orchestrator.kernel.patch.merge import AlreadyThere, Conflict, merge
from orchestrator.kernel.patch.message import of_message
from orchestrator.kernel.patch.store import contents, keep, make_patch, workplace
from orchestrator.kernel.patch.strip import Prefixes, in_subdirectory
from orchestrator.scenario.sources import GitRange, Message, PatchSource, Revert

_FAILED = re.compile(r"^error: patch failed: (?P<file>.+):(?P<line>\d+)$", re.MULTILINE)
_MISSING = re.compile(r"^error: (?P<file>.+): (?:No such file or directory|does not exist in index)$", re.MULTILINE)
_CONFLICT = re.compile(r"^U (?P<file>.+)$", re.MULTILINE)
MAILBOXES = (".mbox", ".mbx")
"""Suffixes with which a file with one message counts as a mailbox.

A patch 2/3 in a mailbox is a series with missing patches.  In another file it is the single patch that the user names.
"""
_NO_BLOB = "lacks the necessary blob"


Say = Callable[[str], None]
"""Receives a sentence about what was chosen."""


def ignored(_text: str) -> None:
    """Ignore the sentence."""


def read_patches(
    host: Host, cache: Path, sources: tuple[PatchSource, ...], tree: SourceTree, *, where: str, say: Say = ignored
) -> tuple[Patch, ...]:
    """Return the patches that `sources` name, in order, as files in the cache.

    Later changes of the sources have no effect on them.  `tree` is the kernel source that they are for, `where` the
    place in the scenario for errors.  `say` receives what was chosen from a mailbox.
    Raises PatchError or UsageError for what does not exist, is refused, or is no patch; InfrastructureError.
    """
    read: list[Patch] = []
    reader = Reader(host, Prefixes(tree.path), say)
    for source in sources:
        with workplace(cache) as work:
            read.extend(keep(cache, patch) for patch in _read(reader, cache, source, tree, work, where))
    return tuple(read)


def _read(
    reader: Reader, cache: Path, source: PatchSource, tree: SourceTree, work: Path, where: str
) -> tuple[Patch, ...]:
    match source:
        case GitRange():
            return of_range(reader.host, cache, source, tree, work, where)
        case Revert():
            return of_revert(reader.host, source, tree, work, where)
        case Message():
            choice, label = of_message(reader.host, source, work, where)
            reader.say(f"message {printable(source.id)}: {choice.describe()}")
            return reader.patches(choice.patches, label)
        case _:
            return reader.series(source)


@dataclass(frozen=True)
class Reader:
    """A reader of patch files; `prefixes` has the tree that they are for, if any."""

    host: Host
    prefixes: Prefixes | None = None
    say: Say = ignored

    def series(self, path: Path) -> tuple[Patch, ...]:
        """Return the patches at `path`, in order.

        It is a single file, an mbox, or a directory whose `series` file lists such files.
        Raises PatchError for a file that is missing, is not text, has no diff, or touches files outside of the tree.
        """
        if not path.is_dir():
            return self.file(path)
        listed = path / "series"
        if not listed.is_file():
            raise PatchError(f"{path}: no patch series here; list the patches, one per line, in {listed.name}")
        names = [line.split("#")[0].strip() for line in contents(listed).decode(errors="replace").splitlines()]
        if not any(names):
            raise PatchError(f"{listed}: lists no patch, and the kernel would be built without; list one per line")
        return tuple(patch for name in names if name for patch in self._listed(path, name))

    def _listed(self, directory: Path, name: str) -> tuple[Patch, ...]:
        # As in quilt, an option such as -p1 may follow the name.
        name = name.removesuffix(" -p1").strip()
        if "\0" in name or not (directory / name).exists():
            shown = printable(str(directory / name))
            raise PatchError(f"{shown}: the series names this patch, but there is no such file")
        return self.file(directory / name)

    def file(self, path: Path) -> tuple[Patch, ...]:
        """Return the patch in a file, or the series in an mbox; raises as `series`."""
        data = contents(path)
        mailbox = path.suffix.lower() in MAILBOXES
        if not mailbox and not needs_decoding(data):
            return (make_patch(path, data, str(path), self.prefixes),)
        try:
            found = posts(data)
        except NotAPatch as error:
            raise PatchError(f"{path}: {error}") from None
        choice = choose(found, str(path), asker(self.host), alone=not mailbox)
        self.say(f"{printable(path.name)}: {choice.describe()}")
        return self.patches(choice.patches, str(path))

    def patches(self, chosen: tuple[Post, ...], label: str) -> tuple[Patch, ...]:
        """Return the messages of a series as patches; errors begin with `label`."""
        return tuple(
            make_patch(
                Path(post.name),
                post.text.encode(errors="surrogateescape"),
                f"{label}: '{printable(post.title)[:80]}'",
                self.prefixes,
            )
            for post in chosen
        )


def read_series(host: Host, path: Path) -> tuple[Patch, ...]:
    """Return the patches at `path`, for no particular tree: see `Reader.series`."""
    return Reader(host).series(path)


def read_patch(path: Path) -> Patch:
    """Return the single patch in a file, unchanged; raises as `Reader.series`."""
    return make_patch(path, contents(path), str(path))


def fit_series(
    host: Host, cache: Path, tree: SourceTree, series: tuple[Patch, ...], kernel: str, emit: Emit = ignore
) -> tuple[Patch, ...]:
    """Return `series` if it applies to `tree`, else the result of a three-way merge.

    A merge needs a tree with a history.  A merged patch is kept in the cache and reported in a NOTE.  Raises PatchError
    as `check_series`.
    """
    _refuse_links(tree.path, series, kernel)
    if tree.git is None or not series or _git_check(host, tree.path, series).ok:
        check_series(host, tree.path, series, kernel)
        return series
    try:
        with workplace(cache) as work:
            merged = merge(host, tree.git, series, work)
    except AlreadyThere as error:
        raise PatchError(f"kernel '{kernel}': patch {error.patch.path.name} is in this source already") from None
    except Conflict as conflict:
        raise failure(_explain_conflict(conflict, kernel), conflict.direct.output, PatchError) from None
    fitting = tuple(keep(cache, new) if new is not old else old for new, old in zip(merged, series, strict=True))
    check_series(host, tree.path, fitting, kernel)
    for new, old in zip(fitting, series, strict=True):
        if new.text != old.text:
            emit(Event(kernel, "patch", Kind.NOTE, f"patch {old.path.name} merged three-way"))
    return fitting


def check_series(host: Host, tree: Path, series: tuple[Patch, ...], kernel: str) -> None:
    """Raise PatchError unless `series` applies to `tree`; nothing is written.

    The error names kernel, patch, file and hunk.
    """
    _refuse_links(tree, series, kernel)
    if not series or _git_check(host, tree, series).ok:
        return
    for count, patch in enumerate(series, 1):
        done = _git_check(host, tree, series[:count])
        if not done.ok:
            raise failure(explain(patch, kernel, done, tree), done.output, PatchError)


def applies(host: Host, tree: Path, series: tuple[Patch, ...]) -> bool:
    """Return whether `series` applies to `tree`; nothing is written."""
    return _git_check(host, tree, series).ok


def apply(host: Host, tree: Path, patch: Patch, kernel: str) -> None:
    """Apply `patch` to `tree`; hard links are replaced, never written through.

    Raises PatchError as `check_series`.
    """
    argv = ("git", "apply", "-p1", "--whitespace=nowarn", str(patch.path.resolve()))
    done = host.run(Command(argv, cwd=tree, env=_OUTSIDE_GIT, timeout=120))
    if not done.ok:
        raise failure(explain(patch, kernel, done), done.output, PatchError)


# A file may lack the newline at its end, but the next file must begin on a new line.
_CHECK = """
for file; do test -r "$file" || { echo "error: $file cannot be read"; exit 1; }; done
for file; do cat -- "$file"; echo; done | git apply -p1 --check -
"""
# git must treat the tree as a plain directory, even if the cache is in a checkout.
_OUTSIDE_GIT = {
    "GIT_DIR": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "LC_ALL": "C",
}


def _git_check(host: Host, tree: Path, series: tuple[Patch, ...]) -> Completed:
    # As one input: of several patch files, git checks each against the tree without the earlier patches.
    files = tuple(str(patch.path.resolve()) for patch in series)
    return host.run(Command(("sh", "-c", _CHECK, "check", *files), cwd=tree, env=_OUTSIDE_GIT, timeout=120))


def _refuse_links(tree: Path, series: tuple[Patch, ...], kernel: str) -> None:
    """Raise PatchError if `series` changes a symbolic link, or a file below one.

    A patch without modes would change the target of the link, and git's own error for a file below a link says little.
    """
    for patch in series:
        for file in patch.files:
            # Without the last parent, which is the tree itself.
            link = next((p for p in (Path(file), *Path(file).parents[:-1]) if (tree / p).is_symlink()), None)
            if link:
                what = f"kernel '{kernel}': patch {patch.path.name} changes {file}, and {link} is a symbolic link"
                raise PatchError(f"{what} in this source; only plain text files can be patched")


def explain(patch: Patch, kernel: str, failed: Completed, tree: Path | None = None) -> str:
    """Return the message for a patch that ``git apply`` refused to apply to `tree`."""
    subject = f"kernel '{kernel}': patch {patch.path.name} does not apply"
    hunk = _FAILED.search(failed.output)
    if hunk:
        number = hunk_number(patch.text, hunk["file"], int(hunk["line"]))
        return f"{subject}: {hunk['file']}, hunk {number} (line {hunk['line']}); rebase it on this source"
    missing = _MISSING.search(failed.output)
    place = in_subdirectory(tree, (missing["file"],)) if missing and tree else None
    if missing and place:
        return f"{subject}: this source has {missing['file']} in {place}/; make the patch at the top of the source"
    if missing:
        return f"{subject}: this source has no file {missing['file']}; the patch is for another version"
    return f"{subject}: {failed.output.strip().splitlines()[0] if failed.output.strip() else 'git apply failed'}"


def _explain_conflict(conflict: Conflict, kernel: str) -> str:
    message = explain(conflict.patch, kernel, conflict.direct)
    files = ", ".join(match["file"] for match in _CONFLICT.finditer(conflict.merged.output))
    if files:
        return f"{message}; a three-way merge conflicts in {files}"
    if _NO_BLOB in conflict.merged.output:
        return f"{message}; for a three-way merge the repository lacks what the patch was made from"
    return message
