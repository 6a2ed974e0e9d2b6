# SPDX-License-Identifier: GPL-2.0-only
"""Git in bare repositories of orch, which only read the objects of a user's repository.

git/<hash>/     one bare repository for each repository that scenarios name: for a path it borrows the objects there
                (objects/info/alternates), from an address it fetches new objects

The user's checkout, index, stash, refs and configuration are never written.  Only the refs are read.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from orchestrator.errors import CommandError, InfrastructureError, UsageError
from orchestrator.host.base import Command, Completed, Host, check
from orchestrator.host.full import failure
from orchestrator.host.lock import locked
from orchestrator.kernel.model import GitOrigin

_ISOLATED = {
    # The result must not depend on the user or the machine, and no password can be typed.
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_AUTHOR_NAME": "orch",
    "GIT_AUTHOR_EMAIL": "orch@localhost",
    "GIT_COMMITTER_NAME": "orch",
    "GIT_COMMITTER_EMAIL": "orch@localhost",
    "LC_ALL": "C",
}
_INHERITED = (
    # git rev-parse --local-env-vars
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
    # Their output would mix with the output that is read.
    "GIT_CURL_VERBOSE",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_TRACE2_EVENT",
    "GIT_TRACE2_PERF",
    "GIT_TRACE_CURL",
    "GIT_TRACE_PACKET",
    "GIT_TRACE_PACK_ACCESS",
    "GIT_TRACE_PERFORMANCE",
    "GIT_TRACE_REFS",
    "GIT_TRACE_SETUP",
    "GIT_TRACE_SHALLOW",
)
_SECONDS = 600.0
_SECONDS_TO_FETCH = 3 * 3600.0
_SUFFIX = re.compile(r"(?:[~^]|@\{).*$")
ALTERNATES = "objects/info/alternates"
"""The list of the directories of objects that a store borrows."""
_ESCAPES = {"n": "\n"}
_COMMIT = re.compile(r"^[0-9a-f]{7,64}$")


def git(
    host: Host,
    store: Path,
    *args: str,
    env: dict[str, str] | None = None,
    stdin: str = "",
    timeout: float = _SECONDS,
) -> Completed:
    """Run git on the repository `store`, without the configuration of the user and the machine."""
    return git_run(host, store, ("git", *args), env=env, stdin=stdin, timeout=timeout)


def git_run(
    host: Host,
    store: Path,
    argv: tuple[str, ...],
    *,
    env: dict[str, str] | None = None,
    stdin: str = "",
    timeout: float = _SECONDS,
) -> Completed:
    """Run a command whose git uses `store`, without the user's and the machine's configuration."""
    environment = _ISOLATED | {"GIT_DIR": str(store)} | (env or {})
    return host.run(Command((*_without(environment), *argv), env=environment, stdin=stdin, timeout=timeout))


def _without(environment: dict[str, str]) -> tuple[str, ...]:
    """Return a command prefix that removes git's variables from the environment, except those in `environment`.

    Git sets some of them for its hooks, to name a repository; others turn on traces.
    """
    return ("env", *(argument for name in _INHERITED if name not in environment for argument in ("-u", name)))


def ask(host: Host, path: Path, *args: str) -> Completed:
    """Run git in the user's own repository, only to read.

    The user's configuration applies: it says which owners of repositories are trusted (safe.directory).
    """
    argv = (*_without({}), "git", "-C", str(path), *args)
    return host.run(Command(argv, env={"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}, timeout=_SECONDS))


NO_CONVERSION = "* -text -eol -ident -filter -working-tree-encoding\n"
"""Attributes with which git reads and writes each file byte for byte.

In a repository's info/attributes they take precedence over the .gitattributes of the source (gitattributes(5)).
"""


def store_of(cache: Path, origin: str) -> Path:
    """Return the path of orch's own repository for `origin`."""
    return cache / "git" / hashlib.sha256(origin.encode()).hexdigest()[:16]


def open_store(host: Host, cache: Path, origin: str, *, address: bool, where: str) -> Path:
    """Return orch's own repository for `origin`; make it if it is missing.

    If `origin` is a path, all objects of the repository there can be read through it.
    Raises UsageError, with `where`, for a path at which there is no repository.
    """
    theirs = None if address else repository_at(host, Path(origin), where)
    store = store_of(cache, origin)
    with locked(host, store.with_suffix(".lock")):
        open_bare(host, store, origin, theirs.form if theirs else "")
        if theirs:
            borrow(store, theirs.directory / "objects")
    return store


def open_bare(host: Host, store: Path, origin: str, form: str = "") -> None:
    """Make the bare repository `store` if it is missing; call with its lock held.

    `form` is the object format of `origin` (sha1, sha256).  It is empty for an address: that is asked if the store is
    made now.
    """
    made = store / "orch.origin"
    if made.exists() and form and form != form_of(store):
        # Another repository is there now, with another format: no object in the store can be used for it.
        check(host.run(Command(("rm", "-rf", str(store)))), "removing a git store")
    if not made.exists():
        form = form or _form_there(host, origin)
        check(git(host, store, "init", "-q", "--bare", f"--object-format={form}", str(store)), "making a git store")
        made.write_text(origin + "\n")
    attributes = store / "info/attributes"
    if not attributes.exists() or attributes.read_text() != NO_CONVERSION:
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text(NO_CONVERSION)


def form_of(store: Path) -> str:
    """Return the object format of a repository of orch.

    It is read from the file `config`, without git, because each run needs it.
    """
    config = (store / "config").read_text() if (store / "config").exists() else ""
    return "sha256" if re.search(r"objectformat\s*=\s*sha256", config, re.IGNORECASE) else "sha1"


def same_format(store: Path, other: Path) -> bool:
    """Return whether two repositories of orch can borrow objects from each other."""
    return form_of(store) == form_of(other)


def _form_there(host: Host, address: str) -> str:
    """Return the object format of the repository at `address`.

    The length of its commit ids shows it.  Returns sha1 if the address does not answer; the fetch that follows reports
    that error.
    """
    listed = host.run(
        Command(
            (*_without(_ISOLATED), "git", "ls-remote", "--", address), cwd=Path("/"), env=_ISOLATED, timeout=_SECONDS
        )
    )
    name = listed.output.partition("\t")[0].rpartition("\n")[2]
    return "sha256" if re.fullmatch(r"[0-9a-f]{64}", name) else "sha1"


def borrow(store: Path, objects: Path) -> None:
    """Let `store` read the objects in the directory `objects` of a user's repository.

    The repository may be a shallow clone.
    """
    (store / ALTERNATES).parent.mkdir(parents=True, exist_ok=True)
    (store / ALTERNATES).write_text(f"{quoted(objects)}\n")
    shallow = objects.parent / "shallow"
    if shallow.exists():
        (store / "shallow").write_text(shallow.read_text())
    else:
        (store / "shallow").unlink(missing_ok=True)


def borrowed_by(store: Path) -> Path | None:
    """Return the directory of objects that `store` borrows; None if it borrows none."""
    try:
        line = (store / ALTERNATES).read_text().removesuffix("\n")
    except OSError:
        return None
    if not line.startswith('"'):  # written by an earlier orch
        return Path(line)
    return Path(re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), line[1:-1]))


def quoted(path: Path) -> str:
    """Return a path as a string of C, as git takes it in lists of objects to borrow: it may have any character.

    See gitrepository-layout(5), objects/info/alternates, and git(1), GIT_ALTERNATE_OBJECT_DIRECTORIES.
    """
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


@dataclass(frozen=True)
class Repository:
    """A repository of the user.

    `directory` is its git directory, that of the main worktree if it has several.  `form` is its object format: sha1 or
    sha256.
    """

    directory: Path
    form: str


DESCRIBE = ("rev-parse", "--path-format=absolute", "--git-common-dir", "--show-object-format")
"""The question to git whose answer `described` reads."""


def described(answer: str) -> Repository:
    """Return the repository that git's answer to `DESCRIBE` describes."""
    directory, _, form = answer.removesuffix("\n").rpartition("\n")
    return Repository(Path(directory), form)


def require_utf8(path: Path, where: str) -> None:
    """Raise UsageError, with `where`, for a path that is not UTF-8: git's answers are read as text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UsageError(f"{where}: the path {path} is not UTF-8; rename the directory") from None


def repository_at(host: Host, path: Path, where: str) -> Repository:
    """Return the repository at `path`.

    Raises UsageError, with `where`, if there is none, or if git refuses it to this user.
    """
    require_utf8(path, where)
    found = ask(host, path, *DESCRIBE)
    if not found.ok:
        raise UsageError(f"{where}: {refusal(path, found)}")
    return described(found.output)


def refusal(path: Path, answer: Completed) -> str:
    """Return why git finds or accepts no repository at `path`, from the output of `answer`."""
    if "dubious ownership" in answer.output:
        remedy = f"if you trust them, run 'git config --global --add safe.directory {path}'"
        return f"git refuses {path}, which belongs to another user; {remedy}"
    return f"{path} is no git repository: {_first(answer)}"


def _first(done: Completed) -> str:
    lines = [line for line in done.output.splitlines() if line.strip()]
    return lines[0].removeprefix("fatal: ") if lines else f"git ended with status {done.status}"


def resolve(host: Host, store: Path, origin: str, ref: str, *, address: bool, where: str) -> str:
    """Return the id of the commit that `ref` names in `origin` now.

    If `origin` is an address, new objects are fetched first.
    Raises UsageError, with `where`, for a ref that does not exist, InfrastructureError if the address cannot be fetched
    from.
    """
    if ref.startswith(("-", "^")):
        raise UsageError(f"{where}: '{ref}' is no name of a commit")
    if address:
        return _fetched(host, store, origin, ref, where)
    found = ask(host, Path(origin), "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if not found.ok:
        listed = ask(host, Path(origin), "for-each-ref", "--format=%(refname:short)")
        raise UsageError(_no_ref(ref, origin, listed.output.split(), where))
    return found.output.strip()


def _no_ref(ref: str, origin: str, known: list[str], where: str) -> str:
    near = get_close_matches(ref, [name for name in known if name != ref], 1)
    remedy = f"; did you mean '{near[0]}'?" if near else "; 'git log' and 'git branch -a' there show what there is"
    return f"{where}: no commit '{ref}' in the git repository {origin}{remedy}"


def _fetched(host: Host, store: Path, origin: str, ref: str, where: str) -> str:
    name, suffix = _SUFFIX.sub("", ref), (_SUFFIX.search(ref) or [""])[0]
    if _COMMIT.match(name) and (known := _commit(host, store, ref)):
        return known
    with locked(host, store.with_suffix(".lock")):
        listed = git(host, store, "ls-remote", "--", origin)
        if not listed.ok:
            raise failure(f"{where}: {origin} cannot be reached: {_first(listed)}", listed.output, InfrastructureError)
        lines = (line.partition("\t") for line in listed.output.splitlines())
        refs = {name: commit for commit, _, name in lines}
        full = next((f for f in _candidates(name) if f in refs), None)
        if full is None and not _COMMIT.match(name):
            known_refs = [f.removeprefix("refs/heads/").removeprefix("refs/tags/") for f in refs]
            raise UsageError(_no_ref(ref, origin, known_refs, where))
        # A commit may be in any branch, so all branches are fetched.
        specs = [f"+{full}:refs/orch/{full}"] if full else ["+refs/heads/*:refs/orch/refs/heads/*"]
        _fetch(host, store, origin, specs)
    found = _commit(host, store, f"refs/orch/{full}{suffix}" if full else ref)
    if found is None:
        raise UsageError(_no_ref(ref, origin, [], where))
    return found


def _candidates(name: str) -> tuple[str, ...]:
    """Return the full names that a short ref can mean, in the order of gitrevisions(7)."""
    return (name, f"refs/{name}", f"refs/tags/{name}", f"refs/heads/{name}")


def _fetch(host: Host, store: Path, origin: str, specs: list[str]) -> None:
    # A shallow repository is fetched as far as it goes.
    argv = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--update-shallow", "--", origin, *specs)
    done = git(host, store, *argv, timeout=_SECONDS_TO_FETCH)
    check(done, f"fetching from {origin}")


def _commit(host: Host, store: Path, ref: str) -> str | None:
    found = git(host, store, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    return found.output.strip() if found.ok else None


def ensure(host: Host, git_origin: GitOrigin, ref: str, *, where: str) -> str:
    """Return the id of the commit `ref` in a source's repository.

    The objects of the commit are in the source's store afterwards.
    Raises UsageError, with `where`, for a ref that does not exist.
    """
    address = not Path(git_origin.origin).is_dir()
    return resolve(host, git_origin.store, git_origin.origin, ref, address=address, where=where)


def tree_id(host: Host, store: Path, commit: str) -> str:
    """Return the id of the tree object of `commit`."""
    done = git(host, store, "rev-parse", "--verify", f"{commit}^{{tree}}")
    if not done.ok:
        raise CommandError(f"{store} does not have the commit {commit}: {_first(done)}")
    return done.output.strip()


def subject(host: Host, store: Path, commit: str) -> str:
    """Return the first line of a commit's message."""
    return check(git(host, store, "log", "-1", "--format=%s", commit), "reading a commit").output.strip()
