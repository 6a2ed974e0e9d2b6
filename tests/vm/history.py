# SPDX-License-Identifier: GPL-2.0-only
"""A git repository with a real Linux in it, made from Debian's source.

No other source is available everywhere.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.arguments import cache_directory
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel.source.fetch import fetch
from orchestrator.kernel.source.snapshot import snapshot
from orchestrator.scenario.sources import DebianSource

_IDENTITY = {
    "GIT_AUTHOR_NAME": "A. Developer",
    "GIT_AUTHOR_EMAIL": "developer@example.org",
    "GIT_AUTHOR_DATE": "2026-11-01T12:00:00Z",
    "GIT_COMMITTER_NAME": "A. Developer",
    "GIT_COMMITTER_EMAIL": "developer@example.org",
    "GIT_COMMITTER_DATE": "2026-11-01T12:00:00Z",
}


@dataclass(frozen=True)
class Repository:
    """A checkout that a test may do with as it likes."""

    path: Path

    def git(self, *argv: str) -> str:
        """What git says in the checkout."""
        command, environment = ["git", *argv], os.environ | _IDENTITY
        done = subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str, *patches: Path) -> str:
        """Commit what was changed, after `patches` were applied; the commit's id."""
        for patch in patches:
            self.git("apply", str(patch))
        self.git("commit", "-q", "-a", "-m", message)
        return self.git("rev-parse", "HEAD")

    def replace(self, file: str, old: str, new: str) -> None:
        """Change a text that is once in `file`."""
        text = (self.path / file).read_text()
        assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
        (self.path / file).write_text(text.replace(old, new))


def make_repository(place: Path) -> Repository:
    """A repository at `place` with the files of Debian's 7.3.

    They are its only commit, tagged v7.3 and checked out.
    """
    host, source = LocalHost(), DebianSource("linux-source-7.3", "trixie-backports")
    pristine = fetch(host, cache_directory(), source, where="test", emit=ignore)
    taken = snapshot(host, cache_directory(), pristine.path, "test")
    place.mkdir(parents=True)
    made = Repository(place)
    made.git("init", "-q", "-b", "master")
    (place / ".git/objects/info/alternates").write_text(f"{taken.store}/objects\n")
    made.git("read-tree", taken.tree)
    made.git("commit", "-q", "-m", "Linux 7.3")
    made.git("tag", "v7.3")
    made.git("reset", "-q", "--hard")
    return made
