# SPDX-License-Identifier: GPL-2.0-only
"""Run a program of the package `agent` on a host without orch.

The package is sent along with each call.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import orchestrator
from orchestrator import agent
from orchestrator.host import supervisor

_PACKAGE = Path(agent.__file__).parent
# The programs are a zip archive in the first line of stdin; Python imports from any seekable file.
_LOADER = """\
import base64, io, os, runpy, sys
line = sys.stdin.buffer.readline()
file = os.memfd_create("orch", 0)
os.write(file, base64.b64decode(line))
sys.path.insert(0, "/proc/self/fd/%d" % file)
sys.stdin = io.TextIOWrapper(io.BytesIO(sys.stdin.buffer.read()), "utf-8")
module = sys.argv[1]
del sys.argv[1]
runpy.run_module(module, run_name="__main__", alter_sys=False)
"""


def program(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs the module `name` of `agent` with `arguments`.

    Its stdin is the text from `sent`.  Its Python is the host's own, as named in the inventory (`supervisor.PYTHON`).
    """
    return (*supervisor.PYTHON, "-c", _LOADER, f"orchestrator.agent.{name}", *arguments)


def sent(request: dict[str, Any]) -> str:
    """Return the stdin of a program: all of `agent`, then the request."""
    return f"{_archive()}\n{json.dumps({'root': '/', **request})}"


@cache
def _archive() -> str:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(orchestrator.__file__, "orchestrator/__init__.py")
        for path in sorted(_PACKAGE.glob("*.py")):
            archive.write(path, f"orchestrator/agent/{path.name}")
    return base64.b64encode(data.getvalue()).decode()
