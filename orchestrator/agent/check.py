# SPDX-License-Identifier: GPL-2.0-only
"""All that a host says of what a run needs there: programs and their versions, files, disks, limits; changes nothing.

What is asked for comes with the request, and what it means is judged by whoever asked: here are only facts.
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
"""Where root's programs are, whoever asks: Debian leaves these out of a user's PATH."""
_SECONDS = 20
_ELF_INTERPRETER = 3
"""elf(5), PT_INTERP: who has none needs no dynamic linker."""
_MIRRORS = ("apt-get", "indextargets", "--format", "$(ORIGIN)", "Created-By: Packages")


def search_path(own: list[str]) -> str:
    """The directories that programs are looked for in, those of `own` first."""
    return os.pathsep.join([*own, os.environ.get("PATH", os.defpath), *_SBIN])


def program(name: str, ask: list[str], path: str) -> dict[str, Any] | None:
    """Where a program is, the first line that it says when asked for its version, and whether it runs; None if none."""
    found = shutil.which(name, path=path)
    if found is None:
        return None
    status, output = told([found, *ask])
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return {"path": found, "version": lines[0] if lines else "", "runs": status == 0, "static": is_static(found)}


def told(argv: list[str]) -> tuple[int, str]:
    """The exit status and the output of a command; 127 where it cannot be started or does not end."""
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
    """Whether a program needs no dynamic linker (elf(5)); None for what is no 64-bit ELF file of this byte order."""
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
    """The programs called like one of `names` or with a number behind it: clang, clang-19."""
    pattern = re.compile("(" + "|".join(map(re.escape, names)) + r")(-\d+)?")
    found: set[str] = set()
    for directory in path.split(os.pathsep):
        try:
            found.update(name for name in os.listdir(directory) if pattern.fullmatch(name))  # noqa: PTH208 -- of PATH
        except OSError:
            continue
    return sorted(found)


def programs(request: dict[str, Any]) -> dict[str, Any]:
    """Every program that is asked for, by name; None for one that is not there."""
    path = search_path(request["path"])
    asked = {**{name: ["--version"] for name in versioned(request["versioned"], path)}, **request["programs"]}
    with ThreadPoolExecutor(4) as executor:
        return dict(zip(asked, executor.map(lambda one: program(one[0], one[1], path), asked.items())))  # noqa: B905


def place(path: str) -> dict[str, Any]:
    """The disk of a directory that need not exist yet: bytes in all and free, whether this user may write to it, and
    whether it is there and somebody else's."""
    there = os.path.realpath(path)
    foreign = os.path.exists(there) and os.stat(there).st_uid != os.geteuid()  # noqa: PTH110, PTH116 -- of text
    while not os.access(there, os.F_OK):
        there = os.path.dirname(there)  # noqa: PTH120 -- like the rest here, of text
    disk = os.statvfs(there)
    writable = os.access(there, os.W_OK | os.X_OK)
    return {
        "free": disk.f_bavail * disk.f_frsize,
        "total": disk.f_blocks * disk.f_frsize,
        "writable": writable,
        "foreign": foreign,
    }


def memory(tree: Tree) -> dict[str, int]:
    """Bytes of memory: all, and what can be had without swapping (proc(5), meminfo)."""
    rows = dict(line.split(":", 1) for line in tree.read("/proc/meminfo").splitlines() if ":" in line)
    told_kib = {name: int(rows.get(name, "0").split()[0]) << 10 for name in ("MemTotal", "MemAvailable")}
    return {"total": told_kib["MemTotal"], "available": told_kib["MemAvailable"] or told_kib["MemTotal"]}


def kvm(tree: Tree) -> dict[str, Any]:
    """/dev/kvm, which of the CPU's flags promises it: vmx (Intel), svm (AMD), "" for none; whether it is kvm_pvm."""
    node = tree.path("/dev/kvm")
    words = set(tree.read("/proc/cpuinfo").split())
    usable = os.access(str(node), os.R_OK | os.W_OK)
    flag = next((one for one in ("vmx", "svm") if one in words), "")
    return {"there": node.exists(), "usable": usable, "flag": flag, "pvm": tree.path("/sys/module/kvm_pvm").exists()}


def module(tree: Tree, name: str) -> bool:
    """Whether the running kernel can load a module, or has it built in."""
    place_of = "/lib/modules/" + os.uname().release
    listed = tree.read(place_of, "modules.dep") + "\n" + tree.read(place_of, "modules.builtin")
    return bool(re.search(r"/" + re.escape(name) + r"\.ko\b", listed))


def user() -> dict[str, Any]:
    """Who asks, and how he could become root."""
    number = os.geteuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = str(number)
    return {"name": name, "root": number == 0, "sudo": shutil.which("sudo") is not None}


def system(tree: Tree) -> str:
    """What the distribution calls itself (os-release(5))."""
    lines = (line.partition("=") for line in tree.read("/etc/os-release").splitlines())
    return next((value.strip("\"'") for name, _, value in lines if name == "PRETTY_NAME"), platform.system())


def check(tree: Tree, request: dict[str, Any]) -> dict[str, Any]:
    """All of it."""
    return {
        "system": system(tree),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "cpu": next((line.split()[-1] for line in tree.read("/proc/cpuinfo").splitlines() if "vendor_id" in line), ""),
        "python": platform.python_version(),
        "user": user(),
        "apt": shutil.which("apt-get") is not None,
        "mirror": "Debian" in told(list(_MIRRORS))[1].split(),
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
