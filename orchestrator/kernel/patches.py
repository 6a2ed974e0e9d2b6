# SPDX-License-Identifier: GPL-2.0-only
"""Patch series: read from disk, checked against a tree, applied to a tree."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.errors import PatchError
from orchestrator.host.base import Completed, Host
from orchestrator.kernel.model import Patch

_FILE = re.compile(r"^(?:(?:---|\+\+\+) [ab]/|diff --git a/|rename to |copy to )(\S+)", re.MULTILINE)
_ANY_NAME = re.compile(r"^(?:---|\+\+\+|rename to|copy to) (?:[ab]/)?(?!/dev/null$)(\S+)", re.MULTILINE)
_NO_TEXT = re.compile(
    r"^(?:(?:new file mode|new mode|index \S+) 1[26]0000|GIT binary patch|Binary files .* differ)$", re.MULTILINE
)
_FAILED = re.compile(r"^error: patch failed: (?P<file>.+):(?P<line>\d+)$", re.MULTILINE)
_MISSING = re.compile(r"^error: (?P<file>.+): No such file or directory$", re.MULTILINE)
_HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+")


def read_series(path: Path) -> tuple[Patch, ...]:
    """The patches at `path`, in order: a single file, or a directory whose `series` file lists them.

    Raises PatchError for a file that is missing, is not text, holds no diff, or reaches outside the tree.
    """
    if path.is_file():
        return (read_patch(path),)
    series = path / "series"
    if not series.is_file():
        raise PatchError(f"{path}: no patch series here; list the patches, one a line, in {series.name}")
    names = [line.split("#")[0].strip() for line in series.read_text(errors="replace").splitlines()]
    return tuple(read_patch(path / name) for name in names if name)


def read_patch(path: Path) -> Patch:
    """One patch file; see `read_series` for what is refused."""
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise PatchError(f"{path}: the series names this patch, but there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PatchError(f"{path}: cannot be read as a patch: {error}") from error
    files = tuple(dict.fromkeys(_FILE.findall(text)))
    if not files:
        raise PatchError(f"{path}: holds no diff; a patch is made by 'git format-patch'")
    strange = _NO_TEXT.search(text)
    if strange:
        raise PatchError(f"{path}: '{strange[0]}': only plain text files can be patched, no links and no binaries")
    outside = next((f for f in _ANY_NAME.findall(text) if f.startswith("/") or ".." in Path(f).parts), None)
    if outside:
        raise PatchError(f"{path}: touches '{outside}', which is outside of the source tree")
    return Patch(path, text, files)


def check_series(host: Host, tree: Path, series: tuple[Patch, ...], kernel: str) -> None:
    """Raise PatchError, naming kernel, patch, file and hunk, unless `series` applies to `tree`; writes nothing."""
    if not series or _git_check(host, tree, series).ok:
        return
    for count, patch in enumerate(series, 1):
        done = _git_check(host, tree, series[:count])
        if not done.ok:
            raise PatchError(explain(patch, kernel, done))


def apply(host: Host, tree: Path, patch: Patch, kernel: str) -> None:
    """Apply `patch` to `tree`; hard links are broken, never written through.  Raises PatchError as `check_series`."""
    argv = ("git", "apply", "--whitespace=nowarn", str(patch.path.resolve()))
    done = host.run(argv, cwd=tree, env=_OUTSIDE_GIT, timeout=120)
    if not done.ok:
        raise PatchError(explain(patch, kernel, done))


_CHECK = 'cat -- "$@" | git apply --check -'
# git must take the tree for a plain directory even where the cache lies inside somebody's checkout.
_OUTSIDE_GIT = {"GIT_DIR": "/nonexistent", "LC_ALL": "C"}


def _git_check(host: Host, tree: Path, series: tuple[Patch, ...]) -> Completed:
    # As one input, because git checks every file of patches against the tree and not against what comes before it.
    files = tuple(str(patch.path.resolve()) for patch in series)
    return host.run(("sh", "-c", _CHECK, "check", *files), cwd=tree, env=_OUTSIDE_GIT, timeout=120)


def explain(patch: Patch, kernel: str, failed: Completed) -> str:
    """The one sentence for a patch that ``git apply`` refused."""
    subject = f"kernel '{kernel}': patch {patch.path.name} does not apply"
    hunk = _FAILED.search(failed.output)
    if hunk:
        number = hunk_number(patch.text, hunk["file"], int(hunk["line"]))
        return f"{subject}: {hunk['file']}, hunk {number} (line {hunk['line']}); rebase it on this source"
    missing = _MISSING.search(failed.output)
    if missing:
        return f"{subject}: this source has no file {missing['file']}; the patch is for another version"
    return f"{subject}: {failed.output.strip().splitlines()[0] if failed.output.strip() else 'git apply failed'}"


def hunk_number(text: str, file: str, line: int) -> int:
    """Which hunk of `file` in the patch begins at `line` of the old file, from 1; 0 where none does."""
    current, number = "", 0
    for row in text.splitlines():
        if row.startswith(("--- ", "+++ ")):
            name = row[4:].split("\t")[0].removeprefix("a/").removeprefix("b/")
            current, number = (name if name != "/dev/null" else current), 0
        elif match := _HUNK.match(row):
            number += 1
            if current == file and int(match[1]) == line:
                return number
    return 0
