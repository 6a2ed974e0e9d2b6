# SPDX-License-Identifier: GPL-2.0-only
"""What is reviewed: a series with its base, or a range of commits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.events import Emit
from orchestrator.host.base import Host, check
from orchestrator.kernel.base.debian_fit import debian_sources
from orchestrator.kernel.base.find import Search
from orchestrator.kernel.base.git_fit import Repository
from orchestrator.kernel.base.model import Base, Candidate
from orchestrator.kernel.base.stated import stated_by
from orchestrator.kernel.git import ask, open_store
from orchestrator.kernel.patch.body import change_id
from orchestrator.kernel.patch.mbox import posts
from orchestrator.kernel.patch.reviewed import Reviewed, read_reviewed
from orchestrator.scenario.schema.fields import is_message_id
from orchestrator.scenario.sources import DebianSource, GitSource, Message

_RANGE = re.compile(r"^(?P<old>[^\s:?*\[\\-][^\s:?*\[\\]*?)\.\.(?P<new>[^\s:?*\[\\.-][^\s:?*\[\\]*)$")
_DEBIAN = re.compile(r"^(?P<package>linux-source-\d+\.\d+)(?:/(?P<suite>[a-z-]+))?$")
_FORMS = "give a message id, an mbox or patch file, a directory with a series, or a range such as v7.3..topic"


@dataclass(frozen=True)
class Subject:
    """What is reviewed.

    `base` is the source without the change.  The change is `series`, or, if that is None, the source `variant`.
    `files` are those that the change touches, `changes` the `change_id` of each patch.
    """

    base: Base
    files: tuple[str, ...]
    title: str
    series: Reviewed | None = None
    variant: GitSource | None = None
    patches: int = 1
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What the user wants reviewed: see `cli.options.ReviewOptions`.  `here` is the current directory."""

    series: str
    mbox: Path | None
    git: str | None
    base: str | None
    here: Path


def find_subject(host: Host, cache: Path, wanted: Wanted, emit: Emit, say: Callable[[str], None]) -> Subject:
    """Return what is reviewed; `say` receives a sentence about the series and one about the base.

    Raises UsageError or PatchError for what does not exist or fits no source, InfrastructureError.
    """
    repository = _repository(host, cache, wanted)
    source = _series(wanted)
    if source is None:
        return _of_range(host, wanted, repository)
    series = read_reviewed(host, cache, source, "orch review")
    if series.about:
        say(f"series: {series.about}")
    if repository:
        say(f"git repository: {repository.path}")
    stated = stated_by((patch.text for patch in series.patches), series.letters)
    if wanted.base:
        base = Base(_named(wanted.base, repository), "as --base names it")
    else:
        search = Search(host, series.patches, stated, repository)
        base = search.find(debian_sources(host, cache, emit))
    for note in base.notes:
        say(note)
    say(base.describe + _others(base))
    changes = tuple(change_id(patch.data) for patch in series.patches)
    return Subject(base, stated.files, series.title, series, patches=len(series.patches), changes=changes)


def _others(base: Base) -> str:
    """Return the names of further sources that fit, as the end of a sentence."""
    shown = ", ".join(base.others[:5])
    more = f" and {len(base.others) - 5} more" if len(base.others) > 5 else ""
    return f"; {shown}{more} fit{'s' if len(base.others) == 1 else ''}, too; --base chooses another" if shown else ""


def _repository(host: Host, cache: Path, wanted: Wanted) -> Repository | None:
    """Return the repository of --git, else that of the current directory if it is one of a kernel."""
    if wanted.git is None and not ((wanted.here / ".git").exists() and (wanted.here / "Kbuild").exists()):
        return None
    path = (wanted.here / Path(wanted.git or "").expanduser()).resolve()
    if not path.is_dir():
        raise UsageError(f"--git: no directory '{path}'; name a git repository of this machine")
    return Repository(host, path, open_store(host, cache, str(path), address=False, where="--git"))


def _series(wanted: Wanted) -> Path | Message | None:
    """Return the series that the user means; None for a range of commits."""
    text = wanted.series
    path = wanted.here / Path(text).expanduser()
    if is_message_id(text):
        return Message(text.strip("<>"), mbox=wanted.mbox.absolute() if wanted.mbox else None)
    if wanted.mbox:
        raise UsageError(f"--mbox: it goes with a message id, and '{text}' is none")
    if path.exists():
        return path.resolve()
    if _RANGE.match(text):
        return None
    raise UsageError(f"orch review: '{text}' is no file, no message id and no range of commits; {_FORMS}")


def _named(text: str, repository: Repository | None) -> Candidate:
    """Return the base that the user names: a package of Debian, or a commit."""
    package = _DEBIAN.match(text)
    if package:
        return Candidate(text, DebianSource(package["package"], package["suite"] or "trixie-backports"))
    if repository is None:
        raise UsageError(f"--base: '{text}' is looked up in a git repository; name one with --git, or linux-source-X.Y")
    commit = repository.commit(text)
    if commit is None:
        raise UsageError(f"--base: no commit '{text}' in the git repository {repository.path}")
    return Candidate(text, GitSource(str(repository.path), commit))


def _of_range(host: Host, wanted: Wanted, repository: Repository | None) -> Subject:
    if repository is None:
        raise UsageError(f"orch review: '{wanted.series}' is a range of commits; name their repository with --git")
    found = _RANGE.match(wanted.series)
    if found is None:
        raise UsageError(f"orch review: '{wanted.series}' is no range of commits; write it as OLDER..NEWER")
    if wanted.base:
        raise UsageError(f"--base: the base of '{wanted.series}' is its older end; leave --base out")
    old, new = (_commit(repository, name) for name in (found["old"], found["new"]))
    path = repository.path
    log = check(ask(host, path, "log", "--format=%s", f"{old}..{new}"), "reading commits").output.splitlines()
    if not log:
        raise UsageError(f"orch review: no commits in '{wanted.series}'; is it the wrong way round?")
    changed = check(ask(host, path, "diff", "--name-only", "--no-renames", "-z", old, new), "reading commits").output
    candidate = Candidate(found["old"], GitSource(str(path), old))
    title = log[0] if len(log) == 1 else f"{wanted.series}: {log[0]}, and {len(log) - 1} more"
    variant = GitSource(str(path), new)
    files = tuple(name for name in changed.split("\0") if name)
    mails = check(ask(host, path, "format-patch", "--stdout", f"{old}..{new}"), "reading commits").output
    changes = tuple(change_id(post.body) for post in posts(mails.encode(errors="surrogateescape")))
    base = Base(candidate, "the older end of the range")
    return Subject(base, files, title, variant=variant, patches=len(log), changes=changes)


def _commit(repository: Repository, name: str) -> str:
    commit = repository.commit(name)
    if commit is None:
        raise UsageError(f"orch review: no commit '{name}' in the git repository {repository.path}")
    return commit
