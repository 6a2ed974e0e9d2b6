# SPDX-License-Identifier: GPL-2.0-only
"""The JSON Schema of scenario files; editors use it to complete and check them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from orchestrator.scenario.schema.scenario import ScenarioFile

SCHEMA_ID = "urn:orch:scenario"


class _Generator(GenerateJsonSchema):
    """Pydantic's generator without titles made from key names; mappings by name allow no other keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        json = super().dict_schema(schema)
        names = self.generate_inner(schema["keys_schema"]).get("enum", ())
        if names:  # listed as properties, because editors complete properties only
            json["properties"] = dict.fromkeys(names, json["additionalProperties"])
        json["additionalProperties"] = False
        return json


def json_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a scenario file.

    Numbers can be written as numbers or as texts.  The schema checks the values of single keys; only `load` finds
    references to unknown names and missing files.
    """
    schema = ScenarioFile.model_json_schema(schema_generator=_Generator)
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": SCHEMA_ID}
    return head | schema | {"title": "orch scenario"}
