# SPDX-License-Identifier: GPL-2.0-only
"""The keeper of leased functions, and what gives back what a dead one left.

    hold     take the leases of `addresses`, telling others about `holder`; give back what a dead holder left; wait
             until told to stop, which is also what the supervisor does when orch is gone; give everything back
    take     write the journals `entries`, then bring each function to vfio-pci
    restore  give back whatever has a journal and no living holder

A journal has `address`, `group`, `driver` and `override` as they were, `ids` (vendor and device), `sizes` (bytes, by
BAR) of what is resized, `resize` (the same, to be set), and the `token` of the lease, which its holder has, too.
Whoever gets the lease of a function with a journal gives it back before anything else; nobody takes one that has a
journal, or without its lease.  What happens is told in lines of JSON, by `said`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from orchestrator.agent import vfio_bind
from orchestrator.agent.leases import Store, lock, parsed, until
from orchestrator.agent.sysfs import Tree

_STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_LOOK = 0.5
"""Seconds between two looks at whether a lease is free."""
_BUSY = 45.0
"""Seconds that others may be at work on functions; orch gives a keeper that it has told to stop twice as many."""


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
    well = _give_back(tree, store, addresses, held)
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


@contextmanager
def _acting(store: Store) -> Iterator[None]:
    """Be the only one who does anything to functions.  Raises OSError where another one does not come to an end."""
    found: list[int] = []

    def free() -> bool:
        with suppress(BlockingIOError):
            found.append(lock(store.actions))
        return bool(found)

    if not until(_BUSY, free):
        who = store.locker(store.actions)
        raise OSError(f"{who} has been at work on devices for {_BUSY:.0f} s and more; dmesg may say why it is stuck")
    try:
        yield
    finally:
        os.close(found[0])


def _give_back(tree: Tree, store: Store, addresses: Sequence[str], leases: Sequence[int] = ()) -> bool:
    """Restore each of `addresses` that has a journal, whatever becomes of the others; return whether all went well.

    `leases` are let go of before anybody else may act, so that a `take` that comes too late finds them free.
    """
    try:
        with _acting(store):
            left = sorted(set(addresses).intersection(store.journals()))
            well = [_restored(tree, store, address) for address in left]
            for descriptor in leases:
                os.ftruncate(descriptor, 0)
                os.close(descriptor)
    except OSError as error:
        for address in addresses:
            _say("stuck", address=address, why=_why(error))
        return False
    return all(well)


def _restored(tree: Tree, store: Store, address: str) -> bool:
    try:
        what, more = vfio_bind.restore(tree, store, address)
    except (OSError, LookupError, ValueError, TypeError) as error:
        _say("stuck", address=address, why=_why(error))
        return False
    _say(what, address=address, **more)
    return True


def _why(error: Exception) -> str:
    """An error in the system's words, with the file that it is about."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def take_all(tree: Tree, request: dict[str, Any]) -> int:
    """Write all journals, then take each function; the first that cannot be taken ends it."""
    store, entries = Store(tree), request["entries"]
    store.make()
    try:
        with _acting(store):
            return 0 if _taken(tree, store, entries) else 1
    except OSError as error:
        _say("failed", address=entries[0]["address"], why=_why(error))
        return 1


def _taken(tree: Tree, store: Store, entries: Sequence[dict[str, Any]]) -> bool:
    """Take each step with all functions before the next; return whether all went well."""
    for step in (_refuse, _note, _bind):
        for entry in entries:
            try:
                step(tree, store, entry)
            except OSError as error:
                _say("failed", address=entry["address"], why=_why(error))
                return False
    return True


def _refuse(tree: Tree, store: Store, entry: dict[str, Any]) -> None:
    """Raise OSError where a function must not be taken, or never could be, while it is still as it was.

    The keeper may have gone since orch asked, and another run may have got its lease.
    """
    address = entry["address"]
    if not vfio_bind.there(tree):
        raise OSError("the kernel has no driver vfio-pci; modprobe vfio-pci says why (CONFIG_VFIO_PCI)")
    if store.journal(address).exists():
        raise OSError(f"another run took it, says {store.journal(address)}; run: orch devices restore")
    if not store.is_held(address) or parsed(store.lease(address)).get("token") != entry["token"]:
        raise OSError("its lease is not held any more, because its keeper has ended; run it again")


def _note(_tree: Tree, store: Store, entry: dict[str, Any]) -> None:
    store.write_journal(entry)
    _say("journal", address=entry["address"])


def _bind(tree: Tree, _store: Store, entry: dict[str, Any]) -> None:
    vfio_bind.take(tree, entry)
    _say("taken", address=entry["address"])


def restore_all(tree: Tree, _request: dict[str, Any]) -> int:
    """Give back every function that has a journal and no living holder; tell of those that have one."""
    store, well = Store(tree), True
    for address in store.journals():
        try:
            held = lock(store.lease(address))
        except BlockingIOError:
            _say("held", address=address, holder=parsed(store.lease(address)))
        except PermissionError:
            _say("stuck", address=address, why="only root can give devices back; run orch as root")
            well = False
        else:
            well = _give_back(tree, store, [address], [held]) and well
    return 0 if well else 1


if __name__ == "__main__":
    request = json.load(sys.stdin)
    verb = {"hold": hold, "take": take_all, "restore": restore_all}[sys.argv[1]]
    sys.exit(verb(Tree(request["root"]), request))
