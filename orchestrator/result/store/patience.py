# SPDX-License-Identifier: GPL-2.0-only
"""A disk that is full for a moment, since a guest has filled it, must not end a run; nor may it stay "running".

A guest that fills the disk of the results is ended, and what it left is removed (`machine.share`).  Until then, what
the other jobs have to write waits.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from orchestrator.errors import InfrastructureError
from orchestrator.result.store.files import is_full

_SECONDS = 5.0
_PAUSE = 0.1
_RESERVED = 2 << 20


def patiently(write: Callable[[], None]) -> None:
    """Call `write`, again and again for some seconds while the disk is full.  Raises InfrastructureError."""
    end = monotonic() + _SECONDS
    while True:
        try:
            return write()
        except InfrastructureError as error:
            if not is_full(error) or monotonic() > end:
                raise
        sleep(_PAUSE)


class Reserve:
    """Space on the disk of a directory that is kept for the last words of a run, without a name."""

    def __init__(self, directory: Path) -> None:
        """Take the space; none is taken where the file system cannot do that, or is full already."""
        self._release: Callable[[], object] = lambda: None
        with suppress(OSError):
            file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed by `release`, or with this object
            descriptor = os.dup(file.fileno())
            file.close()
            self._release = weakref.finalize(self, os.close, descriptor)
            os.posix_fallocate(descriptor, 0, _RESERVED)

    def release(self) -> None:
        """Give the space to whoever writes next."""
        self._release()
