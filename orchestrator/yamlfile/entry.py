# SPDX-License-Identifier: GPL-2.0-only
"""The base of all mappings in a scenario file: spelling of keys, empty keys, JSON Schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema


def spelt(field: str) -> str:
    """Return the YAML spelling of the key for `field`."""
    return field.replace("_", "-")


def _title(model: str) -> str:
    return model.removesuffix("Entry").lower()


class Entry(BaseModel):
    """A mapping without unknown keys; an empty key is the same as a missing one."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=spelt, model_title_generator=lambda model: _title(model.__name__)
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_left_out(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: item for key, item in value.items() if item is not None or key not in cls.known_keys()}

    @classmethod
    def known_keys(cls) -> list[str]:
        """Return the keys in their YAML spelling."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        json = handler.resolve_ref_schema(handler(schema))
        for key in set(json["properties"]) - set(json.get("required", ())):
            json["properties"][key] = _or_empty(json["properties"][key])
        return json


def _or_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a key that can be empty."""
    about = {key: schema.pop(key) for key in ("default", "description") if key in schema}
    if about.get("default") is None:
        about.pop("default", None)
    kinds = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    empty = {"type": "null"}
    return about | {"anyOf": [kind for kind in kinds if kind != empty] + [empty]}
