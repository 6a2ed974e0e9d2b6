# SPDX-License-Identifier: GPL-2.0-only
"""Where a host is, and how to log in: a module without paramiko, which takes a tenth of a second to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Address:
    """The address and the login of a host.

    `key` is a private key without passphrase; None tries the keys in ~/.ssh.  The host's key must be in `known_hosts`.
    `python` is the host's interpreter, 3.8 or newer.  A full path avoids wrappers such as pyenv's, which cost time per
    command.
    """

    host: str
    user: str | None = None
    port: int = 22
    key: Path | None = None
    known_hosts: Path = Path("~/.ssh/known_hosts")
    python: str = "python3"
