# SPDX-License-Identifier: GPL-2.0-only
"""The guest's root file system: a static busybox and nothing else, but for where the host's programs can be put.

virtme-ng would export the host's own root.  A root of our own keeps the host's files out of the guest, does not
depend on what the host has installed, and boots in a third of the time (no udev, no systemd-tmpfiles).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Host, check
from orchestrator.host.lock import locked
from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE
from orchestrator.machine.userland import Userland

_DIRECTORIES = [
    "bin",
    "sbin",
    "usr/bin",
    "usr/sbin",
    "lib/modules",
    "etc",
    "proc",
    "sys",
    "dev",
    "run",
    "tmp",
    "root",
    "home",
    "opt",
    "srv",
    "var/log",
    "var/tmp",
    "var/cache",
]
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/shadow": "root:!:::::::\n",
    "etc/fstab": "",
    "etc/hosts": "127.0.0.1 localhost\n",
}


_PLAIN = Userland()


def guest_root(host: Host, cache: Path, userland: Userland = _PLAIN) -> Path:
    """The guest's root file system, made once per busybox and kind of `userland`.

    Raises InfrastructureError where busybox is missing.
    """
    found = shutil.which("busybox")
    if found is None:
        raise InfrastructureError("busybox is not installed; install the package busybox-static")
    busybox = Path(found).resolve()
    directories = [*_DIRECTORIES, *(name for name in userland.directories if name not in _DIRECTORIES)]
    content = repr((directories, _FILES, *userland.links)).encode()
    key = hashlib.sha256(busybox.read_bytes() + content).hexdigest()[:16]
    root = cache / "guest-root" / key
    with locked(host, root.with_suffix(".lock")):
        if not root.exists():
            _make(host, busybox, root, directories, userland.links)
    return root


def _make(host: Host, busybox: Path, root: Path, directories: list[str], links: Iterable[tuple[str, str]]) -> None:
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name in (*directories, GUEST_SHARE.lstrip("/"), GUEST_PROGRAM.lstrip("/")):
        (partial / name).mkdir(parents=True, exist_ok=True)
    for name, text in _FILES.items():
        (partial / name).write_text(text)
    shutil.copy2(busybox, partial / "bin/busybox")
    listed = check(host.run((str(busybox), "--list")), "listing busybox's applets").output.split()
    for applet in listed:
        if applet != "busybox":
            (partial / "bin" / applet).symlink_to("busybox")
    for name, target in links:
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).symlink_to(target)
    partial.rename(root)
