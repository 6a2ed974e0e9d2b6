# SPDX-License-Identifier: GPL-2.0-only
"""A series on a mailing list, by a message id: b4 finds its version, and puts the trailers of answers into its patches.

b4 works in a directory of its own: without the user's configuration, cache and git, and without asking anybody about
signatures.  From a local mbox it works without the network.
"""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.errors import InfrastructureError, OrchError, UsageError
from orchestrator.host.base import Completed, Host
from orchestrator.kernel.model import Patch
from orchestrator.kernel.patch_mbox import Post, posts, series
from orchestrator.kernel.patch_store import contents, make_patch
from orchestrator.kernel.patch_text import printable
from orchestrator.scenario.sources import Message

_SECONDS = 300.0
_NOT_THERE = ("Unable to find revision", "No patches found", "No messages found", "Server returned an error: 404")
_TOLD = (*_NOT_THERE, "CRITICAL:", "ERROR:", "Could not ")


def of_message(host: Host, wanted: Message, work: Path, where: str) -> tuple[Patch, ...]:
    """The patches of the series, in order, with their trailers; `work` is an empty directory.

    Raises UsageError or PatchError, with `where`, for a message, a version or a patch that is not there,
    InfrastructureError where the archive cannot be reached.
    """
    label = f"{where}: message {printable(wanted.id)}"
    if wanted.id.startswith("-") or not wanted.id.isprintable() or " " in wanted.id or not wanted.id:
        raise UsageError(f"{label}: is no message id")
    thread = work / "thread.mbox"
    if wanted.mbox:
        found = threads(posts(contents(wanted.mbox)), wanted.id)
        if not found:
            raise UsageError(f"{label}: is not in {wanted.mbox}; save the whole thread there")
        thread.write_bytes(b"".join(_separated(post.raw) for post in found))
    made = work / "out" / "series.mbx"
    done = host.run(_argv(wanted, thread, made), cwd=work, env=_environment(work), timeout=_SECONDS)
    if not done.ok or not made.exists():
        raise _failed(done, wanted, label)
    chosen = series(posts(made.read_bytes()), label)
    return tuple(
        make_patch(Path(post.name), post.text.encode(errors="surrogateescape"), f"{label}: '{post.title}'")
        for post in chosen
    )


def _argv(wanted: Message, thread: Path, made: Path) -> tuple[str, ...]:
    program = (sys.executable, "-P", "-m", "b4.command")
    quietly = ("--no-interactive", "--no-stdin", "-c", "b4.attestation-policy=off")
    version = ("-v", str(wanted.version)) if wanted.version is not None else ()
    output = ("-o", str(made.parent), "-n", made.name, "--no-cover", "--no-cache", *version)
    if wanted.mbox:
        return (*program, *quietly, "--offline-mode", "am", "-m", str(thread), *output)
    # Newer versions are often threads of their own.
    return (*program, *quietly, "am", "-c", *output, wanted.id)


def _environment(work: Path) -> dict[str, str]:
    """Where b4, git and Python find nothing of the user's."""
    homes = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "GNUPGHOME")
    return {name: str(work / "home") for name in homes} | {
        "GIT_DIR": str(work / "home/git"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "0",
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "orch",
        "GIT_AUTHOR_EMAIL": "orch@localhost",
        "GIT_COMMITTER_NAME": "orch",
        "GIT_COMMITTER_EMAIL": "orch@localhost",
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _failed(done: Completed, wanted: Message, label: str) -> OrchError:
    lines = [line.strip() for line in done.output.splitlines() if line.strip() and line.strip() != "---"]
    told = next((line for line in lines if line.startswith(_TOLD)), lines[-1] if lines else f"status {done.status}")
    told = printable(told.removeprefix("CRITICAL: "))[:160]
    if done.timed_out:
        told = f"no answer in {done.seconds:.0f} s"
    if wanted.mbox or any(mark in done.output for mark in _NOT_THERE):
        return UsageError(f"{label}: b4 finds no such series: {told}")
    mend = "without a network, save the thread and name it with 'mbox'"
    return InfrastructureError(f"{label}: b4 cannot fetch it: {told}; {mend}")


def _separated(raw: bytes) -> bytes:
    head = b"" if raw.startswith(b"From ") else b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"
    return head + raw.rstrip(b"\r\n") + b"\n\n"


def threads(found: tuple[Post, ...], wanted: str) -> tuple[Post, ...]:
    """The messages of the thread with the message id `wanted`, and of threads with other versions of its series.

    Another version has the same author, and the same title on its cover letter or its patches.
    """
    groups = _groups(found)
    mine = next((group for group in groups if any(post.id == wanted for post in group)), None)
    if mine is None:
        return ()
    titles = _titles(mine)
    chosen = {post for group in groups if group is mine or titles & _titles(group) for post in group}
    return tuple(post for post in found if post in chosen)


def _titles(group: list[Post]) -> set[tuple[str, str]]:
    own = [post for post in group if post.tagged and not post.reply and (post.number in (0, None) or post.is_patch)]
    return {(post.author, post.title.casefold()) for post in own}


def _groups(found: tuple[Post, ...]) -> list[list[Post]]:
    """The threads: messages joined by what they answer, even where what they answer is not there."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for post in found:
        for other in post.answers:
            parent[root(post.id)] = root(other)
    groups: dict[str, list[Post]] = {}
    for index, post in enumerate(found):
        groups.setdefault(root(post.id) if post.id else f"{index}", []).append(post)
    return list(groups.values())
