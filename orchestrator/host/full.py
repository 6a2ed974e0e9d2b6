# SPDX-License-Identifier: GPL-2.0-only
"""A full disk or quota: recognised once, when an error is made of a command's output or of an OSError."""

from __future__ import annotations

import errno
import re

from orchestrator.errors import CommandError, DiskFullError, OrchError

_NUMBERS = {errno.ENOSPC, errno.EDQUOT}
# Not matched in lines of source, which the compiler prints after a bar.
# "Out of diskspace" is git's message for a pack (csum-file.c).
_WORDS = re.compile(r"^(?!\s*\d* \|).*(?:No space left on device|Disk quota exceeded|Out of diskspace)", re.MULTILINE)


def tells_full_disk(cause: str | OSError) -> bool:
    """Return whether `cause`, the output of a command or an error, says that a disk or a quota is full."""
    return cause.errno in _NUMBERS if isinstance(cause, OSError) else bool(_WORDS.search(cause))


def failure(message: str, cause: str | OSError, otherwise: type[OrchError] = CommandError) -> OrchError:
    """Return the error to raise for `cause`: DiskFullError if it says that a disk is full, `otherwise` if not."""
    return (DiskFullError if tells_full_disk(cause) else otherwise)(message)
