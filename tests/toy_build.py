# SPDX-License-Identifier: GPL-2.0-only
"""Build the toy kernel in a process of its own: python -m tests.toy_build CACHE SOURCE.

The build is that of a run of orch.  Prints one line of JSON: the key of the build and whether it was cached, or the
kind of the error and its text.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from orchestrator.errors import OrchError
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.host.lock import shared
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.model import Recipe, SourceTree, Toolchain


class ToyBuilder(Builder):
    """A builder whose make may also write to $TOY, a directory that a test watches."""

    def writable(self, recipe: Recipe, work: Path) -> tuple[Path, ...]:
        """See `Builder.writable`."""
        watched = (Path(os.environ["TOY"]),) if "TOY" in os.environ else ()
        return (*super().writable(recipe, work), *watched)


def toy_recipe(source: Path) -> Recipe:
    """The recipe of the toy kernel at `source`, as it is."""
    tree = SourceTree("toy", "toy 7.3", source)
    return Recipe("toy", "s.yaml:5", tree, (), "CONFIG_MMU=y\n", (), Toolchain("toy cc 1", "toy ld 1"))


def main(cache: Path, source: Path) -> dict[str, object]:
    """Build, and say how it went."""
    host, store = LocalHost(), KernelCache(cache)
    try:
        with shared(host, store.users):
            build = ToyBuilder(host, store, 2, ignore).build(toy_recipe(source))
            store.sweep()
    except OrchError as error:
        return {"error": type(error).__name__, "text": str(error)}
    return {"key": build.key, "cached": build.cached}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))))
