# SPDX-License-Identifier: GPL-2.0-only
"""Hold leases of PCI functions, bind the functions to vfio-pci, and restore them.

    hold     take the leases of `addresses`, publish `holder` to others, restore what an ended holder left, and wait for
             a stop signal, which the supervisor also sends when orch has ended; then restore everything
    take     write the journals `entries`, then bind each function to vfio-pci
    restore  restore every function that has a journal and no running holder

A journal has the original `address`, `group`, `driver` and `override`, `ids` (vendor and device), `sizes` (bytes, by
BAR) of the BARs to resize, `resize` (the sizes to set), and the `token` of the lease, which its holder has, too.  A
process that gets the lease of a function with a journal restores the function before anything else.  No process takes a
function that has a journal, or without its lease.  Each event is printed as a line of JSON by `_report`.
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
_LOOK = 0.2
"""Seconds between two checks whether a lease is free."""
_BUSY = 45.0
"""Seconds that other processes may work on functions; orch waits twice as long for a `hold` that it has stopped."""


class _Stopped(Exception):  # noqa: N818 -- a request, not an error
    """A stop signal arrived during the wait for a lease."""


def _report(what: str, **more: Any) -> None:
    with suppress(OSError):  # orch may have ended
        print(json.dumps({"event": what, **more}), flush=True)


def hold(tree: Tree, request: dict[str, Any]) -> int:
    """See the module's description.

    Leases are taken in a fixed order, so that two runs never wait for each other.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    store, addresses = Store(tree), sorted(request["addresses"])
    store.make()
    try:
        held = [_lease(store, address, request["holder"]) for address in addresses]
    except _Stopped:
        return 0
    if not _give_back(tree, store, addresses):
        return 1
    _report("leased")
    signal.sigwait(_STOPPING)
    well = _give_back(tree, store, addresses, held)
    _report("released")
    return 0 if well else 1


def _lease(store: Store, address: str, holder: dict[str, Any]) -> int:
    """Wait for the lease of a function, and report its holder."""
    reported: dict[str, Any] | None = None
    while True:
        try:
            descriptor = lock(store.lease(address))
        except BlockingIOError:
            owner = parsed(store.lease(address))
            if owner != reported:
                _report("waiting", address=address, holder=owner)
            reported = owner
            if signal.sigtimedwait(_STOPPING, _LOOK):
                raise _Stopped from None
        else:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(holder).encode())
            return descriptor


@contextmanager
def _acting(store: Store) -> Iterator[None]:
    """Be the only process that changes functions.

    Raises OSError if another process does not finish.
    """
    found: list[int] = []

    def free() -> bool:
        with suppress(BlockingIOError):
            found.append(lock(store.actions))
        return bool(found)

    if not until(_BUSY, free):
        process = store.locker(store.actions)
        raise OSError(
            f"{process} has been at work on devices for {_BUSY:.0f} s and more; dmesg may show why it is stuck"
        )
    try:
        yield
    finally:
        os.close(found[0])


def _give_back(tree: Tree, store: Store, addresses: Sequence[str], leases: Sequence[int] = ()) -> bool:
    """Restore each of `addresses` that has a journal; return whether all succeeded.

    One failure does not stop the others.  `leases` are released before another process may act, so that a late `take`
    finds them free.
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
            _report("stuck", address=address, why=_why(error))
        return False
    return all(well)


def _restored(tree: Tree, store: Store, address: str) -> bool:
    try:
        what, more = vfio_bind.restore(tree, store, address)
    except (OSError, LookupError, ValueError, TypeError) as error:
        _report("stuck", address=address, why=_why(error))
        return False
    _report(what, address=address, **more)
    return True


def _why(error: Exception) -> str:
    """Return an error in the system's words, with its file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def take_all(tree: Tree, request: dict[str, Any]) -> int:
    """Write all journals, then take each function; stop at the first failure."""
    store, entries = Store(tree), request["entries"]
    store.make()
    try:
        with _acting(store):
            return 0 if _taken(tree, store, entries) else 1
    except OSError as error:
        _report("failed", address=entries[0]["address"], why=_why(error))
        return 1


def _taken(tree: Tree, store: Store, entries: Sequence[dict[str, Any]]) -> bool:
    """Take each step for all functions before the next step; return whether all succeeded."""
    for step in (_refuse, _note, _bind):
        for entry in entries:
            try:
                step(tree, store, entry)
            except OSError as error:
                _report("failed", address=entry["address"], why=_why(error))
                return False
    return True


def _refuse(tree: Tree, store: Store, entry: dict[str, Any]) -> None:
    """Raise OSError if a function must not or cannot be taken; it is still unchanged.

    The `hold` process may have ended since orch asked, and another run may have got the lease.
    """
    address = entry["address"]
    if not vfio_bind.there(tree):
        raise OSError("the kernel has no driver vfio-pci; modprobe vfio-pci shows why (CONFIG_VFIO_PCI)")
    if store.journal(address).exists():
        raise OSError(f"another run took it, according to {store.journal(address)}; run: orch devices restore")
    if not store.is_held(address) or parsed(store.lease(address)).get("token") != entry["token"]:
        raise OSError("its lease is not held any longer, because the process that held it has ended; run it again")


def _note(_tree: Tree, store: Store, entry: dict[str, Any]) -> None:
    store.write_journal(entry)
    _report("journal", address=entry["address"])


def _bind(tree: Tree, _store: Store, entry: dict[str, Any]) -> None:
    vfio_bind.take(tree, entry)
    _report("taken", address=entry["address"])


def restore_all(tree: Tree, _request: dict[str, Any]) -> int:
    """Restore every function that has a journal and no running holder; report the others."""
    store, well = Store(tree), True
    for address in store.journals():
        try:
            held = lock(store.lease(address))
        except BlockingIOError:
            _report("held", address=address, holder=parsed(store.lease(address)))
        except PermissionError:
            _report("stuck", address=address, why="only root can give devices back; run orch as root")
            well = False
        else:
            well = _give_back(tree, store, [address], [held]) and well
    return 0 if well else 1


if __name__ == "__main__":
    request = json.load(sys.stdin)
    verb = {"hold": hold, "take": take_all, "restore": restore_all}[sys.argv[1]]
    sys.exit(verb(Tree(request["root"]), request))
