# SPDX-License-Identifier: GPL-2.0-only
"""A full disk on a host, as distinct from a full disk on this machine.

`host.disk` attributes every failed command to this machine's disks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host
from orchestrator.host.disk import tells_full_disk


@contextmanager
def needs_room_on(host: Host, directory: Path, what: str) -> Iterator[None]:
    """Report a full disk as one of `host`, with `directory` and `what`.

    In the context, commands write to `directory` only.
    """
    try:
        yield
    except InfrastructureError as error:
        if not tells_full_disk(str(error)):
            raise
        place = f"{host.name}: no space was left for {what} in {directory} there"
        raise InfrastructureError(f"{place}; make room on that host") from error
