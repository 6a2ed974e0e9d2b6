# SPDX-License-Identifier: GPL-2.0-only
"""A private apt configuration for any suite of the machine's Debian mirror.

The machine's own apt is not changed.  The mirror's address comes from it; the keys come from Debian's archive keyring,
so apt itself verifies the signature of the release and the hash of every package.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.host.base import Command, Host, check

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LISTS_FRESH_SECONDS = 24 * 3600
"""The age, in seconds, from which a suite's package list is fetched again."""

_NO_SUITE = ("404", "does not have a Release file")
"""apt's output for a suite that the mirror does not have.  A mirror that cannot be reached gives no 404."""

_INSTALLED = re.compile(r"^Inst (\S+) \((\S+) ", re.MULTILINE)
"""A line of a simulated installation."""

_TARGET = "$(REPO_URI)|$(ORIGIN)|$(LABEL)"


@dataclass(frozen=True)
class DebianPackage:
    """One version of one package, from the signed index.

    `sha256` is that of the .deb file.  `depends` is the value of the field Depends, in Debian's syntax.
    """

    name: str
    version: str
    sha256: str
    depends: str = field(default="", compare=False)


@dataclass(frozen=True)
class Apt:
    """apt's commands for one suite, with lists and downloads in a `directory` of their own.

    `arch` is Debian's name of the packages' architecture, "" for this machine's.
    """

    host: Host
    directory: Path
    suite: str
    arch: str = ""

    def refresh(self, *, force: bool = False, where: str = "") -> bool:
        """Fetch the suite's package list if necessary, and return whether it was fetched.

        It is necessary if the list is missing or older than a day, or if `force` is set.
        Raises UsageError, with `where`, for a suite that the mirror does not have.  Raises InfrastructureError if apt
        fails for another reason and there is no older list.
        """
        stamp = self.directory / "fetched"
        known = stamp.exists()
        if known and not force and time.time() - stamp.stat().st_mtime < LISTS_FRESH_SECONDS:
            return False
        self._write_configuration()
        updated = self.host.run(Command(("apt-get", *self._options(), "update", "-q"), timeout=600))
        if updated.ok:
            stamp.touch()
        elif not known:
            if all(sign in updated.output for sign in _NO_SUITE):
                uri = mirror(self.host, self.suite)
                raise UsageError(f"{where}: there is no Debian suite '{self.suite}' at {uri}".removeprefix(": "))
            check(updated, f"fetching the package list of Debian suite '{self.suite}'")
        return updated.ok

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return the names of all packages of the suite that begin with `prefix`."""
        listed = self.host.run(Command(("apt-cache", *self._options(), "pkgnames", prefix), timeout=120))
        return tuple(listed.output.split()) if listed.ok else ()

    def packages(self, name: str) -> tuple[DebianPackage, ...]:
        """Return all versions of package `name` in the suite, in apt's order: newest first."""
        shown = self.host.run(Command(("apt-cache", *self._options(), "show", name), timeout=120))
        return parse_show(shown.output) if shown.ok else ()

    def closure(self, package: DebianPackage) -> tuple[DebianPackage, ...]:
        """Return `package` and all packages that it depends on, as apt would install them on an empty machine.

        Packages that are only recommended are left out.  Raises InfrastructureError if they do not fit together.
        """
        wanted = f"{package.name}={package.version}"
        argv = ("apt-get", *self._options(), "install", "--simulate", "--no-install-recommends", "-q", wanted)
        simulated = self.host.run(Command(argv, timeout=300))
        check(simulated, f"choosing what {wanted} of Debian suite '{self.suite}' depends on")
        names = parse_simulation(simulated.output)
        shown = self.host.run(Command(("apt-cache", *self._options(), "show", *names), timeout=300))
        check(shown, f"reading what {wanted} of Debian suite '{self.suite}' depends on")
        known = {f"{found.name}={found.version}": found for found in parse_show(shown.output)}
        missing = next((name for name in names if name not in known), None)
        if missing:
            raise InfrastructureError(f"apt says nothing about {missing} of Debian suite '{self.suite}'")
        return tuple(known[name] for name in names)

    def download_all(self, packages: tuple[DebianPackage, ...], place: Path) -> None:
        """Download the .deb files of `packages` to `place`; apt verifies them against the signed index."""
        wanted = tuple(f"{package.name}={package.version}" for package in packages)
        argv = ("apt-get", *self._options(), "download", "-q", *wanted)
        done = self.host.run(Command(argv, cwd=place, timeout=1800))
        check(done, f"downloading {len(wanted)} packages from Debian suite '{self.suite}'")
        found = {_sha256(path) for path in place.glob("*.deb")}
        absent = [package.name for package in packages if package.sha256 not in found]
        if absent:
            raise InfrastructureError(f"apt did not download {', '.join(absent)} of Debian suite '{self.suite}'")

    def download(self, package: DebianPackage) -> Path:
        """Download the package's .deb and return its path; apt verifies it against the signed index."""
        target = self.directory / "archives" / package.sha256
        found = tuple(target.glob("*.deb"))
        if found and _sha256(found[0]) == package.sha256:
            return found[0]
        shutil.rmtree(target, ignore_errors=True)  # truncated or changed since apt verified it
        partial = target.with_suffix(".partial")
        partial.mkdir(parents=True, exist_ok=True)
        wanted = f"{package.name}={package.version}"
        done = self.host.run(
            Command(("apt-get", *self._options(), "download", "-q", wanted), cwd=partial, timeout=1800)
        )
        check(done, f"downloading {wanted} from Debian suite '{self.suite}'")
        partial.rename(target)
        return next(target.glob("*.deb"))

    def _write_configuration(self) -> None:
        if not KEYRING.exists():
            raise InfrastructureError(f"{KEYRING} is missing; install the package debian-archive-keyring")
        for part in ("lists/partial", "archives/partial"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        arch = f"arch={self.arch} " if self.arch else ""
        line = f"deb [{arch}signed-by={KEYRING}] {mirror(self.host, self.suite)} {self.suite} main\n"
        (self.directory / "sources.list").write_text(line)

    def _options(self) -> tuple[str, ...]:
        here = self.directory
        settings: dict[str, object] = {
            "Dir::Etc::sourcelist": here / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferencesparts": "-",
            "Dir::Etc::preferences": "-",
            "Dir::State": here,
            "Dir::State::lists": here / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": here,
            "Dir::Cache::archives": here / "archives",
            "Acquire::Languages": "none",
            # A snapshot mirror is out of date on purpose.  The signature and the hashes are still checked.
            "Acquire::Check-Valid-Until": "false",
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
            "Debug::NoLocking": "true",
        }
        if self.arch:
            settings["APT::Architecture"] = self.arch
        return tuple(argument for key, value in settings.items() for argument in ("-o", f"{key}={value}"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mirror(host: Host, suite: str) -> str:
    """Return the URI of the machine's Debian mirror that has `suite`.

    Security suites have a mirror of their own.  A machine made by debootstrap has none configured.  Then the directory
    `debian-security` beside the mirror's `debian` is used, as on Debian's servers; apt verifies what comes from there.
    Raises InfrastructureError if the machine's apt has no Debian mirror.
    """
    listed = host.run(Command(("apt-get", "indextargets", "--format", _TARGET, "Created-By: Packages"), timeout=60))
    known = {
        label: uri for uri, origin, label in map(_target, reversed(listed.output.splitlines())) if origin == "Debian"
    }
    security = suite.endswith("-security")
    found = known.get("Debian-Security" if security else "Debian")
    if found is None and security and known.get("Debian", "").rstrip("/").endswith("/debian"):
        found = known["Debian"].rstrip("/") + "-security"
    if found is None:
        label = "Debian-Security" if security else "Debian"
        what = f"this machine's apt has no {label} mirror to fetch suite '{suite}' from"
        raise InfrastructureError(f"{what}; run 'apt-get update', or add a Debian mirror to its sources")
    return found


def _target(line: str) -> list[str]:
    """Return the URI, origin and label of an index target."""
    return [*line.split("|"), "", ""][:3]


def parse_show(output: str) -> tuple[DebianPackage, ...]:
    """Return the packages in the output of ``apt-cache show``: paragraphs of ``Key: value`` lines."""
    found = []
    for paragraph in re.split(r"\n\s*\n", output):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): *(.*)$", paragraph, re.MULTILINE))
        if {"Package", "Version", "SHA256"} <= fields.keys():
            known = (fields["Package"], fields["Version"], fields["SHA256"])
            found.append(DebianPackage(*known, fields.get("Depends", "")))
    return tuple(found)


def parse_simulation(output: str) -> tuple[str, ...]:
    """Return name=version of each package that ``apt-get install --simulate`` would install, in its order."""
    return tuple(f"{name}={version}" for name, version in _INSTALLED.findall(output))


def choose(apt: Apt, name: str, version: str | None, where: str) -> DebianPackage:
    """Return version `version` of package `name`, or the newest if it is None.

    If the suite's list does not have it, the list is fetched again first.
    Raises UsageError, with `where`, for a package or version that the suite does not have.
    """
    for attempt in range(2):
        apt.refresh(force=attempt > 0, where=where)
        candidates = apt.packages(name)
        chosen = next((p for p in candidates if version in (None, p.version)), None)
        if chosen:
            return chosen
    if not candidates:
        raise UsageError(f"{where}: Debian suite '{apt.suite}' has no package '{name}'")
    offered = ", ".join(p.version for p in candidates)
    raise UsageError(f"{where}: Debian suite '{apt.suite}' has no version {version} of '{name}', only {offered}")
