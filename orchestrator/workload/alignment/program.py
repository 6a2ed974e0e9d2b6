# SPDX-License-Identifier: GPL-2.0-only
"""The guest's `alignment` program: compile it once per toolchain, and build its command line."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from orchestrator.arch import ARCHES, is_foreign
from orchestrator.errors import CommandError, InfrastructureError
from orchestrator.host.base import Command, Host, check
from orchestrator.host.cleared import Cleared
from orchestrator.host.full import failure
from orchestrator.host.lock import locked
from orchestrator.kernel.cache.sealed import broken_seal, seal
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.toolchain import cross_prefix
from orchestrator.scenario.model import AlignmentWorkload

GUEST = Path(__file__).resolve().parents[1] / "guest"
"""The directory of the C sources, which are part of the package.

Includes name files relative to it (``-I``): ``lib/vfio.h``.
"""

COMPILER = "gcc"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static")
"""Static, because the guest's root file system can have another C library, or none."""

KTAP_FILE = "ktap.log"
MEASUREMENTS_FILE = "measurements.jsonl"

_SECONDS_TO_COMPILE = 300.0
_ERROR_LINE = re.compile(r"\b(error|fatal|undefined reference|cannot find)\b", re.IGNORECASE)


def sources() -> tuple[Path, ...]:
    """Return the C files and headers of the program, in all its folders, sorted by path."""
    return tuple(sorted(path for path in GUEST.rglob("*") if path.suffix in (".c", ".h")))


def compile_program(host: Host, cache: Path, arch: str = "x86_64") -> Path:
    """Return the path of the program for `arch`.

    Compile it on `host` if the cache has no intact one.  The cache entry depends on the sources, the compiler and the
    flags.  `cache` is a directory on the host, which is the local machine.  The result appears there atomically
    (``workloads/<key>/alignment``, beside the sources), so that any number of jobs can call this at the same time.
    Raises InfrastructureError with the first error line if it does not compile, CommandError if the host has no
    compiler, and Interrupted.
    """
    compiler = f"{cross_prefix(arch)}{COMPILER}"
    key = _key(_compiler_version(host, compiler, arch))
    home = cache / "workloads" / key
    with locked(host, KernelCache(cache).lock(f"workload-{key}")):
        if broken_seal(home):
            KernelCache(cache).discard(home)
            _make(host, home, compiler)
            seal(home)
    return home / "alignment"


def command(
    workload: AlignmentWorkload, address: str, binary: str, out_dir: str, *, dump: bool = True
) -> tuple[str, ...]:
    """Return the command line in the guest.

    `address` is the device's PCI address in the guest; `binary` and `out_dir` are paths there.  `dump` is whether the
    kernel can show its page tables; if it can, the program requires it.  The command writes KTAP_FILE and
    MEASUREMENTS_FILE to `out_dir`.  Never raises.
    """
    argv = [binary, "--device", address]
    for bar in workload.bars:
        argv += ["--bar", str(bar)]
    argv += ["--offset", str(workload.offset)]
    if workload.length is not None:
        argv += ["--length", str(workload.length)]
    for placement in workload.placements:
        argv += ["--placement", placement.value]
    for group in workload.tests:
        argv += ["--test", group.value]
    argv += ["--repeats", str(workload.repeats), "--ranges", str(workload.ranges), "--seed", str(workload.seed or 0)]
    if workload.hole is not None:
        argv += ["--hole", str(workload.hole)]
    if not dump:
        argv.append("--no-dump")
    argv += ["--measurements", f"{out_dir}/{MEASUREMENTS_FILE}"]
    argv += ["--ktap", f"{out_dir}/{KTAP_FILE}"]
    return tuple(argv)


def _compiler_version(host: Host, compiler: str, arch: str) -> str:
    try:
        return check(
            host.run(Command((compiler, "--version"))), f"{host.name}: asking {compiler} for its version"
        ).output
    except CommandError as error:
        target, _, libc = ARCHES[arch].cross_packages if is_foreign(arch) else ("gcc", "", "libc6-dev")
        packages = f"{target} and {libc}"
        raise CommandError(
            f"{host.name}: cannot run {compiler}, which compiles the guest program; install {packages}"
        ) from error


def _key(compiler_version: str) -> str:
    """Return a cache key for these sources and this toolchain."""
    digest = hashlib.sha256()
    for part in (compiler_version, *FLAGS):
        digest.update(part.encode() + b"\0")
    for path in sources():
        digest.update(path.relative_to(GUEST).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _make(host: Host, home: Path, compiler: str) -> None:
    """Compile in a new directory beside `home`, then rename it to `home`."""
    check(host.run(Command(("mkdir", "-p", str(home.parent)))), f"{host.name}: making {home.parent}")
    made = check(
        host.run(Command(("mktemp", "-d", str(home.parent / ".new-XXXXXXXX")))),
        f"{host.name}: making a directory in {home.parent}",
    )
    work = Path(made.output.strip())
    try:
        _compile(host, work, compiler)
        check(host.run(Command(("mv", "-T", str(work), str(home)))), f"{host.name}: renaming {work} to {home}")
    finally:
        host.run(Command(("rm", "-rf", str(work))))


def _compile(host: Host, work: Path, compiler: str) -> None:
    source = work / "source"
    host.put(GUEST, source)
    files = tuple(str(source / path.relative_to(GUEST)) for path in sources() if path.suffix == ".c")
    argv = (compiler, *FLAGS, f"-I{source}", "-o", str(work / "alignment"), *files)
    compiled = Cleared(host).run(Command(argv, timeout=_SECONDS_TO_COMPILE))
    if not compiled.ok:
        what = f"{host.name}: {compiler} cannot compile the guest program: {_first_error(compiled.output)}"
        raise failure(what, compiled.output, InfrastructureError)


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return next((line for line in lines if _ERROR_LINE.search(line)), lines[0] if lines else "no output")
