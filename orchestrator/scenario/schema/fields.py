# SPDX-License-Identifier: GPL-2.0-only
"""The kinds of values in a scenario.

Each kind has the accepted texts, described for users and as JSON Schema for editors.  A document has only texts as
values, so every kind converts a text.  The JSON Schema also accepts numbers, because an editor reads some of these
texts as numbers.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, WithJsonSchema

from orchestrator.arch import ARCHES
from orchestrator.paths import ALLOWED_IN_WORDS
from orchestrator.scenario.model import MOST_ROUNDS, FaultMaps, Level, Outcome, Placement, TestGroup
from orchestrator.yamlfile.fields import (
    INTEGER_PATTERN,
    OneOrMany,
    choice,
    integer,
    kind,
    matching,
    one_of,
    text_like,
    text_or_number,
    unrepeated,
)
from orchestrator.yamlfile.units import DURATION_PATTERN, SIZE_PATTERN, parse_duration, parse_size

PAGE = 4096
"""Size in bytes of the smallest page, which is also the smallest mapping."""

LEAST_MEMORY = 128 << 20
"""Minimum memory of a guest in bytes: less does not boot.  This also finds ``memory: 2`` written for 2G."""

NAME = r"^[a-z0-9][a-z0-9._-]*$"
NAME_WORDS = "small letters, digits, '.', '_' and '-', beginning with a letter or digit"
SCENARIO_NAME = r"^[a-z0-9][a-z0-9-]*$"
SCENARIO_NAME_WORDS = "small letters, digits and '-', beginning with a letter or digit"
_OPTION = r"^(?!CONFIG_$)[A-Za-z0-9_]+$"
_MODEL = r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$"
_ADDRESS = r"^([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$"
_IDS = r"^([0-9a-fA-F]{4}|\*):([0-9a-fA-F]{4}|\*)$"
_CLASS = r"^(0[xX])?([0-9a-fA-F]{2}){1,3}$"
CLASSES = {"storage": "01", "network": "02", "display": "03"}
"""Base classes of PCI functions (PCI Code and ID Assignment Specification, section 1)."""
_PROPERTY = r"^[a-zA-Z][a-zA-Z0-9_.-]*$"
_PACKAGE = r"^linux-source-[a-z0-9][a-z0-9.+-]*$"
_IMAGE_PACKAGE = r"^linux-(image|binary)-[a-z0-9][a-z0-9.+-]*$"
_ANY_PACKAGE = r"^[a-z0-9][a-z0-9.+-]+$"
_DIGEST = r"^[0-9a-fA-F]{64}$"
_MESSAGE_ID = r"^<?[^\s<>@/]+@[^\s<>@/]+>?$"
_COMPILER = r"^(gcc|clang(-[0-9]{1,2})?)$"
_SUITE = r"^[a-z0-9][a-z0-9.-]*$"
_TARGET = r"^[A-Za-z0-9_][A-Za-z0-9_+-]*([./][A-Za-z0-9_+-]+)*$"
_PROGRAM = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"
_CASES = r"^\S(.*\S)?$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_VERSION = r"^[0-9][A-Za-z0-9.+~:-]*$"
_FLAGS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_BOOLEANS = tuple(_FLAGS)
_PLACEMENTS = tuple(placement.value for placement in Placement)
_FAULT_MAPS = tuple(fault_maps.value for fault_maps in FaultMaps)
_GROUPS = tuple(group.value for group in TestGroup)
_OUTCOMES = tuple(outcome.value for outcome in Outcome)
_LEVELS = tuple(level.value for level in Level)
_LEVELS_ANY_CASE = (*_LEVELS, *(level.lower() for level in _LEVELS))


def _is_aligned(size: int) -> bool:
    return size % PAGE == 0


def _is_power_of_two(size: int) -> bool:
    return size >= PAGE and size & (size - 1) == 0


def _option_value(text: str) -> str:
    """Return `text` if it is a valid option value; raise ValueError if not.

    Y and yes are refused, because Kconfig does not read them as y; so is text that would end the fragment's line.
    """
    if text in ("Y", "N", "M", "") or text.lower() in _BOOLEANS or '"' in text or not text.isprintable():
        raise ValueError(text)
    return text


_SIZE_WORDS = "a size such as 2G or 4096"

PowerOfTwo = Annotated[
    int,
    kind(_SIZE_WORDS, parse_size, limit="a power of two, and at least 4K", within=_is_power_of_two),
    text_or_number(SIZE_PATTERN, PAGE),
]
Offset = Annotated[
    int,
    kind(_SIZE_WORDS, parse_size, limit="a multiple of 4K", within=_is_aligned),
    text_or_number(SIZE_PATTERN, 0),
]
Length = Annotated[
    int,
    kind(_SIZE_WORDS, parse_size, limit="a multiple of 4K, and at least 4K", within=lambda n: n > 0 and _is_aligned(n)),
    text_or_number(SIZE_PATTERN, PAGE),
]
Size = Annotated[int, kind(_SIZE_WORDS, parse_size), text_or_number(SIZE_PATTERN, 0)]
Memory = Annotated[
    int,
    kind(_SIZE_WORDS, parse_size, limit="at least 128M, such as 2G", within=lambda size: size >= LEAST_MEMORY),
    text_or_number(SIZE_PATTERN, LEAST_MEMORY),
]
Seconds = Annotated[
    float,
    kind("a duration such as 90s, 5m or 1h", parse_duration, limit="at least 1s", within=lambda time: time >= 1),
    text_or_number(DURATION_PATTERN, 1, number="number"),
]
Count = Annotated[int, kind("a number of 0 or more", integer), text_or_number(INTEGER_PATTERN, 0)]
Repeats = Annotated[
    int,
    kind("a number from 1 to 100000", integer, limit="a number from 1 to 100000", within=lambda n: 1 <= n <= 100_000),
    text_or_number(INTEGER_PATTERN, 1, 100_000),
]
Rounds = Annotated[
    int,
    kind(
        f"a number from 1 to {MOST_ROUNDS}",
        integer,
        limit=f"a number from 1 to {MOST_ROUNDS}",
        within=lambda n: 1 <= n <= MOST_ROUNDS,
    ),
    text_or_number(INTEGER_PATTERN, 1, MOST_ROUNDS),
]
Seed = Annotated[
    int,
    kind("a number below 2^63", integer, limit="a number below 2^63", within=lambda seed: seed < 1 << 63),
    text_or_number(INTEGER_PATTERN, 0, (1 << 63) - 1),
]
Cpus = Annotated[
    int,
    kind("a number from 1 to 255", integer, limit="a number from 1 to 255", within=lambda count: 1 <= count <= 255),
    text_or_number(INTEGER_PATTERN, 1, 255),
]
BarNumber = Annotated[
    int,
    kind("BAR numbers from 0 to 5", integer, limit="BAR numbers from 0 to 5", within=lambda bar: bar <= 5),
    text_or_number(INTEGER_PATTERN, 0, 5),
]
Port = Annotated[
    int,
    kind("a port from 1 to 65535", integer, limit="a port from 1 to 65535", within=lambda port: 1 <= port <= 65535),
    text_or_number(INTEGER_PATTERN, 1, 65535),
]
_HOST_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*)"
_IPV6 = r"[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?"
_HOST_ADDRESS = rf"^(?:{_HOST_NAME}|{_IPV6})$"
HostAddress = Annotated[
    str,
    kind("a name or an IP address; 'user' and 'port' are keys of their own", matching(_HOST_ADDRESS)),
    text_like(_HOST_ADDRESS),
]
_PLAIN_PATH = r"^/[A-Za-z0-9_./+@~-]*$"
PlainPath = Annotated[
    str, kind(f"an absolute path of {ALLOWED_IN_WORDS}", matching(_PLAIN_PATH)), text_like(_PLAIN_PATH)
]
"""A path that Kbuild and virtme-ng accept (`orchestrator.paths`)."""
BarKey = Annotated[
    int, kind("a number from 0 to 5", lambda text: int(matching(r"^[0-5]$")(text))), text_like(r"^[0-5]$")
]

Text = Annotated[
    str,
    kind("a text", str.strip, limit="a text of at least one letter", within=bool),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
Name = Annotated[str, kind(f"made of {NAME_WORDS}", matching(NAME)), text_like(NAME)]
ValueName = Annotated[str, kind(f"made of {NAME_WORDS}", matching(NAME)), text_or_number(NAME, 0, number="number")]
ScenarioName = Annotated[str, kind(f"made of {SCENARIO_NAME_WORDS}", matching(SCENARIO_NAME)), text_like(SCENARIO_NAME)]
Package = Annotated[str, kind("a Debian package such as linux-source-6.12", matching(_PACKAGE)), text_like(_PACKAGE)]
ImagePackage = Annotated[
    str, kind("a Debian package such as linux-image-amd64", matching(_IMAGE_PACKAGE)), text_like(_IMAGE_PACKAGE)
]
VmmPackage = Annotated[
    str, kind("a Debian package such as qemu-system-x86", matching(_ANY_PACKAGE)), text_like(_ANY_PACKAGE)
]
Digest = Annotated[str, kind("a SHA-256: 64 hexadecimal digits", matching(_DIGEST)), text_like(_DIGEST)]
MessageId = Annotated[
    str,
    kind("a message id such as 20240826204353.2228736-1-peterx@redhat.com", matching(_MESSAGE_ID)),
    text_like(_MESSAGE_ID),
]
PatchVersion = Annotated[
    int,
    kind("a number from 1 to 999", integer, limit="a number from 1 to 999", within=lambda n: 1 <= n <= 999),
    text_or_number(INTEGER_PATTERN, 1, 999),
]
Compiler = Annotated[
    str, kind("gcc, clang, or a version of it such as clang-16", matching(_COMPILER)), text_like(_COMPILER)
]
Arch = Annotated[str, one_of(*ARCHES), choice(*ARCHES)]
Flag = Annotated[
    bool,
    kind("yes or no", lambda text: _FLAGS[text.lower()]),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no"]}]}),
]
Suite = Annotated[str, kind("a Debian suite such as trixie-backports", matching(_SUITE)), text_like(_SUITE)]
Version = Annotated[
    str,
    kind("a Debian version such as 7.3.4-1~bpo13+1", matching(_VERSION)),
    text_or_number(_VERSION, 0, number="number"),
]
Model = Annotated[str, kind("a QEMU device such as pci-testdev", matching(_MODEL)), text_like(_MODEL)]


def pci_address(text: str) -> str:
    """Return a PCI address as sysfs spells it, with its domain.  Raises ValueError if `text` is not an address."""
    matching(_ADDRESS)(text)
    return (text if text.count(":") == 2 else f"0000:{text}").lower()


def _ids(text: str) -> tuple[int | None, int | None]:
    vendor, device = matching(_IDS)(text).split(":")
    return (None if vendor == "*" else int(vendor, 16), None if device == "*" else int(device, 16))


def _class(text: str) -> str:
    return CLASSES.get(text) or matching(_CLASS)(text).lower().removeprefix("0x")


PciAddress = Annotated[str, kind("a PCI address such as 0000:3b:00.0", pci_address), text_like(_ADDRESS)]
DeviceIds = Annotated[
    tuple[int | None, int | None],
    kind("vendor and device such as 10de:2330 or 10de:*", _ids),
    text_like(_IDS),
]
PciClass = Annotated[
    str,
    kind(f"two, four or six hexadecimal digits, or one of {', '.join(CLASSES)}", _class),
    WithJsonSchema({"anyOf": [{"enum": [*CLASSES]}, {"type": "string", "pattern": _CLASS}, {"type": "integer"}]}),
]
PropertyName = Annotated[str, kind("a property of the QEMU device", matching(_PROPERTY)), text_like(_PROPERTY)]
PropertyValue = Annotated[
    str,
    kind("a text or a number", str.strip, limit="a text of at least one letter", within=bool),
    WithJsonSchema({"type": ["string", "number", "boolean"], "not": {"enum": [""]}}),
]
OptionName = Annotated[
    str, kind("made of letters, digits and '_', such as KASAN", matching(_OPTION)), text_like(_OPTION)
]
OptionValue = Annotated[
    str,
    kind("y, n, m, a number or a text without quotes (y for yes, n for no)", _option_value),
    WithJsonSchema({"type": ["string", "number"], "not": {"enum": ["", "Y", "N", "M", *_BOOLEANS]}}),
]

Target = Annotated[str, kind("a target of the kernel's selftests such as vfio", matching(_TARGET)), text_like(_TARGET)]
Program = Annotated[str, kind("the name of a program of the selftests", matching(_PROGRAM)), text_like(_PROGRAM)]
CasePattern = Annotated[str, kind("the name of a case, or a pattern of names", matching(_CASES)), text_like(_CASES)]
VariableName = Annotated[
    str, kind("made of letters, digits and '_', such as MY_FLAG", matching(_VARIABLE)), text_like(_VARIABLE)
]
Value = Annotated[
    str,
    kind("a text or a number", str),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]

PlacementName = Annotated[Placement, one_of(*_PLACEMENTS), AfterValidator(Placement), choice(*_PLACEMENTS)]
FaultMapsName = Annotated[FaultMaps, one_of(*_FAULT_MAPS), AfterValidator(FaultMaps), choice(*_FAULT_MAPS)]
GroupName = Annotated[TestGroup, one_of(*_GROUPS), AfterValidator(TestGroup), choice(*_GROUPS)]
OutcomeName = Annotated[Outcome, one_of(*_OUTCOMES), AfterValidator(Outcome), choice(*_OUTCOMES)]
LevelName = Annotated[
    Level,
    kind(f"one of {', '.join(_LEVELS)}", lambda text: Level(text.upper())),
    choice(*_LEVELS_ANY_CASE),
]

_T = TypeVar("_T")
Many = Annotated[tuple[_T, ...], OneOrMany()]
Distinct = Annotated[tuple[_T, ...], Field(min_length=1), AfterValidator(unrepeated), OneOrMany(unique=True)]


def is_name(text: object) -> bool:
    """Return whether `text` is a valid name of a kernel, device, workload, axis or axis value."""
    return isinstance(text, str) and re.fullmatch(NAME, text) is not None


def is_message_id(text: str) -> bool:
    """Return whether `text` is a valid message id of a mail."""
    return re.fullmatch(_MESSAGE_ID, text) is not None


def is_scenario_name(text: str) -> bool:
    """Return whether `text` is a valid name of a scenario and its result directories."""
    return re.fullmatch(SCENARIO_NAME, text) is not None
