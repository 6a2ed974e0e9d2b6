# SPDX-License-Identifier: GPL-2.0-only
"""A history of eighteen small commits on Debian's 7.3, made without any checkout.

Git is bound to ask for the ninth commit, then for the thirteenth or the fourteenth, and to be none the wiser: the one
does not compile, the other does not boot, and the tenth is what is looked for.
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

COUNT, CULPRIT, UNBUILT, UNBOOTED = 18, 10, 13, 14

_IDENTITY = {
    "GIT_AUTHOR_NAME": "A. Developer",
    "GIT_AUTHOR_EMAIL": "developer@example.org",
    "GIT_COMMITTER_NAME": "A. Developer",
    "GIT_COMMITTER_EMAIL": "developer@example.org",
}
_CORE = "drivers/vfio/pci/vfio_pci_core.c"
_HARMLESS = (_CORE, "drivers/vfio/vfio_main.c", "mm/mincore.c", "drivers/vfio/pci/vfio_pci_config.c")
_INIT = "return vfio_pci_init_perm_bits();"
_ALIGNED = "if (is_aligned_for_order(vma, addr, pfn, order)) {"
_CHANGES = {
    CULPRIT: ("vfio/pci: simplify the fault handler", _ALIGNED, f"if (!order && {_ALIGNED.removeprefix('if (')}"),
    UNBUILT: ("vfio/pci: count the devices", _INIT, "return vfio_pci_count() ?: vfio_pci_init_perm_bits();"),
    UNBOOTED: (
        "vfio/pci: do not count the devices, but panic",
        "return vfio_pci_count() ?: vfio_pci_init_perm_bits();",
        'panic("vfio/pci: cannot count the devices");',
    ),
    UNBOOTED + 1: ("vfio/pci: neither count nor panic", 'panic("vfio/pci: cannot count the devices");', _INIT),
}


@dataclass(frozen=True)
class Commits:
    """A bare repository and the ids of its commits.

    The first commit has the very files of the Debian package.
    """

    path: Path
    ids: tuple[str, ...]


def make_commits(place: Path) -> Commits:
    """The history at `place`: `master` is the last commit, the tag `good` the first."""
    pristine = fetch(
        LocalHost(), cache_directory(), DebianSource("linux-source-7.3", "trixie-backports"), where="test", emit=ignore
    )
    taken = snapshot(LocalHost(), cache_directory(), pristine.path, "test")
    maker = _Maker(place)
    maker.git("init", "-q", "--bare", "-b", "master")
    (place / "objects/info/alternates").write_text(f"{taken.store / 'objects'}\n")
    maker.git("read-tree", taken.tree)
    ids = [maker.commit("Linux 7.3", ())]
    for number in range(1, COUNT + 1):
        ids.append(maker.commit(maker.change(number), (ids[-1],)))
    maker.git("update-ref", "refs/heads/master", ids[-1])
    maker.git("update-ref", "refs/tags/good", ids[0])
    return Commits(place, tuple(ids))


class _Maker:
    """Makes commits with an index and no files."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True)
        self._environment = os.environ | _IDENTITY | {"GIT_DIR": str(place)}
        self._date = 1793534400

    def git(self, *argv: str, text: str = "") -> str:
        done = subprocess.run(
            ["git", *argv], env=self._environment, input=text, capture_output=True, text=True, check=True
        )
        return done.stdout

    def change(self, number: int) -> str:
        """Make the change of a commit in the index; its message."""
        if number in _CHANGES:
            message, old, new = _CHANGES[number]
            self._replace(_CORE, old, new)
        else:
            message, file = f"Note number {number}", _HARMLESS[number % len(_HARMLESS)]
            self._replace(file, "\n#include", f"\n/* {message}. */\n#include")
        return f"{message}\n\nThe body of it, of number {number}.\n"

    def _replace(self, file: str, old: str, new: str) -> None:
        text = self.git("cat-file", "blob", f":{file}")
        assert old in text, f"{file} has no {old!r}"
        blob = self.git("hash-object", "-w", "--stdin", text=text.replace(old, new, 1)).strip()
        self.git("update-index", "--cacheinfo", f"100644,{blob},{file}")

    def commit(self, message: str, parents: tuple[str, ...]) -> str:
        self._date += 3600
        self._environment |= {f"GIT_{who}_DATE": f"{self._date} +0000" for who in ("AUTHOR", "COMMITTER")}
        before = (word for parent in parents for word in ("-p", parent))
        return self.git("commit-tree", self.git("write-tree").strip(), *before, text=message).strip()
