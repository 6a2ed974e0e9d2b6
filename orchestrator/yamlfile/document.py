# SPDX-License-Identifier: GPL-2.0-only
"""Read a YAML file as plain values, with the line of each value.

Every scalar stays the text that the user wrote, because YAML's implicit types turn ``00:05.0`` into 5.0, ``6.10`` into
6.1 and ``12:30`` into 750.  The schema converts the texts instead.  An empty value is None.
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

_FIXES = {
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
"""How to fix a syntax error, by a part of PyYAML's message."""


MOST_BYTES = 256 << 10
"""Maximum size of a file.  The scenarios of orch have at most 10 KB; PyYAML reads about 150 KB per second."""


class Failure(NamedTuple):
    """The reason why a file cannot be read as a document.

    `what` is a sentence; `line` is None if it is not known.
    """

    what: str
    line: int | None = None


@dataclass(frozen=True)
class Document:
    """The top-level mapping of a file, with line numbers and the mistakes in its YAML.

    `lines` has the line of every key and list item.  `generated` has the names of the kernels that the matrix made.
    `unexpanded` is set if a mistake in the matrix prevents others from being known.
    """

    path: Path
    value: dict[str, object]
    lines: dict[Loc, int]
    findings: tuple[SourceProblem, ...]
    generated: tuple[str, ...] = ()
    unexpanded: bool = False

    def get(self, loc: Loc) -> object:
        """Return the value at `loc`, or None if there is none."""
        value: object = self.value
        for step in loc:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def names(self, key: str) -> list[str]:
        """Return the keys of the mapping at the top-level `key`.

        All keys are returned, valid or not, in the order of the file.
        """
        value = self.value.get(key)
        return list(value) if isinstance(value, dict) else []

    def line(self, loc: Loc) -> int:
        """Return the line of `loc`, or of the innermost enclosing location that is in the file."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc, 1)

    def where(self, loc: Loc) -> str:
        """Return ``path:line`` of `loc`."""
        return f"{shown(self.path)}:{self.line(loc)}"

    def error(self, findings: list[SourceProblem]) -> ScenarioError:
        """Return all findings as one error, in the order of the file.

        A finding about several generated kernels is included once.
        """
        label = shown(self.path)
        alike = {(line, self._unnamed(what)): SourceProblem(line, what) for line, what in reversed(findings)}
        return ScenarioError(tuple(Problem(f"{label}:{line}", what) for line, what in sorted(alike.values())))

    def _unnamed(self, what: str) -> str:
        """Return `what` without the names of generated kernels.

        A mistake in their shared recipe then has the same text for all of them.
        """
        for name in self.generated:
            what = what.replace(quoted(name), "''")
        return what


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises ScenarioError if it contains no mapping that can be read; smaller mistakes are findings of the document.
    """
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
    except (ValueError, OverflowError):  # from chr() in PyYAML, which then does not report the line
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
    """Return PyYAML's description of a syntax error in one sentence."""
    mark = error.problem_mark or error.context_mark
    parts = [part for part in (error.context, error.problem) if part]
    if error.context and error.context_mark and mark and error.context_mark.line != mark.line:
        parts[0] += f" that begins on line {error.context_mark.line + 1}"
    account = ", ".join(parts)
    fix = next((fix for part, fix in _FIXES.items() if part in account), "")
    return Failure(f"not valid YAML: {account}{fix}", mark.line + 1 if mark else None)
