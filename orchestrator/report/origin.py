# SPDX-License-Identifier: GPL-2.0-only
"""The origin of the kernels, and the commands that show or repeat a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from orchestrator.report.grid import Grid, GridCell
from orchestrator.report.text import LONGEST_PATH, fit
from orchestrator.result.run import Run

MOST_FACTS = 40
"""Facts that are shown of a kernel at most; orch records a dozen."""
_LONGEST = 300
_DIGESTS = ("build", "source_sha256", "config_sha256")
_SHOWN_OF_DIGEST = 12
_WORDS = {
    "source_sha256": "SHA-256 of the source",
    "config": "config fragments",
    "config_sha256": "SHA-256 of the config",
    "build": "build key",
    "cached": "from the cache",
    "objects": "objects compiled",
    "build_seconds": "seconds",
}


@dataclass(frozen=True)
class Provenance:
    """What the kernels share, what differs, and the tools of the run."""

    shared: tuple[tuple[str, str], ...]
    table: Grid
    tools: tuple[tuple[str, str], ...]


def provenance(run: Run) -> Provenance:
    """Return the origin of the numbers of a run.  A fact that all kernels share that were built is shown once."""
    facts = {name: run.kernels.get(name, {}) for name in run.scenario.kernels}
    keys = list(dict.fromkeys(key for of_one in facts.values() for key in of_one))[:MOST_FACTS]
    built = [each for each in facts.values() if each]
    shared = [key for key in keys if len({_text(key, each.get(key)) for each in built}) == 1]
    own = [key for key in keys if key not in shared]
    rows = tuple(
        (GridCell(fit(name, _LONGEST)), *(GridCell(_text(key, each.get(key))) for key in own))
        for name, each in facts.items()
    )
    heads = ("kernel", *(_word(key) for key in own))
    table = Grid("Origin of each kernel", heads, (False,) * len(heads), rows)
    some = built[0] if built else {}
    same = tuple((_word(key), _text(key, some.get(key))) for key in shared)
    tools = (("accelerator", run.accelerator), ("host", run.host), *run.tools.items())
    return Provenance(same, table, tuple((_word(name), fit(value, _LONGEST)) for name, value in tools if value))


def commands(run: Run) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return (what they do, commands): from the directory where orch ran, and from that of the run."""
    overrides = f" {run.scenario.overrides}" if run.scenario.overrides else ""
    found = [
        ("Print the comparison again", [f"orch compare {shlex.quote(run.id)}"]),
        ("Run it again", [f"orch run {shlex.quote(scenario_file(run))}{overrides}"]),
    ]
    scripts = [f"kernels/{name}/reproduce.sh" for name in run.scenario.kernels]
    there = [script for script in scripts if _is_there(run.path / script)]
    rebuild = [f"sh {shlex.quote(script)} DIRECTORY" for script in there[:MOST_FACTS]]
    if rebuild:
        found.append(("Rebuild a kernel without orch, in the directory of the run", rebuild))
    return tuple((what, tuple(fit(command, LONGEST_PATH) for command in them)) for what, them in found)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # of a name that no file can have
        return False


def scenario_file(run: Run) -> str:
    """Return the scenario's file without the directories of the user's machine."""
    path = PurePath(run.scenario.path)
    return f"scenarios/{path.name}" if path.parent.name == "scenarios" else path.name


def _word(key: str) -> str:
    return _WORDS.get(key, fit(key.replace("_", " "), 60))


def _text(key: str, value: object) -> str:
    """Return a fact as text; of a digest the beginning."""
    if value in (None, ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return fit(", ".join(_text("", item) for item in value) or "none", _LONGEST)
    shown = json.dumps(value, default=str) if isinstance(value, Mapping) else str(value)
    return shown[:_SHOWN_OF_DIGEST] if key in _DIGESTS and shown.isalnum() else fit(shown, _LONGEST)
