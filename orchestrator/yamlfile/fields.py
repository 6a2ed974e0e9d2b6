# SPDX-License-Identifier: GPL-2.0-only
"""Building blocks for kinds of values: converters of texts with plain error messages, and their JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from orchestrator.yamlfile.messages import near, quoted

INTEGER_PATTERN = r"^([0-9]{1,20}|0[xX][0-9a-fA-F]{1,16})$"

_T = TypeVar("_T")


def kind(
    expected: str, convert: Callable[[str], _T], *, limit: str = "", within: Callable[[_T], bool] = lambda _: True
) -> PlainValidator:
    """Return a validator that converts a text and checks the result.

    Its errors are "must be `expected`, not ..." and, if the converted value is not `within` the limit, "must be
    `limit`, not ...".  `convert` raises ValueError or LookupError, with any message.
    """

    def validate(value: object) -> _T:
        converted = _converted(value, convert, expected)
        if not within(converted):
            raise ValueError(f"must be {limit}, not {quoted(value)}")
        return converted

    return PlainValidator(validate)


def _converted(value: object, convert: Callable[[str], _T], expected: str) -> _T:
    try:
        if isinstance(value, str):
            return convert(value)
    except (ValueError, LookupError):
        pass
    raise ValueError(f"must be {expected}, not {quoted(value)}")


def one_of(*names: str) -> PlainValidator:
    """Return a validator that accepts one of `names`; its error suggests the most similar name."""
    expected = repr(names[0]) if len(names) == 1 else f"one of {', '.join(names)}"

    def validate(value: object) -> object:
        if isinstance(value, str) and value in names:
            return value
        fix = near(value, names) if len(names) > 1 else ""
        raise ValueError(f"must be {expected}, not {quoted(value)}{fix}")

    return PlainValidator(validate)


def matching(pattern: str) -> Callable[[str], str]:
    """Return a converter that returns texts matched by `pattern` unchanged, and raises ValueError for others."""

    def convert(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return convert


def integer(text: str) -> int:
    """Convert a decimal or 0x number.  Raises ValueError."""
    if not re.fullmatch(INTEGER_PATTERN, text):
        raise ValueError(text)
    return int(text, 16 if text[:2].lower() == "0x" else 10)


def text_or_number(pattern: str, minimum: int, maximum: int | None = None, number: str = "integer") -> WithJsonSchema:
    """Return the JSON Schema of a value that an editor may read as a number."""
    limits = {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})
    return WithJsonSchema({"anyOf": [{"type": number, **limits}, {"type": "string", "pattern": pattern}]})


def text_like(pattern: str) -> WithJsonSchema:
    """Return the JSON Schema of a text that `pattern` matches."""
    return WithJsonSchema({"type": "string", "pattern": pattern})


def choice(*names: str) -> WithJsonSchema:
    """Return the JSON Schema of one of `names`."""
    return WithJsonSchema({"enum": list(names)})


@dataclass(frozen=True)
class OneOrMany:
    """Marks a list that can also be written as a single value.

    `unique` is for the JSON Schema.  `mappings` means that the values can be mappings.
    """

    unique: bool = False
    mappings: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(schema) | ({"uniqueItems": True} if self.unique else {})
        return {"anyOf": [many["items"], many]}

    def _as_list(self, value: object) -> object:
        if isinstance(value, dict) and not self.mappings:
            raise ValueError("must be a list, not a mapping")
        return value if isinstance(value, list) else [value]


@dataclass(frozen=True)
class OrText:
    """Marks an entry that can also be a text, in the JSON Schema only.

    The entry itself must accept the text.
    """

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "minLength": 1}, handler(schema)]}


@dataclass(frozen=True)
class OrEmpty:
    """Marks an entry without required keys, which can also be empty."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: {} if value is None else value, handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "null"}]}


def unrepeated(values: tuple[_T, ...]) -> tuple[_T, ...]:
    """Return `values`.  Raises ValueError if a value is repeated."""
    repeated = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if repeated is not None:
        raise ValueError(f"has {quoted(str(repeated))} twice; remove one of them")
    return values
