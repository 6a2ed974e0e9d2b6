# SPDX-License-Identifier: GPL-2.0-only
"""Expand a matrix into the kernels of its combinations, as if they were listed under `kernels`.

The document is rewritten before it is checked against a schema, so that all later steps handle kernels only.  Every
key of a generated kernel has the line of the value or include that it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from orchestrator.scenario.expand.merge import Part, merged
from orchestrator.scenario.schema.fields import is_name
from orchestrator.yamlfile.document import Document
from orchestrator.yamlfile.messages import hint, quoted
from orchestrator.yamlfile.nodes import Loc, SourceProblem

MOST = 100
"""Maximum number of kernels that a matrix can make."""

_MOST_TRIED = 1000
"""A product with more combinations is refused before its excludes are applied."""

_Axes = dict[str, dict[str, dict[str, object]]]
"""The recipe of each value of each axis."""

_Values = tuple[str, ...]
"""One combination: a value of each axis, in the order of the axes."""


@dataclass
class _Chosen:
    """The selected combinations: the parts of their recipes, their explicit names, and the mistakes found."""

    parts: dict[_Values, list[Part]]
    names: dict[_Values, str] = field(default_factory=dict)
    findings: list[SourceProblem] = field(default_factory=list)


def expanded(document: Document) -> Document:
    """Return `document` with the kernels of its matrix in `kernels`, and the matrix's mistakes in `findings`.

    A matrix that the schema refuses is expanded as far as it can be read, so that one mistake does not hide another.
    """
    if document.value.get("matrix") is None:
        return document
    axes, own = _axes(document), document.value.get("kernels") or {}
    if not axes or not isinstance(own, dict):
        return replace(document, unexpanded=True)
    size = math.prod(map(len, axes.values()))
    chosen = _chosen(document, axes) if size <= _MOST_TRIED else _Chosen({})
    number = len(chosen.parts) if size <= _MOST_TRIED else size
    if number > MOST:
        what = f"the matrix has {number} combinations, more than the {MOST} that can be; leave some out with 'exclude'"
        return _refused(document, [*chosen.findings, SourceProblem(document.line(("matrix",)), what)])
    if not chosen.parts:
        what = "every combination of the matrix is left out; remove an 'exclude'"
        return _refused(document, [*chosen.findings, SourceProblem(document.line(("matrix",)), what)])
    return _with_kernels(document, chosen, axes, own)


def _refused(document: Document, findings: list[SourceProblem]) -> Document:
    return replace(document, findings=(*document.findings, *findings), unexpanded=True)


def _axes(document: Document) -> _Axes:
    """Return the axes, or an empty mapping if they cannot be read.

    The schema check reports the reason.
    """
    given = document.get(("matrix", "axes"))
    axes: _Axes = {}
    for axis, values in given.items() if isinstance(given, dict) else ():
        if not isinstance(values, dict) or not values:
            return {}
        axes[axis] = {name: recipe if isinstance(recipe, dict) else {} for name, recipe in values.items()}
    return axes


def _chosen(document: Document, axes: _Axes) -> _Chosen:
    """Return the product of `axes` without the excluded combinations and with the includes."""
    tried = list(product(*axes.values()))
    left = dict.fromkeys(tried)
    chosen = _Chosen({})
    for loc, item in _items(document, "exclude"):
        wanted = _wanted(document, loc, item, axes, chosen)
        hit = {values for values in left if wanted and _matches(values, wanted, axes)}
        if wanted and not hit:
            what = "this leaves out nothing that is not left out already; remove it"
            chosen.findings.append(SourceProblem(document.line(loc), what))
        left = dict.fromkeys(values for values in left if values not in hit)
    includes = [
        (loc, item, _wanted(document, (*loc, "combination"), item.get("combination"), axes, chosen))
        for loc, item in _items(document, "include")
    ]
    whole = [wanted for _, _, wanted in includes if wanted.keys() == axes.keys()]
    back = {values for wanted in whole for values in tried if _matches(values, wanted, axes)}
    chosen.parts = {values: _parts(values, axes) for values in tried if values in left or values in back}
    for loc, item, wanted in includes:
        if wanted:
            _include(document, chosen, axes, Part(loc, item), wanted)
    return chosen


def _items(document: Document, key: str) -> Iterator[tuple[Loc, dict[str, object]]]:
    """Yield the excludes or includes that are mappings, with their locations.

    A single one needs no list.
    """
    given = document.get(("matrix", key))
    found: list[tuple[Loc, object]] = [(("matrix", key), given)]
    if isinstance(given, list):
        found = [(("matrix", key, at), item) for at, item in enumerate(given)]
    for loc, item in found:
        if isinstance(item, dict):
            yield loc, item


def _wanted(document: Document, loc: Loc, item: object, axes: _Axes, chosen: _Chosen) -> dict[str, list[str]]:
    """Return the values that an exclude or include names, by axis.

    The result is empty if one of them is wrong; the mistake is then added to the findings.
    """
    wanted: dict[str, list[str]] = {}
    complaints: list[tuple[Loc, str]] = []
    for axis, given in item.items() if isinstance(item, dict) else ():
        known = axes.get(axis, {})
        wanted[axis] = [value for value in (given if isinstance(given, list) else [given]) if isinstance(value, str)]
        if axis not in axes:
            complaints.append(((*loc, axis), f"the matrix has no axis {quoted(axis)}{hint(axis, axes, 'axes')}"))
            continue
        for value in wanted[axis]:
            if value not in known and is_name(value):
                what = f"axis {quoted(axis)} has no value {quoted(value)}{hint(value, known, 'values')}"
                complaints.append(((*loc, axis), what))
    chosen.findings += [SourceProblem(document.line(place), what) for place, what in complaints if is_name(place[-1])]
    return {} if complaints or not all(wanted.values()) else wanted


def _matches(values: _Values, wanted: dict[str, list[str]], axes: _Axes) -> bool:
    return all(value in wanted.get(axis, (value,)) for axis, value in zip(axes, values, strict=True))


def _parts(values: _Values, axes: _Axes) -> list[Part]:
    return [Part(("matrix", "axes", axis, value), axes[axis][value]) for axis, value in zip(axes, values, strict=True)]


def _include(document: Document, chosen: _Chosen, axes: _Axes, part: Part, wanted: dict[str, list[str]]) -> None:
    """Add `part` to the combinations that it applies to, and record the name that it sets."""
    hit = [values for values in chosen.parts if _matches(values, wanted, axes)]
    name = part.value.get("name")
    for values in hit:
        chosen.parts[values].append(part)
    if not hit:
        what = "every combination that this include is for is left out; name a value of each axis, or remove it"
        chosen.findings.append(SourceProblem(document.line(part.loc), what))
    elif isinstance(name, str) and len(hit) > 1:
        what = f"'name' is for one combination, and this include is for {len(hit)}; name a value of each axis"
        chosen.findings.append(SourceProblem(document.line((*part.loc, "name")), what))
    elif isinstance(name, str):
        chosen.names[hit[0]] = name


def _name(values: _Values, axes: _Axes) -> str:
    """Return the kernel name of a combination: its values that have a recipe, joined.

    Values with an empty recipe are left out, so that an axis with such a value can be added later without renaming
    the existing kernels.
    """
    with_recipe = [value for axis, value in zip(axes, values, strict=True) if axes[axis][value]]
    return "-".join(with_recipe or values)


def _with_kernels(document: Document, chosen: _Chosen, axes: _Axes, own: dict[str, object]) -> Document:
    """Add the generated kernels to the file's own.

    The order is that of `matrix` and `kernels` in the file.
    """
    made: dict[str, object] = {}
    lines, findings = dict(document.lines), chosen.findings
    under = _under(document)
    for values, parts in chosen.parts.items():
        name = chosen.names.get(values) or _name(values, axes)
        of_values = parts[: len(values)]
        loc = next((part for part in reversed(of_values) if part.value), of_values[0]).loc
        if name in made or name in own:
            findings.append(SourceProblem(document.line(loc), _clash(name, values, in_kernels=name in own)))
            continue
        made[name], under_kernel = merged(parts, under)
        lines |= {("kernels", name, *rest): line for rest, line in under_kernel.items()}
        lines["kernels", name] = document.line(loc)
    order = list(document.value)
    first = "kernels" not in order or order.index("matrix") < order.index("kernels")
    kernels = made | own if first else own | made
    lines.setdefault(("kernels",), document.line(("matrix",)))
    value = {**document.value, "kernels": kernels}
    return replace(document, value=value, lines=lines, findings=(*document.findings, *findings), generated=tuple(made))


def _clash(name: str, values: _Values, *, in_kernels: bool) -> str:
    other = "a kernel of 'kernels'" if in_kernels else "another combination"
    what = f"the combination of {' and '.join(values)} is called {quoted(name)}, as is {other}"
    return f"{what}; 'include' it with another 'name'"


def _under(document: Document) -> dict[Loc, dict[Loc, int]]:
    """Return the lines of everything inside a value or include, by its location."""
    under: dict[Loc, dict[Loc, int]] = {}
    for loc, line in document.lines.items():
        depth = 4 if loc[:2] == ("matrix", "axes") else 3 if len(loc) > 2 and isinstance(loc[2], int) else 2
        if loc[:1] == ("matrix",) and len(loc) > depth:
            under.setdefault(loc[:depth], {})[loc[depth:]] = line
    return under
