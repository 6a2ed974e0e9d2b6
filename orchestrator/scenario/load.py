# SPDX-License-Identifier: GPL-2.0-only
"""Load a scenario file as a `Scenario`, or raise one error with all problems of the file."""

from __future__ import annotations

from pathlib import Path

from orchestrator.scenario.expand.matrix import expanded
from orchestrator.scenario.model import Scenario
from orchestrator.scenario.resolve.convert import build
from orchestrator.scenario.resolve.data import kernels_dir
from orchestrator.scenario.resolve.library import Library
from orchestrator.scenario.resolve.recipes import resolve
from orchestrator.scenario.schema.parts import read_parts
from orchestrator.scenario.validate.scenario import check
from orchestrator.yamlfile.document import read_document


def load(path: Path, *, data: Path | None = None) -> Scenario:
    """Read the scenario at `path`.

    `data` is the directory with `configs/` and `patches/`; the default is the one that comes with orch.  Raises
    ScenarioError with every problem of the file, in the order of its lines.
    """
    document = expanded(read_document(path))
    parts = read_parts(document)
    recipes = resolve(parts, Library((data or kernels_dir()).absolute(), document.path.parent))
    found = [*document.findings, *parts.findings, *check(parts), *recipes.findings]
    if found or parts.file is None:
        raise document.error(found)
    return build(parts.file, document, recipes)
