# SPDX-License-Identifier: GPL-2.0-only
"""Check programs and files: missing, too old, or of the wrong kind.

Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from orchestrator.arch import arch_name
from orchestrator.doctor.fixes import as_root, install
from orchestrator.doctor.model import Facts, HostFinding, Program, State, Where
from orchestrator.doctor.requirements import LLVM, LLVM_PACKAGES, Need, Role, needs

_VERSION = re.compile(r"\d+(?:\.\d+)+")
_NUMBER = re.compile(r"\d+")
_PYTHON, _BUILDS_PYTHON = "3.10", "3.11"
"""The requirements of virtme-ng 1.42 and its imports (their Requires-Python), and of orch itself."""


def version_of(line: str) -> str:
    """Return the version in a program's version line, "" if there is none.

    A bare number counts only if there is no better match.  Text in brackets is the distribution's version.
    """
    plain = re.sub(r"\([^()]*\)", "", line)
    found = _VERSION.search(plain) or _VERSION.search(line) or _NUMBER.search(plain)
    return found[0] if found else ""


def older(version: str, least: str) -> bool:
    """Return whether `version` is before `least`; an unreadable version is not."""
    return bool(version) and _parts(version) < _parts(least)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _NUMBER.findall(version))


def software(facts: Facts, where: Where) -> Iterator[HostFinding]:
    """Yield a finding for Python, each need of this host, clang and the mirror."""
    yield _python(facts)
    for need in needs(arch_name(facts.machine)):
        if where.home or need.role not in (Role.HOME, Role.SOME_HOME, Role.TEST):
            yield _judged(need, facts, where)
    yield _clang(facts)
    if where.home and facts.apt:
        yield _mirror(facts)


def _python(facts: Facts) -> HostFinding:
    """Check the version of Python; it exists, because it ran the check."""
    if older(facts.python, _PYTHON):
        detail = f"{facts.python}, and virtme-ng needs {_PYTHON} or newer; guests may not boot"
        return HostFinding("python3", State.WARNING, detail)
    if older(facts.python, _BUILDS_PYTHON):
        detail = f"{facts.python}; newer is needed only to build kernels here: orch needs {_BUILDS_PYTHON} or newer"
        return HostFinding("python3", State.WARNING, detail)
    return HostFinding("python3", State.OK, facts.python)


def _judged(need: Need, facts: Facts, where: Where) -> HostFinding:
    found = next((facts.programs[name] for name in need.programs if name in facts.programs), None)
    file = next((name for name in need.files if name in facts.files), "")
    version = version_of(found.version) if found else ""
    wrong = _wrong(need, found, file, version)
    if not wrong:
        return HostFinding(need.what, State.OK, version or (found.path if found else file))
    required = need.role in (Role.BOOT, Role.HOME) or (need.role is Role.BUILD and where.home)
    old = bool(found and found.runs and older(version, need.least))
    state = State.MISSING if required and (not old or need.role is Role.HOME) else State.WARNING
    detail = wrong if old else f"{wrong}; needed {'for' if required else 'only for'} {need.use}"
    return _with_command(need, facts, where, HostFinding(need.what, state, detail))


def _wrong(need: Need, found: Program | None, file: str, version: str) -> str:
    """Return the problem of what was found for a need; "" for none."""
    if need.programs and found is None:
        return "not found"
    if found and not found.runs:
        return f"{found.path} does not run: {found.version or 'no output'}"
    if need.files and not file:
        return f"{need.files[0]} not found" if found else "not found"
    if found and need.static and found.static is False:
        return f"{found.path} is linked dynamically, and a guest has no libraries"
    if need.least and older(version, need.least):
        user = "orch" if need.pip else "Linux 7.3"
        return f"{version}, and {user} needs {need.least} or newer"
    return ""


def _with_command(need: Need, facts: Facts, where: Where, finding: HostFinding) -> HostFinding:
    if need.pip:
        command = f"{shlex.quote(str(where.python))} -m pip install {shlex.quote(need.pip)}"
        return HostFinding(finding.what, finding.state, finding.detail, command)
    if not facts.apt:
        detail = f"{finding.detail}; Debian calls the package {need.package}"
        return HostFinding(finding.what, finding.state, detail)
    packages = (need.package,)
    return HostFinding(finding.what, finding.state, finding.detail, install(facts, packages), packages)


def _clang(facts: Facts) -> HostFinding:
    """Check clang, which needs LLVM's other tools of the same version."""
    clang, *others = LLVM
    names = [name for name in facts.programs if re.fullmatch(rf"{clang}(-\d+)?", name)]
    suffixes = {name: name[len(clang) :] for name in names}
    whole = [name for name in names if all(f"{other}{suffixes[name]}" in facts.programs for other in others)]
    if whole:
        texts = (f"{name} ({version_of(facts.programs[name].version)})" for name in sorted(whole))
        return HostFinding("clang", State.OK, ", ".join(texts))
    there = f"{', '.join(sorted(names))} without its {' and '.join(others)}" if names else "not found"
    detail = f"{there}; needed only for kernels that clang builds"
    return HostFinding(
        "clang", State.WARNING, detail, install(facts, LLVM_PACKAGES), LLVM_PACKAGES if facts.apt else ()
    )


def _mirror(facts: Facts) -> HostFinding:
    """Check the Debian mirror, which is the mirror that the machine's own apt uses."""
    if facts.mirror:
        return HostFinding("Debian's mirror", State.OK, "known to apt")
    detail = "apt knows none; needed only for kernels from Debian's archive"
    return HostFinding("Debian's mirror", State.WARNING, detail, as_root(facts, "apt-get update"))
