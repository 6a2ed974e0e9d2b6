# SPDX-License-Identifier: GPL-2.0-only
"""A host of the inventory that builds kernels, with a cache of its own.

It receives orch itself, sources and recipes.  It needs Python 3.11, make, a compiler and all other programs for
building Linux.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from threading import Lock
from typing import Any

import orchestrator
from orchestrator import errors
from orchestrator.arch import arch_name
from orchestrator.errors import CommandError, InfrastructureError, OrchError
from orchestrator.events import Emit, Event, Kind, phase
from orchestrator.host.base import Command, Host, check
from orchestrator.host.bundle import copy_package
from orchestrator.host.push import RemoteStore, own_directory
from orchestrator.inventory.model import Entry
from orchestrator.kernel.build.builder import BUILD_TIMEOUT_SECONDS
from orchestrator.kernel.build.recipe import RemoteToolchain
from orchestrator.kernel.model import Recipe
from orchestrator.kernel.remote.recipe_json import to_json

_SECONDS = 60.0
_GRACE = 20.0
"""Seconds for a stopped build to remove its unfinished files, about 90,000."""
_OLDEST = (3, 11)
_VERSION = "import sys; print(*sys.version_info[:2])"
_PACKAGES = ("filelock",)
"""The packages, pure Python, that building kernels imports beside the standard library."""


@dataclass(frozen=True)
class Built:
    """An artifact on the host.

    `key` is its build key, `directory` its directory there, `version` the kernel's version.  `objects` is the number of
    objects that were compiled for it now.
    """

    key: str
    directory: Path
    version: str
    objects: int


class BuildHost:
    """The build host `host`, described by the inventory's `entry`.

    Nothing is written there before the first build.
    """

    def __init__(self, host: Host, entry: Entry) -> None:
        """Examine the host.

        Raises CommandError if the host is lost, InfrastructureError if its Python cannot run orch.
        """
        self.host = host
        self._python = entry.address.python
        self._refuse_old_python()
        self._directory = entry.directory
        self._store = RemoteStore(host, entry.directory)
        cores = int(self._ask("nproc"))
        self.jobs = min(cores, entry.cores or cores)
        self.away = RemoteToolchain(host, arch_name(self._ask("uname", "-m")))
        self._orch: Path | None = None
        self._preparing = Lock()

    def build(self, recipe: Recipe, emit: Emit) -> Built:
        """Build `recipe` there, unless the host has it already.

        Raises the errors of `Builder.build`, and InfrastructureError also if the host is lost.
        """
        with phase(emit, recipe.name, "send", f"its source to {self.host.name}"):
            orch = self._prepared()
            source = self._store.push(recipe.source.path, identity=f"source {recipe.source.id}")
        request = {"recipe": to_json(recipe, source), "cache": str(self.cache), "jobs": self.jobs}
        listener = _Listener(emit)
        done = self.host.run(
            Command(
                (self._python, "-S", "-P", "-m", "orchestrator.kernel.remote.worker"),
                env={"PYTHONPATH": str(orch), "PYTHONPYCACHEPREFIX": str(self._directory / "pycache")},
                stdin=json.dumps(request),
                timeout=BUILD_TIMEOUT_SECONDS,
                grace=_GRACE,
                on_line=listener,
            )
        )
        if "built" in listener.last:
            built = listener.last["built"]
            return Built(built["key"], Path(built["directory"]), built["version"], built["objects"])
        if "failed" in listener.last:
            raise _error(self.host.name, listener.last)
        what = f"{self.host.name}: building kernel '{recipe.name}' ended with status {done.status}"
        raise CommandError(f"{what}: {listener.noise or 'there was no output'}")

    @property
    def cache(self) -> Path:
        """The directory on the host that keeps its builds."""
        return self._directory / "cache"

    def _prepared(self) -> Path:
        """Return the directory of orch on the host; the first build sends it."""
        with self._preparing:
            if self._orch is None:
                own_directory(self.host, self._directory)
                with tempfile.TemporaryDirectory(prefix="orch-") as place:
                    self._orch = self._store.push(_packed(Path(place) / "orch"))
            return self._orch

    def _refuse_old_python(self) -> None:
        version = tuple(int(part) for part in self._ask(self._python, "-I", "-S", "-c", _VERSION).split())
        if version < _OLDEST:
            found, needed = (".".join(map(str, parts)) for parts in (version, _OLDEST))
            what = f"{self.host.name}: its {self._python} is {found}, and building needs {needed} or newer"
            raise InfrastructureError(f"{what}; give the host another 'python' in the inventory")

    def _ask(self, *argv: str) -> str:
        return check(self.host.run(Command(argv, timeout=_SECONDS)), f"asking {self.host.name}").output.strip()


class _Listener:
    """Receives the output lines of the worker: passes events on, and keeps the result.

    `last` is the last message that is not an event; `noise` is the last line that is not a message.
    """

    def __init__(self, emit: Emit) -> None:
        self.last: Mapping[str, Any] = {}
        self.noise = ""
        self._emit = emit

    def __call__(self, line: str) -> None:
        try:
            message = json.loads(line)
            event = message.get("event")
        except (ValueError, AttributeError):
            self.noise = line
            return
        if event is None:
            self.last = message
        else:
            self._emit(Event(event["job"], event["phase"], Kind(event["kind"]), event["text"], event["seconds"]))


def _error(host: str, message: Mapping[str, Any]) -> OrchError:
    """Return the error that the host reported.

    Its class stays the same, so that the same party is at fault.
    """
    kind = getattr(errors, message["failed"], InfrastructureError)
    known = isinstance(kind, type) and issubclass(kind, OrchError) and not issubclass(kind, errors.ScenarioError)
    text = str(message["text"])
    if known and not issubclass(kind, InfrastructureError):
        error: OrchError = kind(text)
        return error
    return InfrastructureError(f"{host}: {text}")


def _packed(place: Path) -> Path:
    """Make a directory with orch and the packages that building kernels imports."""
    package = Path(orchestrator.__file__).parent
    shutil.copytree(package, place / package.name, ignore=lambda _, names: [name for name in names if _unneeded(name)])
    for name in _PACKAGES:
        copy_package(distribution(name), place)
    return place


def _unneeded(name: str) -> bool:
    return name == "__pycache__" or Path(name).suffix not in ("", ".py")
