# SPDX-License-Identifier: GPL-2.0-only
"""A host's full disk, told apart from one here, which is what `host.disk` makes of every command that had no room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host
from orchestrator.host.disk import tells_full_disk


@contextmanager
def needs_room_on(host: Host, directory: Path, what: str) -> Iterator[None]:
    """Say of `host` that it has no room in `directory` for `what`; in the context, commands write there only."""
    try:
        yield
    except InfrastructureError as error:
        if not tells_full_disk(str(error)):
            raise
        place = f"{host.name}: no space was left for {what} in {directory} there"
        raise InfrastructureError(f"{place}; make room on that host") from error
