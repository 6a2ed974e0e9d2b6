# SPDX-License-Identifier: GPL-2.0-only
"""``orch cache ls``, ``gc`` and ``verify``; each returns the exit status."""

from __future__ import annotations

import sys
import time

from orchestrator.cli.options import CacheGcOptions, CacheListOptions, CacheVerifyOptions
from orchestrator.cli.terminal import screen
from orchestrator.errors import InfrastructureError
from orchestrator.host.local import LocalHost
from orchestrator.host.lock import alone, holders, shared
from orchestrator.kernel.cache.entries import entries
from orchestrator.kernel.cache.gc import Removal, choose, collect, remove_broken
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.cache.verify import Broken, Findings, verify
from orchestrator.report import cache as report
from orchestrator.report.text import fit, say, say_json


def ls(options: CacheListOptions) -> int:
    """List every entry; changes nothing."""
    cache = KernelCache(options.cache)
    found = entries(cache)
    if options.json:
        say_json(report.to_json(found, cache.root))
    else:
        stdout = screen()
        say(*report.list_lines(found, cache.root, time.time(), stdout.width, stdout.color), color=stdout.color)
    return 0


def gc(options: CacheGcOptions) -> int:
    """Remove what is not needed, then what was not used for longest, until at most `keep` bytes are left."""
    cache = KernelCache(options.cache)
    if not cache.root.is_dir():
        say(f"there is no cache in {cache.root}")
        return 0
    if options.dry_run:
        removal, _ = _choose(cache, options.keep)
        _print_removal(removal, options.keep, would="would ")
        return 0
    with alone(LocalHost(), cache.users, lambda: _report_in_use(cache, wait=options.wait)):
        removal = _collect(cache, options.keep)
    _print_removal(removal, options.keep)
    return 0


def _collect(cache: KernelCache, keep: int | None) -> Removal:
    """Remove entries until at most `keep` bytes are left.

    An entry frees less than its size if others share its files, so this takes several rounds.
    """
    removed = Removal((), (), 0, 0)
    while True:
        removal, broken = _choose(cache, keep)
        collect(cache, removal, broken)
        before = removed.before or removal.before
        removed = Removal((*removed.useless, *removal.useless), (*removed.old, *removal.old), before, removal.left)
        if not removal.old:
            return removed


def _choose(cache: KernelCache, keep: int | None) -> tuple[Removal, list[Broken]]:
    broken = verify(cache, deep=False).broken
    return choose(entries(cache), broken, keep), broken


def _print_removal(removal: Removal, keep: int | None, would: str = "") -> None:
    now, columns = time.time(), screen().width
    for title, removed in (("not needed", removal.useless), ("not used for longest", removal.old)):
        if removed:
            say(f"{would}remove{'' if would else 'd'}, {title}:")
            say(*report.removal_lines(removed, now, columns))
    say(f"{would}free{'' if would else 'd'} {report.size_text(removal.freed)}, {report.size_text(removal.left)} left")
    if keep is not None and removal.left > keep:
        say(f"more than {report.size_text(keep)} are left, for gc does not touch the rest")


def verify_all(options: CacheVerifyOptions) -> int:
    """Compare every entry with its recorded checksums; returns 3 if a broken entry is left."""
    cache = KernelCache(options.cache)
    if not cache.root.is_dir():
        say(f"there is no cache in {cache.root}")
        return 0
    if options.repair:
        with alone(LocalHost(), cache.users, lambda: _report_in_use(cache, wait=options.wait)):
            found = _verify(cache)
            remove_broken(cache, found.broken)
    else:
        with shared(LocalHost(), cache.users):
            found = _verify(cache)
    say(*report.findings_lines(found, cache.root))
    if found.broken:
        say("they are removed, and will be made again" if options.repair else "remove them with --repair")
    return InfrastructureError.exit_status if found.broken and not options.repair else 0


def _verify(cache: KernelCache) -> Findings:
    """Verify every entry; a terminal shows the name of the current one."""
    if not sys.stderr.isatty():
        return verify(cache)

    columns = screen().width

    def show(name: str) -> None:
        print(f"\r\x1b[K{fit(name, columns - 1)}", end="", file=sys.stderr, flush=True)

    try:
        return verify(cache, progress=show)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _report_in_use(cache: KernelCache, *, wait: bool) -> None:
    """Print which processes use the cache.  Raises InfrastructureError unless `wait`."""
    processes = ", ".join(map(str, holders(cache.users)))
    user = f"another orch (process {processes})" if processes else "another orch"
    if not wait:
        raise InfrastructureError(f"{cache.root}: in use by {user}; try again when it is done, or wait with --wait")
    say(f"{cache.root}: waiting for {user}", file=sys.stderr)
