# SPDX-License-Identifier: GPL-2.0-only
"""A recipe as JSON, for a host that has its source at another place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.kernel.model import Patch, Recipe, SourceTree, Toolchain


def to_json(recipe: Recipe, source: Path) -> dict[str, Any]:
    """`recipe`, whose pristine source is at `source`: all that its key is made of, and what messages need.

    What a scenario called the source, and its history, stay here: the artifact's provenance is written where it is
    kept.
    """
    tree = recipe.source
    return {
        "name": recipe.name,
        "where": recipe.where,
        "source": {"id": tree.id, "version": tree.version, "path": str(source), "origin": tree.origin},
        "patches": [{"name": one.path.name, "text": one.text, "files": one.files} for one in recipe.patches],
        "request": recipe.request,
        "required": recipe.required,
        "toolchain": asdict(recipe.toolchain),
        "modules": recipe.modules,
    }


def from_json(told: Mapping[str, Any], place: Path) -> Recipe:
    """The recipe that `to_json` told of, whose patches are written to files in the directory `place`.

    Raises LookupError or TypeError where it is none, OSError where a file cannot be written.
    """
    tree = told["source"]
    return Recipe(
        name=told["name"],
        where=told["where"],
        source=SourceTree(tree["id"], tree["version"], Path(tree["path"]), origin=tree["origin"]),
        patches=tuple(_patch(one, place / str(number)) for number, one in enumerate(told["patches"])),
        request=told["request"],
        required=tuple((name, value) for name, value in told["required"]),
        toolchain=Toolchain(**told["toolchain"]),
        modules=told["modules"],
    )


def _patch(told: Mapping[str, Any], place: Path) -> Patch:
    patch = Patch(place / Path(told["name"]).name, told["text"], tuple(told["files"]))
    place.mkdir()
    patch.path.write_bytes(patch.data)
    return patch
