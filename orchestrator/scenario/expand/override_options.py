# SPDX-License-Identifier: GPL-2.0-only
"""Convert the values of --tree, --git, --patch, --message and --revert to `Overrides`."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.scenario.expand.overrides import LONGEST_NAME, MorePatches, OtherSource, Overrides
from orchestrator.scenario.resolve.files import is_address, place
from orchestrator.scenario.resolve.library import Library
from orchestrator.scenario.schema.fields import is_message_id
from orchestrator.scenario.sources import GitSource, Message, PatchSource, Revert, TreeSource
from orchestrator.yamlfile.messages import quoted, shown

# The common part of git-check-ref-format(1) and gitrevisions(7): no blanks, no ':' (a file), no glob, no option.
_REF = re.compile(r"^[^\s:?*\[\\-][^\s:?*\[\\]*$")

# An '@' that does not start a reflog entry such as HEAD@{1}, and is not a whole ref by itself.
_BETWEEN = re.compile(r"(?<=.)@(?=[^@{])")

_STEPS_BACK = re.compile(r"[~^](\d*)")

_COMMIT = re.compile(r"^[0-9a-f]{13,64}$")

_FORM = "write REPOSITORY@REF or REPOSITORY@A..B, such as ~/linux@topic"

_SHORT = 12
"""Number of hexadecimal digits of a commit in a name.  git abbreviates commits like this in the kernel's history."""


def read_overrides(
    tree: str | None, git: str | None, changes: Iterable[tuple[str, str]], *, here: Path, data: Path
) -> Overrides:
    """Return the overrides of a command line.

    `changes` has (option without its dashes, text) pairs of patch, message and revert, in order.  Relative paths start
    at `here`.  `data` is the directory with `patches/`; a series there is named by its directory name.  Raises
    UsageError with one sentence.
    """
    if tree is not None and git is not None:
        raise UsageError("--tree and --git: both say where the kernel comes from; give one of them")
    sources = (_tree(tree, here),) if tree is not None else _git(git, here) if git is not None else ()
    return Overrides(sources, tuple(_change(kind, text, here, data) for kind, text in changes))


def _tree(text: str, here: Path) -> OtherSource:
    path = _directory("--tree", text, here, "the top directory of a kernel source")
    return OtherSource(_name(path.name, "tree"), TreeSource(path), shlex.join(("--tree", str(path))))


def _directory(option: str, text: str, here: Path, what: str) -> Path:
    path = Path(os.path.normpath(place(text, here)))
    if not os.path.isdir(path):  # noqa: PTH112 -- Path.is_dir() raises for names that are too long
        raise UsageError(f"{option}: no directory {quoted(shown(path))}; give it {what}")
    return path


def _git(text: str, here: Path) -> tuple[OtherSource, ...]:
    repository, commits = _split_git(text, here)
    refs = commits.split("..")
    if len(refs) > 2 or not any(refs) or not all(_is_ref(ref) for ref in refs if ref):
        raise UsageError(f"--git: {quoted(text)} names no commit of a repository; {_FORM}")
    if not is_address(repository):
        repository = str(_directory("--git", repository, here, "a git repository"))
    option = shlex.join(("--git", f"{repository}@{commits}"))
    called = repository.rstrip("/").removesuffix(".git").rpartition("/")[2]
    return tuple(OtherSource(_ref_name(ref, called), GitSource(repository, ref or "HEAD"), option) for ref in refs)


def _split_git(text: str, here: Path) -> tuple[str, str]:
    """Split `text` into the repository and the refs.

    If both could contain an '@', an existing directory with an '@' in its name is preferred to a ref with one.
    """
    splits = [(text[: at.start()], text[at.end() :]) for at in reversed(list(_BETWEEN.finditer(text)))]
    usable = (split for split in splits if is_address(split[0]) or os.path.isdir(place(split[0], here)))  # noqa: PTH112
    return next(usable, splits[0] if splits else ("", ""))


def _is_ref(text: str) -> bool:
    return _REF.match(text) is not None and not text.startswith(".") and not text.endswith(".")


def _ref_name(ref: str, repository: str) -> str:
    """Return a kernel name for `ref`.

    For HEAD it is made from `repository`, as HEAD describes nothing.
    """
    if ref in ("", "HEAD", "@"):
        return _name(repository, "head")
    # topic^ is another commit than topic, and topic~ the same as topic~1.
    return _name(_STEPS_BACK.sub(lambda back: f"-{back[1] or 1}", _short(ref)), "head")


def _short(commit: str) -> str:
    return commit[:_SHORT] if _COMMIT.match(commit) else commit


def _change(kind: str, text: str, here: Path, data: Path) -> MorePatches:
    if kind == "message":
        if not is_message_id(text):
            raise UsageError(f"--message: {quoted(text)} is no message id; it has an '@', and neither '/' nor blanks")
        number = text.strip("<>")
        return _more(number.partition("@")[0], Message(number), "--message", number)
    if kind == "revert":
        if not _is_ref(text) or ".." in text:
            raise UsageError(f"--revert: {quoted(text)} names no commit; give it one, such as a hash or topic~3")
        return _more(f"revert-{_short(text)}", Revert(text), "--revert", text)
    path, option_value = _patch(text, here, data)
    called = path.name if path.is_dir() else path.name.removesuffix(".patch").removesuffix(".mbox")
    return _more(called, path, "--patch", option_value)


def _patch(text: str, here: Path, data: Path) -> tuple[Path, str]:
    """Return the file or series of `text`, and an option value for any directory.

    An existing path is preferred to a series that comes with orch.
    """
    path = Path(os.path.normpath(place(text, here)))
    exists = os.path.lexists(path)
    if not exists and ("/" in text or text.endswith((".patch", ".mbox"))):
        raise UsageError(f"--patch: no file or directory {quoted(shown(path))}; give it a patch, an mbox or a series")
    try:
        found = Library(data, here).patches(str(path) if exists else text)
    except LookupError as error:
        raise UsageError(f"--patch: {error}") from None
    return found, str(path) if exists else text


def _more(name: str, patch: PatchSource, option: str, text: str) -> MorePatches:
    return MorePatches(_name(name, "patched"), patch, shlex.join((option, text)))


def _name(text: str, otherwise: str) -> str:
    """Return `text` as a kernel name of lower-case letters, digits, '.', '_' and '-'."""
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    return name[:LONGEST_NAME].rstrip("-._") or otherwise
