# SPDX-License-Identifier: GPL-2.0-only
"""The program that builds one kernel on a build host.

It is sent there with all of orch.  The request is a JSON object on stdin: `recipe`, `cache` (a directory) and `jobs`.
Each line of stdout is a JSON object: an `event`, and at the end either `built`, the result, or `failed`, the error.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from orchestrator.agent.objects import UNUSED_SECONDS
from orchestrator.errors import InfrastructureError, OrchError
from orchestrator.events import Event
from orchestrator.host.base import Host
from orchestrator.host.local import LocalHost
from orchestrator.host.lock import alone, shared
from orchestrator.host.niced import Niced
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.model import KernelBuild
from orchestrator.kernel.remote.recipe_json import from_json


def _print_message(**message: object) -> None:
    print(json.dumps(message), flush=True)


def _event(event: Event) -> None:
    _print_message(event=asdict(event))


def _build(request: dict[str, Any]) -> KernelBuild:
    host, cache = LocalHost(), KernelCache(Path(request["cache"]))
    with shared(host, cache.users), tempfile.TemporaryDirectory(prefix="orch-") as place:
        recipe = from_json(request["recipe"], Path(place))
        try:
            return Builder(Niced(host), cache, request["jobs"], _event).build(recipe)
        finally:
            cache.sweep()


def _forget_unused(host: Host, cache: KernelCache) -> None:
    """Remove old unused builds and built trees, unless another build is running."""

    def refuse() -> None:
        raise InfrastructureError("another build is under way")

    with suppress(InfrastructureError), alone(host, cache.users, refuse):
        for place in (*cache.builds.glob("*"), *(cache.root / "trees").glob("*")):
            if place.stat().st_mtime < time.time() - UNUSED_SECONDS:
                cache.discard(place)
        cache.sweep()


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Build the kernel of the request on stdin; return 0 if it was built.

    SIGTERM, sent when the connection is lost, makes it remove the unfinished build first.
    """
    signal.signal(signal.SIGTERM, _stop)
    try:
        request = json.load(sys.stdin)
        build = _build(request)
    except OrchError as error:
        _print_message(failed=type(error).__name__, text=str(error))
        return 1
    except OSError as error:
        _print_message(failed="InfrastructureError", text=str(error))
        return 1
    except KeyboardInterrupt:
        return 1
    _print_message(
        built={
            "key": build.key,
            "directory": str(build.directory),
            "version": build.version,
            "objects": 0 if build.cached else build.objects,
        }
    )
    _forget_unused(LocalHost(), KernelCache(Path(request["cache"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
