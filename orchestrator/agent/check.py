# SPDX-License-Identifier: GPL-2.0-only
"""Report what a host has of a run's needs; change nothing.

These are programs and their versions, files, disks and limits.  The request names the items.  The report has facts
only; the sender of the request evaluates them.
"""

from __future__ import annotations

import json
import os
import platform
import pwd
import re
import resource
import shutil
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orchestrator.agent.scan import scan
from orchestrator.agent.sysfs import Tree

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""The directories of root's programs; Debian leaves them out of a user's PATH."""
_SECONDS = 20
_ELF_INTERPRETER = 3
"""elf(5), PT_INTERP: a program without it needs no dynamic linker."""
_MIRRORS = ("apt-get", "indextargets", "--format", "$(ORIGIN)", "Created-By: Packages")


def search_path(own: list[str]) -> str:
    """Return the search path for programs, with the directories of `own` first."""
    return os.pathsep.join([*own, os.environ.get("PATH", os.defpath), *_SBIN])


def program(name: str, ask: list[str], path: str) -> dict[str, Any] | None:
    """Return a program's path, version line, and whether it runs; None if not found.

    `ask` are the arguments that print its version; the version line is the first line of that output.
    """
    found = shutil.which(name, path=path)
    if found is None:
        return None
    status, output = run_program([found, *ask])
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return {"path": found, "version": lines[0] if lines else "", "runs": status == 0, "static": is_static(found)}


def run_program(argv: list[str]) -> tuple[int, str]:
    """Return the exit status and the output of a command.

    The status is 127 if the command cannot be started or does not end.
    """
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.decode(errors="replace")


def is_static(path: str) -> bool | None:
    """Return whether a program needs no dynamic linker (elf(5)).

    Returns None if it is not a 64-bit ELF file of this byte order.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- a name from PATH
            head = file.read(64)
            if head[:5] != b"\x7fELF\x02" or len(head) < 64:
                return None
            offset, size, count = struct.unpack_from("Q", head, 32)[0], *struct.unpack_from("HH", head, 54)
            file.seek(offset)
            table = file.read(size * count)
        return all(struct.unpack_from("I", table, size * row)[0] != _ELF_INTERPRETER for row in range(count))
    except (OSError, struct.error):
        return None


def versioned(names: list[str], path: str) -> list[str]:
    """Return the programs with a name of `names`, with or without a version: clang, clang-19."""
    pattern = re.compile("(" + "|".join(map(re.escape, names)) + r")(-\d+)?")
    found: set[str] = set()
    for directory in path.split(os.pathsep):
        try:
            found.update(name for name in os.listdir(directory) if pattern.fullmatch(name))  # noqa: PTH208 -- of PATH
        except OSError:
            continue
    return sorted(found)


def programs(request: dict[str, Any]) -> dict[str, Any]:
    """Return every program of the request by name; None for a missing one."""
    path = search_path(request["path"])
    asked = {**{name: ["--version"] for name in versioned(request["versioned"], path)}, **request["programs"]}
    with ThreadPoolExecutor(4) as executor:
        return dict(zip(asked, executor.map(lambda item: program(item[0], item[1], path), asked.items())))  # noqa: B905


def place(path: str) -> dict[str, Any]:
    """Return the facts about the disk of a directory, which need not exist yet.

    `free` and `total` are in bytes; `writable` is whether this user may write to it; `foreign` is whether the directory
    exists and belongs to another user.
    """
    there = os.path.realpath(path)
    foreign = os.path.exists(there) and os.stat(there).st_uid != os.geteuid()  # noqa: PTH110, PTH116 -- of text
    while not os.access(there, os.F_OK):
        there = os.path.dirname(there)  # noqa: PTH120 -- of text, like the rest here
    disk = os.statvfs(there)
    writable = os.access(there, os.W_OK | os.X_OK)
    return {
        "free": disk.f_bavail * disk.f_frsize,
        "total": disk.f_blocks * disk.f_frsize,
        "writable": writable,
        "foreign": foreign,
    }


def memory(tree: Tree) -> dict[str, int]:
    """Return the total memory and the memory available without swapping, in bytes.

    Source: proc(5), meminfo.
    """
    rows = dict(line.split(":", 1) for line in tree.read("/proc/meminfo").splitlines() if ":" in line)
    sizes = {name: int(rows.get(name, "0").split()[0]) << 10 for name in ("MemTotal", "MemAvailable")}
    return {"total": sizes["MemTotal"], "available": sizes["MemAvailable"] or sizes["MemTotal"]}


def kvm(tree: Tree) -> dict[str, Any]:
    """Return the facts about /dev/kvm.

    `flag` is the CPU flag for virtualization: vmx (Intel), svm (AMD), or "".  `modules` are those whose name begins
    with kvm, built in or loaded.
    """
    node = tree.path("/dev/kvm")
    flags = set(tree.read("/proc/cpuinfo").split())
    usable = os.access(str(node), os.R_OK | os.W_OK)
    flag = next((name for name in ("vmx", "svm") if name in flags), "")
    modules = [name for name in tree.names("/sys/module") if name.startswith("kvm")]
    return {"there": node.exists(), "usable": usable, "flag": flag, "modules": modules}


def module(tree: Tree, name: str) -> bool:
    """Return whether the running kernel can load a module, or has it built in."""
    place_of = "/lib/modules/" + os.uname().release
    listed = tree.read(place_of, "modules.dep") + "\n" + tree.read(place_of, "modules.builtin")
    return bool(re.search(r"/" + re.escape(name) + r"\.ko\b", listed))


def user() -> dict[str, Any]:
    """Return the user who runs this, and whether sudo is available."""
    number = os.geteuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = str(number)
    return {"name": name, "root": number == 0, "sudo": shutil.which("sudo") is not None}


def system(tree: Tree) -> str:
    """Return the distribution's name for itself (os-release(5))."""
    lines = (line.partition("=") for line in tree.read("/etc/os-release").splitlines())
    return next((value.strip("\"'") for name, _, value in lines if name == "PRETTY_NAME"), platform.system())


def check(tree: Tree, request: dict[str, Any]) -> dict[str, Any]:
    """Return the whole report."""
    return {
        "system": system(tree),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "cpu": next((line.split()[-1] for line in tree.read("/proc/cpuinfo").splitlines() if "vendor_id" in line), ""),
        "python": platform.python_version(),
        "user": user(),
        "apt": shutil.which("apt-get") is not None,
        "mirror": "Debian" in run_program(list(_MIRRORS))[1].split(),
        "programs": programs(request),
        "files": [name for name in request["files"] if tree.path(name).exists()],
        "places": {name: place(path) for name, path in request["places"].items()},
        "memory": memory(tree),
        "cores": len(os.sched_getaffinity(0)),
        "kvm": kvm(tree),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "vfio_pci": module(tree, "vfio-pci"),
        "scan": scan(tree),
    }


if __name__ == "__main__":
    asked_for = json.load(sys.stdin)
    print(json.dumps(check(Tree(asked_for["root"]), asked_for)))
