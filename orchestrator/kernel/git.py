# SPDX-License-Identifier: GPL-2.0-only
"""Git, at arm's length: orch's own bare repositories, which reach a user's objects and touch nothing of theirs.

git/<hash>/     one bare repository for each repository that scenarios name: for a path it borrows the objects there
                (objects/info/alternates), from an address it fetches what is new

The user's checkout, index, stash, refs and configuration are neither written nor, but for the refs, read.
"""

from __future__ import annotations

import hashlib
import re
from difflib import get_close_matches
from pathlib import Path

from orchestrator.errors import CommandError, InfrastructureError, UsageError
from orchestrator.host.base import Command, Completed, Host, check
from orchestrator.host.lock import locked
from orchestrator.kernel.model import GitOrigin

_ALONE = {
    # Whose machine this is must not decide what comes out, and nobody is there to type a password.
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
_OF_OTHERS = (
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
    # What these write goes to where answers are read from.
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
_COMMIT = re.compile(r"^[0-9a-f]{7,64}$")


def git(
    host: Host,
    store: Path,
    *args: str,
    env: dict[str, str] | None = None,
    stdin: str = "",
    timeout: float = _SECONDS,
) -> Completed:
    """Run git on the repository `store`, with the configuration of the user and the machine kept out."""
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
    """Run a command in which git is to know `store`, and nothing of the user and the machine."""
    environment = _ALONE | {"GIT_DIR": str(store)} | (env or {})
    return host.run(Command((*_without(environment), *argv), env=environment, stdin=stdin, timeout=timeout))


def _without(environment: dict[str, str]) -> tuple[str, ...]:
    """The beginning of a command that must not see which repository somebody else means, as git tells its hooks, nor
    what git is to trace."""
    return ("env", *(word for name in _OF_OTHERS if name not in environment for word in ("-u", name)))


def ask(host: Host, path: Path, *args: str) -> Completed:
    """Ask the user's own repository, which changes nothing there; their configuration says whom they trust."""
    argv = (*_without({}), "git", "-C", str(path), *args)
    return host.run(Command(argv, env={"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}, timeout=_SECONDS))


NO_CONVERSION = "* -text -eol -ident -filter -working-tree-encoding\n"
"""In a repository's info/attributes it outranks the source's own .gitattributes (gitattributes(5)): git then takes and
lays out each file byte by byte."""


def store_of(cache: Path, origin: str) -> Path:
    """Where orch keeps its own repository for `origin`."""
    return cache / "git" / hashlib.sha256(origin.encode()).hexdigest()[:16]


def open_store(host: Host, cache: Path, origin: str, *, address: bool, where: str) -> Path:
    """Orch's own repository for `origin`, made now where it is missing; its objects are all of those of a path.

    Raises UsageError, with `where`, for a path at which there is no repository.
    """
    store = store_of(cache, origin)
    objects = None if address else git_directory(host, Path(origin), where) / "objects"
    form = "" if address else object_format(host, Path(origin))
    with locked(host, store.with_suffix(".lock")):
        open_bare(host, store, origin, form)
        if objects is not None:
            borrow(store, objects)
    return store


def open_bare(host: Host, store: Path, origin: str, form: str = "") -> None:
    """Make the bare repository `store` unless it is there; call with its lock held.

    `form` is the format of the objects of `origin` (sha1, sha256); empty for an address, which is asked if the store
    is made now.
    """
    made = store / "orch.origin"
    if made.exists() and form and form != _form_of(store):
        # Another repository is there now, of another format: nothing in the store is of use for it.
        check(host.run(Command(("rm", "-rf", str(store)))), "removing a git store")
    if not made.exists():
        form = form or _form_there(host, origin)
        check(git(host, store, "init", "-q", "--bare", f"--object-format={form}", str(store)), "making a git store")
        made.write_text(origin + "\n")
    attributes = store / "info/attributes"
    if not attributes.exists() or attributes.read_text() != NO_CONVERSION:
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text(NO_CONVERSION)


def object_format(host: Host, path: Path) -> str:
    """The format of the objects of the user's repository at `path`: sha1, or sha256; sha1 if git does not know."""
    found = ask(host, path, "rev-parse", "--show-object-format")
    return found.output.strip() if found.ok else "sha1"


def _form_of(store: Path) -> str:
    """The same of one of orch's own; read from its file, as it is asked for at each run."""
    config = (store / "config").read_text() if (store / "config").exists() else ""
    return "sha256" if re.search(r"objectformat\s*=\s*sha256", config, re.IGNORECASE) else "sha1"


def same_format(one: Path, other: Path) -> bool:
    """Whether two of orch's repositories can borrow objects from each other."""
    return _form_of(one) == _form_of(other)


def _form_there(host: Host, address: str) -> str:
    """What format the repository at `address` has, by the length of its commit ids; sha1 if it does not answer.

    The fetch that follows reports that.
    """
    listed = host.run(
        Command((*_without(_ALONE), "git", "ls-remote", "--", address), cwd=Path("/"), env=_ALONE, timeout=_SECONDS)
    )
    name = listed.output.partition("\t")[0].rpartition("\n")[2]
    return "sha256" if re.fullmatch(r"[0-9a-f]{64}", name) else "sha1"


def borrow(store: Path, objects: Path) -> None:
    """Let `store` reach what is in the directory `objects` of a user's repository, shallow clones included."""
    (store / "objects/info").mkdir(parents=True, exist_ok=True)
    (store / "objects/info/alternates").write_text(f"{objects}\n")
    shallow = objects.parent / "shallow"
    if shallow.exists():
        (store / "shallow").write_text(shallow.read_text())
    else:
        (store / "shallow").unlink(missing_ok=True)


def git_directory(host: Host, path: Path, where: str) -> Path:
    """The git directory of the repository at `path`, that of the main worktree where it is one of several.

    Raises UsageError, with `where`, where there is none, or none that git takes from this user.
    """
    found = ask(host, path, "rev-parse", "--path-format=absolute", "--git-common-dir")
    if not found.ok:
        raise UsageError(f"{where}: {refusal(path, found)}")
    return Path(found.output.strip())


def refusal(path: Path, asked: Completed) -> str:
    """Why git takes no repository from `path`, which was `asked` about one."""
    if "dubious ownership" in asked.output:
        mend = f"if you trust them, run 'git config --global --add safe.directory {path}'"
        return f"git refuses {path}, which belongs to another user; {mend}"
    return f"{path} is no git repository: {_first(asked)}"


def _first(done: Completed) -> str:
    lines = [line for line in done.output.splitlines() if line.strip()]
    return lines[0].removeprefix("fatal: ") if lines else f"git ended with status {done.status}"


def resolve(host: Host, store: Path, origin: str, ref: str, *, address: bool, where: str) -> str:
    """The id of the commit that `ref` names in `origin` now; from an address, what is new of it is fetched first.

    Raises UsageError, with `where`, for a ref that is not there, InfrastructureError where nothing can be fetched.
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
    near = get_close_matches(ref, [one for one in known if one != ref], 1)
    mend = f"; did you mean '{near[0]}'?" if near else "; 'git log' and 'git branch -a' there show what there is"
    return f"{where}: no commit '{ref}' in the git repository {origin}{mend}"


def _fetched(host: Host, store: Path, origin: str, ref: str, where: str) -> str:
    name, suffix = _SUFFIX.sub("", ref), (_SUFFIX.search(ref) or [""])[0]
    if _COMMIT.match(name) and (known := _commit(host, store, ref)):
        return known
    with locked(host, store.with_suffix(".lock")):
        listed = git(host, store, "ls-remote", "--", origin)
        if not listed.ok:
            raise InfrastructureError(f"{where}: {origin} cannot be reached: {_first(listed)}")
        lines = (line.partition("\t") for line in listed.output.splitlines())
        refs = {name: commit for commit, _, name in lines}
        full = next((f for f in _candidates(name) if f in refs), None)
        if full is None and not _COMMIT.match(name):
            known_refs = [f.removeprefix("refs/heads/").removeprefix("refs/tags/") for f in refs]
            raise UsageError(_no_ref(ref, origin, known_refs, where))
        # A commit may be in any branch: all of them, then.
        specs = [f"+{full}:refs/orch/{full}"] if full else ["+refs/heads/*:refs/orch/refs/heads/*"]
        _fetch(host, store, origin, specs)
    found = _commit(host, store, f"refs/orch/{full}{suffix}" if full else ref)
    if found is None:
        raise UsageError(_no_ref(ref, origin, [], where))
    return found


def _candidates(name: str) -> tuple[str, ...]:
    """The full names that a short one may stand for, as gitrevisions(7) orders them."""
    return (name, f"refs/{name}", f"refs/tags/{name}", f"refs/heads/{name}")


def _fetch(host: Host, store: Path, origin: str, specs: list[str]) -> None:
    # A repository that is shallow itself is fetched as it is.
    argv = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--update-shallow", "--", origin, *specs)
    done = git(host, store, *argv, timeout=_SECONDS_TO_FETCH)
    check(done, f"fetching from {origin}")


def _commit(host: Host, store: Path, ref: str) -> str | None:
    found = git(host, store, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    return found.output.strip() if found.ok else None


def ensure(host: Host, git_origin: GitOrigin, ref: str, *, where: str) -> str:
    """The id of the commit `ref` of the repository that a source is from, with its objects in that store.

    Raises UsageError, with `where`, for a ref that is not there.
    """
    address = not Path(git_origin.origin).is_dir()
    return resolve(host, git_origin.store, git_origin.origin, ref, address=address, where=where)


def tree_id(host: Host, store: Path, commit: str) -> str:
    """The id of the tree object of `commit`."""
    done = git(host, store, "rev-parse", "--verify", f"{commit}^{{tree}}")
    if not done.ok:
        raise CommandError(f"{store} does not have the commit {commit}: {_first(done)}")
    return done.output.strip()


def subject(host: Host, store: Path, commit: str) -> str:
    """The first line of a commit's message."""
    return check(git(host, store, "log", "-1", "--format=%s", commit), "reading a commit").output.strip()
