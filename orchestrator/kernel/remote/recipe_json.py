# SPDX-License-Identifier: GPL-2.0-only
"""A recipe as JSON, for a host that has the source in another directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.kernel.model import Patch, Recipe, SourceTree, Toolchain


def to_json(recipe: Recipe, source: Path) -> dict[str, Any]:
    """Return `recipe` as JSON; its pristine source is at `source`.

    The JSON has everything for the key and for messages.  The scenario's name for the source, and its history, are left
    out: the artifact's provenance is written on the machine that keeps the artifact.
    """
    tree = recipe.source
    return {
        "name": recipe.name,
        "where": recipe.where,
        "source": {"id": tree.id, "version": tree.version, "path": str(source), "origin": tree.origin},
        "patches": [{"name": patch.path.name, "text": patch.text, "files": patch.files} for patch in recipe.patches],
        "request": recipe.request,
        "required": recipe.required,
        "toolchain": asdict(recipe.toolchain),
        "modules": recipe.modules,
    }


def from_json(fields: Mapping[str, Any], place: Path) -> Recipe:
    """Return the recipe that `to_json` wrote.

    Its patches are written to files in the directory `place`.  Raises LookupError or TypeError if `fields` is not a
    recipe, OSError if a file cannot be written.
    """
    tree = fields["source"]
    return Recipe(
        name=fields["name"],
        where=fields["where"],
        source=SourceTree(tree["id"], tree["version"], Path(tree["path"]), origin=tree["origin"]),
        patches=tuple(_patch(patch, place / str(number)) for number, patch in enumerate(fields["patches"])),
        request=fields["request"],
        required=tuple((name, value) for name, value in fields["required"]),
        toolchain=Toolchain(**fields["toolchain"]),
        modules=fields["modules"],
    )


def _patch(fields: Mapping[str, Any], place: Path) -> Patch:
    patch = Patch(place / Path(fields["name"]).name, fields["text"], tuple(fields["files"]))
    place.mkdir()
    patch.path.write_bytes(patch.data)
    return patch
