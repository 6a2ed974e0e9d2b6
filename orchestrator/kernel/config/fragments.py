# SPDX-License-Identifier: GPL-2.0-only
"""Kernel configuration as text: the request, the result, and reasons for their differences.

A configuration is made by ``make allnoconfig`` with KCONFIG_ALLCONFIG.  This has first virtme's minimal requests, then
the scenario's fragments and options.  virtme's requests are optional: many name options that a given kernel does not
have.  The scenario's are required.  A fragment can also have an optional request, for an option that some kernels do
not have or name differently: ``# wish: CONFIG_PROC_SYSCTL=y``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from orchestrator.errors import ConfigError
from orchestrator.fileio import read_regular
from orchestrator.host.base import Command, Host, check
from orchestrator.kernel.built_file import built_config
from orchestrator.kernel.config.kconfig import Symbol, find_symbol, symbol_names
from orchestrator.kernel.make import make_argv, make_environment
from orchestrator.kernel.model import Toolchain

Option = tuple[str, str]
"""A name without CONFIG_, and its value: y, m, n, a number or quoted text."""

# A comment may follow a value: Kconfig would read it as a part of the value, and drop the option.
_SET = re.compile(r'^CONFIG_([A-Za-z0-9_]+)=("(?:\\.|[^"\\])*"|[^"#][^#]*?|)\s*(?:#.*)?$')
_PLAIN = re.compile(r'^(?:[ymn]|-?\d+|0[xX][0-9A-Fa-f]+|".*")$')
_MOST_BYTES = 4 << 20
"""The largest fragment that is read; the .config of an allmodconfig has some 300 KB."""
_WISH = re.compile(r"^# wish: (CONFIG_[A-Za-z0-9_]+=.*)$")
_UNSET = re.compile(r"^# CONFIG_([A-Za-z0-9_]+) is not set$")


def virtme_request(host: Host, virtme_configkernel: str, arch: str) -> str:
    """Return virtme's minimal configuration for `arch`, as virtme-ng prints it."""
    argv = (virtme_configkernel, "--arch", arch, "--allnoconfig", "--dry-run")
    return to_text(parse(check(host.run(Command(argv, timeout=60)), "asking virtme for its configuration").output))


def parse(text: str) -> dict[str, str]:
    """Return the options in a .config or a fragment, by name.

    "is not set" is the value n.  If an option is there twice, the last line counts.
    """
    options: dict[str, str] = {}
    for line in text.splitlines():
        if match := _SET.match(line.strip()):
            options[match[1]] = match[2]
        elif match := _UNSET.match(line.strip()):
            options[match[1]] = "n"
    return options


def to_text(options: dict[str, str]) -> str:
    """Return `options` as the lines of a .config."""
    return "".join(_line(name, value) for name, value in options.items())


def _line(name: str, value: str) -> str:
    return f"# CONFIG_{name} is not set\n" if value == "n" else f"CONFIG_{name}={value}\n"


def required(fragments: Iterable[Path], options: Iterable[Option]) -> tuple[Option, ...]:
    """Return the options that the fragments and then the single options require.

    If an option is there twice, the last value counts.
    Raises ConfigError for a fragment line that is neither an option nor a comment.
    """
    wanted: dict[str, str] = {}
    for fragment in fragments:
        text = _fragment_text(fragment)
        _refuse_strange_lines(fragment, text)
        wanted |= parse(text)
    return tuple((wanted | {name: _quoted(value) for name, value in options}).items())


def wishes(fragments: Iterable[Path]) -> dict[str, str]:
    """Return the optional requests of the fragments, by option.

    A required value of the same option takes precedence.
    """
    lines = [line.strip() for fragment in fragments for line in _fragment_text(fragment).splitlines()]
    return parse("\n".join(match[1] for line in lines if (match := _WISH.match(line))))


def _quoted(value: str) -> str:
    """Return a scenario's value as in a .config: quoted, except y, m, n and numbers."""
    return value if _PLAIN.match(value) else f'"{value}"'


def _fragment_text(fragment: Path) -> str:
    """Return the text of a fragment.

    Raises ConfigError if it is not a UTF-8 text file, or is larger than `_MOST_BYTES`.
    """
    try:
        return read_regular(fragment, _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{fragment}:{line}: not UTF-8 text; save the file as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{fragment}: cannot read the configuration: {reason}") from None


def _refuse_strange_lines(fragment: Path, text: str) -> None:
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line and not line.startswith("#") and not _SET.match(line):
            raise ConfigError(f"{fragment}:{number}: '{line}' is no option; write CONFIG_NAME=value")


def resolve(host: Host, tree: Path, request: str, toolchain: Toolchain) -> str:
    """Resolve `request` with the tree's own Kconfig in ``tree/build``; return the final .config."""
    build = tree / "build"
    build.mkdir(exist_ok=True)
    request_file = build / "orch.request"
    request_file.write_text(request)
    argv = (*make_argv(tree, toolchain, request, 1, f"KCONFIG_ALLCONFIG={request_file}"), "allnoconfig")
    check(host.run(Command(argv, env=make_environment(""), timeout=600)), "make allnoconfig")
    return built_config(build / ".config")


def verify(tree: Path, wanted: Iterable[Option], final: str, where: str, arch: str = "x86_64") -> None:
    """Raise ConfigError if an option of `wanted` has another value in `final`.

    The error names each such option and what it depends on.
    """
    values = parse(final)
    lost = [(name, value) for name, value in wanted if values.get(name, "n") != value]
    if lost:
        lines = [f"{where}: {_explain(tree, name, value, values, arch)}" for name, value in lost]
        raise ConfigError("\n".join(lines))


def _explain(tree: Path, name: str, value: str, values: dict[str, str], arch: str) -> str:
    got = values.get(name, "n")
    message = f"CONFIG_{name}={value} did not survive (it is {got})"
    symbol = find_symbol(tree, name, arch)
    if symbol is None:
        near = get_close_matches(name, symbol_names(tree, arch), 1)
        return f"{message}: this source has no such option" + (f"; did you mean {near[0]}?" if near else "")
    return message + _reason(symbol, value, values)


def _reason(symbol: Symbol, value: str, values: dict[str, str]) -> str:
    if value == "n":
        selectors = [s for s in symbol.selected_by if values.get(s, "n") != "n"]
        if selectors:
            return f"; it is selected by {', '.join(selectors)}"
    if symbol.choice and value == "y":
        chosen = [f"CONFIG_{name}" for name in symbol.members if values.get(name, "n") == "y"]
        if chosen:
            return f"; it is a member of the choice '{symbol.choice}', of which {' and '.join(chosen)} is set"
    if not symbol.prompt:
        return "; it has no prompt and follows from others: " + (_annotate(symbol.depends, values) or "see its Kconfig")
    return f"; it depends on {_annotate(symbol.depends, values) or 'nothing'}"


def _annotate(conditions: tuple[str, ...], values: dict[str, str]) -> str:
    """Return the conditions as one expression, with each option's value after its name."""
    joined = " && ".join(f"({c})" if "||" in c and len(conditions) > 1 else c for c in conditions)
    return re.sub(r"\b(?=\d*[A-Z])[A-Z0-9_]{2,}\b", lambda m: f"{m[0]} [{values.get(m[0], 'n')}]", joined)
