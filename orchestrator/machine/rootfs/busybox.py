# SPDX-License-Identifier: GPL-2.0-only
"""The guest's root file system: a static busybox, and mount points for the host's programs.

By default, virtme-ng exports the host's own root.  A separate root hides the host's files from the guest, does not
depend on the packages installed on the host, and boots in a third of the time (no udev, no systemd-tmpfiles).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.arch import ARCHES, is_foreign
from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Command, Host, check
from orchestrator.host.lock import locked
from orchestrator.kernel.cache.sealed import broken_seal, seal
from orchestrator.kernel.cache.store import KernelCache, mark_used
from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE
from orchestrator.machine.rootfs.foreign_arch import fetch_programs
from orchestrator.machine.rootfs.userland import Userland

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

Link = tuple[str, str]
"""A symbolic link of the root: its path without the leading slash, and its target."""

_FOREIGN_LINKS: tuple[Link, ...] = (("usr/bin/env", "/bin/busybox"),)
"""The links that virtme's init script for bash needs in addition to programs in /bin."""


def guest_root(host: Host, cache: Path, userland: Userland = _PLAIN, arch: str = "x86_64") -> Path:
    """Return the guest's root file system.

    It is made once per busybox and kind of `userland`, and again if damaged.  For a guest of another architecture than
    the local machine's, it has Debian's busybox and bash for that one.  Raises InfrastructureError if busybox is
    missing or cannot be fetched.
    """
    found = shutil.which("busybox")
    if found is None:
        raise InfrastructureError("busybox is not installed; install the package busybox-static")
    own = Path(found).resolve()
    programs = fetch_programs(host, cache, ARCHES[arch].debian) if is_foreign(arch) else {"busybox": own}
    links = (*userland.links, *(_FOREIGN_LINKS if is_foreign(arch) else ()))
    directories = [*_DIRECTORIES, *(name for name in userland.directories if name not in _DIRECTORIES)]
    content = repr((directories, _FILES, *links)).encode()
    key = hashlib.sha256(b"".join(path.read_bytes() for path in programs.values()) + content).hexdigest()[:16]
    root = cache / "guest-root" / key
    with locked(host, root.with_suffix(".lock")):
        if broken_seal(root):
            KernelCache(cache).discard(root)
            _make(root, programs, _applets(host, own), directories, links)
            seal(root)
        mark_used(root)
    return root


def _applets(host: Host, busybox: Path) -> list[str]:
    """Return the names of busybox's applets, as listed by the local machine's busybox."""
    listed = check(host.run(Command((str(busybox), "--list"))), "listing busybox's applets").output.split()
    return [applet for applet in listed if applet != "busybox"]


def _make(
    root: Path, programs: Mapping[str, Path], applets: list[str], directories: list[str], links: Iterable[Link]
) -> None:
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name in (*directories, GUEST_SHARE.lstrip("/"), GUEST_PROGRAM.lstrip("/")):
        (partial / name).mkdir(parents=True, exist_ok=True)
    for name, text in _FILES.items():
        (partial / name).write_text(text)
    for applet in applets:
        (partial / "bin" / applet).symlink_to("busybox")
    for name, path in programs.items():
        shutil.copy2(path, partial / "bin" / name)
    for name, target in links:
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).symlink_to(target)
    partial.rename(root)
