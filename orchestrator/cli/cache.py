# SPDX-License-Identifier: GPL-2.0-only
"""``orch cache ls | gc | verify``: what each does; arguments in, output on stdout, an exit status back."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from orchestrator.cli.terminal import width
from orchestrator.errors import InfrastructureError
from orchestrator.host.local import LocalHost
from orchestrator.host.lock import alone, holders, shared
from orchestrator.kernel.cache.entries import entries
from orchestrator.kernel.cache.gc import Removal, choose, collect, remove_broken
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.cache.verify import Broken, Findings, verify
from orchestrator.report import cache as report
from orchestrator.report.text import fit, say, say_json


def ls(arguments: argparse.Namespace, *, color: bool) -> int:
    """List every entry; reads only."""
    cache = _cache(arguments)
    found = entries(cache)
    if arguments.json:
        say_json(report.to_json(found, cache.root))
    else:
        say(*report.list_lines(found, cache.root, time.time(), width(), color), color=color)
    return 0


def gc(arguments: argparse.Namespace) -> int:
    """Remove what is of no use, and then what was not used for longest, until at most `keep` bytes are left."""
    cache = _cache(arguments)
    if not cache.root.is_dir():
        say(f"there is no cache in {cache.root}")
        return 0
    if arguments.dry_run:
        removal, _ = _choose(cache, arguments.keep)
        _tell(removal, arguments.keep, would="would ")
        return 0
    with alone(LocalHost(), cache.users, lambda: _in_use(cache, wait=arguments.wait)):
        removal = _collect(cache, arguments.keep)
    _tell(removal, arguments.keep)
    return 0


def _collect(cache: KernelCache, keep: int | None) -> Removal:
    """Remove until it is enough.  An entry frees less than its size where others share its files: hence the repeats."""
    gone = Removal((), (), 0, 0)
    while True:
        removal, broken = _choose(cache, keep)
        collect(cache, removal, broken)
        before = gone.before or removal.before
        gone = Removal((*gone.useless, *removal.useless), (*gone.old, *removal.old), before, removal.left)
        if not removal.old:
            return gone


def _choose(cache: KernelCache, keep: int | None) -> tuple[Removal, list[Broken]]:
    broken = verify(cache, deep=False).broken
    return choose(entries(cache), broken, keep), broken


def _tell(removal: Removal, keep: int | None, would: str = "") -> None:
    now, columns = time.time(), width()
    for title, gone in (("of no use", removal.useless), ("not used for longest", removal.old)):
        if gone:
            say(f"{would}remove{'' if would else 'd'}, {title}:")
            say(*report.removal_lines(gone, now, columns))
    say(f"{would}free{'' if would else 'd'} {report.size_text(removal.freed)}, {report.size_text(removal.left)} left")
    if keep is not None and removal.left > keep:
        say(f"more than {report.size_text(keep)} are left, for gc does not touch the rest")


def verify_all(arguments: argparse.Namespace) -> int:
    """Compare every entry with what was recorded of it; 3 if one is broken and stays."""
    cache = _cache(arguments)
    if not cache.root.is_dir():
        say(f"there is no cache in {cache.root}")
        return 0
    if arguments.repair:
        with alone(LocalHost(), cache.users, lambda: _in_use(cache, wait=arguments.wait)):
            found = _look(cache)
            remove_broken(cache, found.broken)
    else:
        with shared(LocalHost(), cache.users):
            found = _look(cache)
    say(*report.findings_lines(found, cache.root))
    if found.broken:
        say("they are removed, and will be made again" if arguments.repair else "remove them with --repair")
    return InfrastructureError.exit_status if found.broken and not arguments.repair else 0


def _look(cache: KernelCache) -> Findings:
    """Verify, with the entry that is being read shown on a terminal."""
    if not sys.stderr.isatty():
        return verify(cache)

    def show(name: str) -> None:
        print(f"\r\x1b[K{fit(name, width() - 1)}", end="", file=sys.stderr, flush=True)

    try:
        return verify(cache, progress=show)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _in_use(cache: KernelCache, *, wait: bool) -> None:
    """Say who uses the cache.  Raises InfrastructureError unless the user wants to wait."""
    processes = ", ".join(map(str, holders(cache.users)))
    who = f"another orch (process {processes})" if processes else "another orch"
    if not wait:
        raise InfrastructureError(f"{cache.root}: in use by {who}; try again when it is done, or wait with --wait")
    say(f"{cache.root}: waiting for {who}", file=sys.stderr)


def _cache(arguments: argparse.Namespace) -> KernelCache:
    return KernelCache(Path(arguments.cache).absolute())
