# SPDX-License-Identifier: GPL-2.0-only
"""Write even if a guest has filled the disk for a moment.

So the run goes on, and its end is recorded.

A guest that fills the disk of the results is ended, and its files are removed (`machine.share`).  Until then, the
writes of the other jobs wait.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from orchestrator.errors import DiskFullError

_SECONDS = 5.0
_PAUSE = 0.1
_RESERVED = 2 << 20


def patiently(write: Callable[[], None]) -> None:
    """Call `write`, and repeat it for some seconds while the disk is full.  Raises InfrastructureError."""
    end = monotonic() + _SECONDS
    while True:
        try:
            return write()
        except DiskFullError:
            if monotonic() > end:
                raise
        sleep(_PAUSE)


class Reserve:
    """Disk space in a directory for the last writes of a run.

    It is reserved by a file without a name.
    """

    def __init__(self, directory: Path) -> None:
        """Reserve the space.

        None is reserved if the file system cannot do that, or is already full.
        """
        self._release: Callable[[], object] = lambda: None
        with suppress(OSError):
            file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed by `release`, or with this object
            descriptor = os.dup(file.fileno())
            file.close()
            self._release = weakref.finalize(self, os.close, descriptor)
            os.posix_fallocate(descriptor, 0, _RESERVED)

    def release(self) -> None:
        """Free the space for the next writes."""
        self._release()
