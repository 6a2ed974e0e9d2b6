# SPDX-License-Identifier: GPL-2.0-only
"""virtme-ng as a directory that can be sent to a host.

So all hosts boot with the same version, and no host has to install it.
"""

from __future__ import annotations

import hashlib
import shutil
from importlib.metadata import Distribution, distribution
from pathlib import Path

from orchestrator.host.base import Host
from orchestrator.host.lock import locked

_PACKAGES = ("virtme-ng", "argcomplete", "requests", "urllib3", "idna", "certifi", "charset-normalizer")
"""virtme-ng and its imports: pure Python only, without modules that are compiled for one version of Python."""
_COMMANDS = {"vng": "virtme_ng.run", "virtme-run": "virtme.commands.run"}
_WRAPPER = """\
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")/..
PYTHONPATH=$here/lib exec {python} -c 'import sys; sys.argv[0] = "{name}"; from {module} import main; main()' "$@"
"""


def toolbox(host: Host, cache: Path, python: str) -> Path:
    """Return the directory with virtme-ng for a host whose Python is `python`.

    Its `bin` has vng.  It is made once for each combination of packages and Python.
    """
    place = cache / "toolbox" / f"virtme-ng-{distribution('virtme-ng').version}-{_identity(python)}"
    with locked(host, place.with_name(f"{place.name}.lock")):
        if not place.exists():
            _make(place, python)
    return place


def _identity(python: str) -> str:
    versions = [(package, distribution(package).version) for package in _PACKAGES]
    return hashlib.sha256(repr((python, versions, _COMMANDS, _WRAPPER)).encode()).hexdigest()[:12]


def _make(place: Path, python: str) -> None:
    partial = place.with_name(f"{place.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for package in _PACKAGES:
        copy_package(distribution(package), partial / "lib")
    (partial / "bin").mkdir()
    for name, module in _COMMANDS.items():
        wrapper = partial / "bin" / name
        wrapper.write_text(_WRAPPER.format(python=python, name=name, module=module))
        wrapper.chmod(0o755)
    partial.rename(place)


def copy_package(package: Distribution, lib: Path) -> None:
    """Copy a package's modules and data; scripts and compiled modules are left out."""
    for file in package.files or ():
        source = Path(str(file.locate()))
        if ".." not in file.parts and source.suffix not in (".pyc", ".so") and source.is_file():
            target = lib / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
