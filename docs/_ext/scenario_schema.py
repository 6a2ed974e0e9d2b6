# SPDX-License-Identifier: GPL-2.0-only
"""The directive ``scenario-schema``: every key of a scenario file, from the schema by which orch checks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from orchestrator.scenario.schema.json import json_schema

_TOP = "The file"
_PLAIN = {"string": "text", "integer": "a number", "number": "a number", "boolean": "true or false"}


class ScenarioSchema(SphinxDirective):
    """A section for the file and for each kind of entry, each with a definition list of its keys."""

    def run(self) -> list[nodes.Node]:
        """See `docutils.parsers.rst.Directive.run`."""
        schema = json_schema()
        kinds = {_TOP: schema, **{entry["title"]: entry for entry in schema["$defs"].values()}}
        return [_section(title, entry, schema) for title, entry in kinds.items()]


def _section(title: str, entry: Mapping[str, Any], schema: Mapping[str, Any]) -> nodes.section:
    section = nodes.section(ids=[nodes.make_id(f"scenario-{title}")])
    section += nodes.title(text=title)
    section += nodes.paragraph(text=entry.get("description", ""))
    keys = nodes.definition_list()
    for name, value in entry.get("properties", {}).items():
        term = nodes.term("", "", nodes.literal(text=name))
        if name in entry.get("required", ()):
            term += nodes.Text(" (required)")
        definition = nodes.definition("", nodes.paragraph(text=value.get("description", "")))
        types = ", ".join(dict.fromkeys(_types(value, schema)))
        if types:
            definition += nodes.paragraph(text=f"Takes: {types}.")
        keys += nodes.definition_list_item("", term, definition)
    section += keys
    return section


def _types(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """What a key takes, in a few words each; empty values, which are as none, are left out."""
    if "anyOf" in value:
        for one in value["anyOf"]:
            yield from _types(one, schema)
    elif "$ref" in value:
        yield schema["$defs"][value["$ref"].rpartition("/")[2]]["title"]
    elif "enum" in value:
        yield from dict.fromkeys(str(one).lower() if str(one).isalpha() else str(one) for one in value["enum"])
    elif value.get("type") == "array":
        yield "a list of: " + (" or ".join(dict.fromkeys(_types(value["items"], schema))) or "values")
    elif value.get("type") == "object":
        below = [*value.get("patternProperties", {}).values(), value.get("additionalProperties")]
        kinds = [kind for one in below if isinstance(one, dict) for kind in _types(one, schema)]
        yield "a mapping of names to: " + (" or ".join(dict.fromkeys(kinds)) or "values")
    else:
        kinds = value.get("type", [])
        yield from (_PLAIN[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind in _PLAIN)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("scenario-schema", ScenarioSchema)
    return {"parallel_read_safe": True}
