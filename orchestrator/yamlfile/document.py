# SPDX-License-Identifier: GPL-2.0-only
"""A YAML file as plain values that remember their lines.

Every scalar stays the text that the user wrote, because YAML's own guesses turn ``00:05.0`` into 5.0, ``6.10`` into
6.1 and ``12:30`` into 750; the schema knows better what a value is meant to be.  An empty value is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from orchestrator.errors import Problem, ScenarioError
from orchestrator.fileio import read_regular
from orchestrator.yamlfile.messages import quoted, shown
from orchestrator.yamlfile.nodes import Loc, Reader, SourceProblem, TooLargeError

_MENDS = {
    "'\\t' that cannot start": "; indent with spaces, not with tabs",
    "cannot start any token": "; quote the value that begins with it",
    "mapping values are not allowed": "; quote a value that has ': ' in it, and check the indentation",
    "a single document": "; remove the '---'",
    "a quoted scalar": "; close the quote",
    "a flow mapping": "; close the mapping with '}', and put ',' between its keys",
    "a flow sequence": "; close the list with ']', and put ',' between its items",
    "undefined alias": "; define it above with '&', or quote a value that begins with '*'",
    "<block end>": "; check the indentation",
}
"""How to mend a syntax error, by what PyYAML says of it."""


MOST_BYTES = 256 << 10
"""The shipped scenarios have at most 10 KB; PyYAML reads some 150 KB a second."""


class Failure(NamedTuple):
    """Why there is no document: a sentence, and the line where there is one."""

    what: str
    line: int | None = None


@dataclass(frozen=True)
class Document:
    """The top-level mapping of a file, the line of every key and list item, and what is wrong with its YAML.

    `generated` are the names of the kernels that its matrix made; with `unexpanded` there are others, which a mistake
    in the matrix keeps from being known.
    """

    path: Path
    value: dict[str, object]
    lines: dict[Loc, int]
    findings: tuple[SourceProblem, ...]
    generated: tuple[str, ...] = ()
    unexpanded: bool = False

    def get(self, loc: Loc) -> object:
        """The value at `loc`, None where there is none."""
        value: object = self.value
        for step in loc:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def names(self, key: str) -> list[str]:
        """The keys of the mapping at the top-level `key`, right or wrong, in the order of the file."""
        value = self.value.get(key)
        return list(value) if isinstance(value, dict) else []

    def line(self, loc: Loc) -> int:
        """The line of `loc`, or of the nearest thing around it that is in the file."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc, 1)

    def where(self, loc: Loc) -> str:
        """``path:line`` of `loc`."""
        return f"{shown(self.path)}:{self.line(loc)}"

    def error(self, findings: list[SourceProblem]) -> ScenarioError:
        """All findings as one error, in the order of the file; one of several generated kernels is one only."""
        label = shown(self.path)
        alike = {(line, self._unnamed(what)): SourceProblem(line, what) for line, what in reversed(findings)}
        return ScenarioError(tuple(Problem(f"{label}:{line}", what) for line, what in sorted(alike.values())))

    def _unnamed(self, what: str) -> str:
        """A sentence without the names of generated kernels: what is wrong in the recipe that they share."""
        for name in self.generated:
            what = what.replace(quoted(name), "''")
        return what


def read_document(path: Path) -> Document:
    """Read a YAML file.  Raises ScenarioError where no mapping can be had from it; lesser faults are findings."""
    read = _parse(_text(path), path)
    if isinstance(read, Failure):
        raise _refusal(path, read)
    return read


def _text(path: Path) -> str:
    try:
        return read_regular(path, MOST_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        raise _refusal(path, Failure("not UTF-8 text; save the file as UTF-8", before.count(b"\n") + 1)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refusal(path, Failure(f"cannot read the scenario: {reason}")) from None


def _refusal(path: Path, failure: Failure) -> ScenarioError:
    where = shown(path) if failure.line is None else f"{shown(path)}:{failure.line}"
    return ScenarioError((Problem(where, failure.what),))


def _parse(text: str, path: Path) -> Document | Failure:
    try:
        return _document(yaml.compose(text, Loader=yaml.BaseLoader), path)
    except yaml.MarkedYAMLError as error:
        return _syntax(error)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return Failure(f"YAML allows no control characters such as {chr(error.character)!r}; remove it", line)
    except (RecursionError, TooLargeError):
        return Failure("nested too deeply or too large to be a scenario")
    except (ValueError, OverflowError):  # from chr() inside PyYAML, which then does not say where
        return Failure("not valid YAML: an escape in a quoted text names no character")


def _document(root: yaml.Node | None, path: Path) -> Document | Failure:
    reader = Reader()
    value = reader.value(root) if root is not None else None
    if value is None:
        return Failure("the scenario is empty; it needs at least description, devices, kernels and workloads")
    if not isinstance(value, dict):
        return Failure(f"a scenario is a mapping of keys to values, not {quoted(value)}", 1)
    return Document(path.absolute(), value, reader.lines, tuple(reader.findings))


def _syntax(error: yaml.MarkedYAMLError) -> Failure:
    """PyYAML's account of a syntax error in one sentence."""
    mark = error.problem_mark or error.context_mark
    parts = [part for part in (error.context, error.problem) if part]
    if error.context and error.context_mark and mark and error.context_mark.line != mark.line:
        parts[0] += f" that begins on line {error.context_mark.line + 1}"
    account = ", ".join(parts)
    mend = next((mend for part, mend in _MENDS.items() if part in account), "")
    return Failure(f"not valid YAML: {account}{mend}", mark.line + 1 if mark else None)
