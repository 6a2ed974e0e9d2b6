# SPDX-License-Identifier: GPL-2.0-only
"""The JSON Schema of scenario files, by which editors complete and check them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from orchestrator.scenario.schema.scenario import ScenarioFile

SCHEMA_ID = "urn:orch:scenario"


class _Generator(GenerateJsonSchema):
    """Pydantic's, without titles made of key names, and strict about the keys of mappings by name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        json = super().dict_schema(schema)
        names = self.generate_inner(schema["keys_schema"]).get("enum", ())
        if names:  # spelt out as properties, because that is what editors complete
            json["properties"] = dict.fromkeys(names, json["additionalProperties"])
        json["additionalProperties"] = False
        return json


def json_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a scenario file; numbers may be written as numbers or as texts.

    It knows what one key takes; names that lead nowhere and missing files only `load` finds.
    """
    schema = ScenarioFile.model_json_schema(schema_generator=_Generator)
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": SCHEMA_ID}
    return head | schema | {"title": "orch scenario"}
