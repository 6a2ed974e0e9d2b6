# SPDX-License-Identifier: GPL-2.0-only
"""The keeper of leased functions, and what gives back what a dead one left.

    hold     take the leases of `addresses`, telling others about `holder`; give back what a dead holder left; wait
             until told to stop, which is also what the supervisor does when orch is gone; give everything back
    take     write the journals `entries`, then bring each function to vfio-pci
    restore  give back whatever has a journal and no living holder

A journal has `address`, `group`, `driver` and `override` as they were, `sizes` (bytes, by BAR) of what is resized,
`resize` (the same, to be set), and the `token` of the lease.  Whoever gets the lease of a function with a journal gives
it back before anything else.  What happens is told in lines of JSON, by `said`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

from orchestrator.onhost.binding import driver, restore, take
from orchestrator.onhost.leases import Store, lock, parsed
from orchestrator.onhost.tree import Tree

_STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_LOOK = 0.5
"""Seconds between two looks at whether a lease is free."""


class _Stopped(Exception):  # noqa: N818 -- it is a wish
    """Told to stop while waiting for a lease."""


def _say(what: str, **more: Any) -> None:
    with suppress(OSError):  # orch may be gone
        print(json.dumps({"said": what, **more}), flush=True)


def hold(tree: Tree, request: dict[str, Any]) -> int:
    """See the head of this file; leases are taken in one order, so that no two runs wait for each other."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    store, addresses = Store(tree), sorted(request["addresses"])
    store.make()
    try:
        held = [_lease(store, address, request["holder"]) for address in addresses]
    except _Stopped:
        return 0
    if not _give_back(tree, store, addresses):
        return 1
    _say("leased")
    signal.sigwait(_STOPPING)
    well = _give_back(tree, store, addresses)
    for descriptor in held:
        os.ftruncate(descriptor, 0)
    _say("released")
    return 0 if well else 1


def _lease(store: Store, address: str, holder: dict[str, Any]) -> int:
    """Wait for the lease of a function, and say for whom."""
    told: dict[str, Any] | None = None
    while True:
        try:
            descriptor = lock(store.lease(address))
        except BlockingIOError:
            owner = parsed(store.lease(address))
            if owner != told:
                _say("waiting", address=address, holder=owner)
            told = owner
            if signal.sigtimedwait(_STOPPING, _LOOK):
                raise _Stopped from None
        else:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(holder).encode())
            return descriptor


def _give_back(tree: Tree, store: Store, addresses: list[str]) -> bool:
    """Restore each of `addresses` that has a journal, whatever becomes of the others; return whether all went well."""
    well = True
    actions = lock(store.actions, wait=True)  # a `take` may still be at work
    for address in set(addresses).intersection(store.journals()):
        try:
            restore(tree, store, address)
        except (OSError, LookupError, ValueError, TypeError) as error:
            well = False
            _say("stuck", address=address, why=_why(error))
        else:
            _say("restored", address=address, driver=driver(tree, address))
    os.close(actions)
    return well


def _why(error: Exception) -> str:
    """An error in the system's words, with the file that it is about."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def take_all(tree: Tree, request: dict[str, Any]) -> int:
    """Write all journals, then take each function; the first that cannot be taken ends it."""
    store = Store(tree)
    store.make()
    actions = lock(store.actions, wait=True)
    for entry in request["entries"]:
        store.write_journal(entry)
        _say("journal", address=entry["address"])
    for entry in request["entries"]:
        try:
            take(tree, entry)
        except OSError as error:
            _say("stuck", address=entry["address"], why=_why(error))
            return 1
        _say("taken", address=entry["address"])
    os.close(actions)
    return 0


def restore_all(tree: Tree, _request: dict[str, Any]) -> int:
    """Give back every function that has a journal and no living holder; tell of those that have one."""
    store, well = Store(tree), True
    for address in store.journals():
        try:
            held = lock(store.lease(address))
        except BlockingIOError:
            _say("held", address=address, holder=parsed(store.lease(address)))
            continue
        well = _give_back(tree, store, [address]) and well
        os.close(held)
    return 0 if well else 1


if __name__ == "__main__":
    request = json.load(sys.stdin)
    verb = {"hold": hold, "take": take_all, "restore": restore_all}[sys.argv[1]]
    sys.exit(verb(Tree(request["root"]), request))
