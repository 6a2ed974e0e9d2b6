# SPDX-License-Identifier: GPL-2.0-only
"""Read the inventory's YAML file; report all its problems in one error."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, ValidationError, field_validator

from orchestrator.errors import UsageError
from orchestrator.host.address import Address
from orchestrator.host.local import LOCAL
from orchestrator.inventory.model import Entry, Hosts
from orchestrator.scenario.schema.fields import Cpus, HostAddress, Many, Memory, Name, PciAddress, PlainPath, Port, Text
from orchestrator.yamlfile import entry as yaml
from orchestrator.yamlfile.document import Document, read_document
from orchestrator.yamlfile.messages import hint, quoted, shown
from orchestrator.yamlfile.nodes import SourceProblem

DIRECTORY = "/var/tmp/orch"
"""The directory on a host for everything that is sent there: kernels, guest roots, programs."""


class HostEntry(yaml.Entry):
    """A host reached over SSH."""

    address: HostAddress = Field(description="Its name or IP address.")
    user: Text | None = Field(None, description="The user to log in as; your own name if left out.")
    port: Port = Field(22, description="The port of its sshd; 22 if left out.")
    key: Text | None = Field(None, description="A private key without passphrase; those in ~/.ssh if left out.")
    known_hosts: Text = Field("~/.ssh/known_hosts", description="The file that has its host key, which is verified.")
    python: Text = Field("python3", description="Its Python, 3.10 or newer to boot guests.")
    directory: PlainPath = Field(
        DIRECTORY, description=f"The directory for everything that is sent there; {DIRECTORY} if left out."
    )
    cores: Cpus | None = Field(None, description="How many CPUs guests may take; all of them if left out.")
    memory: Memory | None = Field(None, description="How much memory guests may take; all of it if left out.")
    devices: Many[PciAddress] | None = Field(
        None, description="The PCI functions that guests may get; any that can be passed through if left out."
    )
    tags: Many[Name] = Field((), description="Names by which scenarios can choose a host.")


class HostsFile(yaml.Entry):
    """An inventory."""

    hosts: dict[Name, HostEntry] = Field(description="The hosts, by name.")

    @field_validator("hosts")
    @classmethod
    def _no_host_is_this_machine(cls, hosts: dict[str, HostEntry]) -> dict[str, HostEntry]:
        if LOCAL in hosts:
            raise ValueError(f"must have no host '{LOCAL}', since that is this machine; give it another name")
        return hosts


def default_path() -> Path:
    """Return the default path of the inventory."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "orch/hosts.yaml"


def load_hosts(path: Path | None = None) -> Hosts:
    """Read the inventory at `path`, or at the default path, where it may be missing.

    Raises ScenarioError with every problem of the file, UsageError if `path` does not exist.
    """
    place = path or default_path()
    if not place.exists():
        if path is not None:
            raise UsageError(f"{shown(place)}: there is no such inventory of hosts")
        return Hosts(place)
    document = read_document(place)
    try:
        file = HostsFile.model_validate(document.value)
    except ValidationError as error:
        raise document.error([*document.findings, *_findings(error, document)]) from None
    if document.findings:
        raise document.error(list(document.findings))
    return Hosts(place, tuple(_host(name, entry, document) for name, entry in file.hosts.items()))


def find(hosts: Hosts, name: str) -> Entry:
    """Return the host called `name`.

    Raises UsageError if the inventory has no such host.
    """
    found = hosts.named(name)
    if found is None:
        names = [entry.name for entry in hosts.entries]
        raise UsageError(f"{shown(hosts.path)}: no host {quoted(name)}{hint(name, names, 'hosts')}")
    return found


def _host(name: str, entry: HostEntry, document: Document) -> Entry:
    key = Path(entry.key).expanduser() if entry.key else None
    address = Address(entry.address, entry.user, entry.port, key, Path(entry.known_hosts).expanduser(), entry.python)
    return Entry(
        name,
        address,
        Path(entry.directory),
        entry.cores,
        entry.memory,
        entry.devices,
        entry.tags,
        document.where(("hosts", name)),
    )


def _findings(error: ValidationError, document: Document) -> list[SourceProblem]:
    return [SourceProblem(document.line(one["loc"]), _sentence(one["type"], one["loc"], one)) for one in error.errors()]


def _sentence(kind: str, loc: tuple[int | str, ...], details: object) -> str:
    """Return the message for one mistake, with the terms of scenarios."""
    here = f"host {quoted(loc[1])}" if len(loc) > 1 else "the inventory"
    keys = HostEntry.known_keys() if len(loc) > 1 else HostsFile.known_keys()
    context = details.get("ctx", {}) if isinstance(details, dict) else {}
    if kind == "extra_forbidden":
        return f"unknown key {quoted(loc[-1])} in {here}{hint(str(loc[-1]), keys, 'keys')}"
    if kind == "missing":
        return f"{here} has no {quoted(loc[-1])}; add it"
    if kind == "value_error":
        subject = (
            "a host's name" if loc[-1] == "[key]" else quoted(next(s for s in reversed(loc) if isinstance(s, str)))
        )
        return f"{subject} {context.get('error', 'is wrong')}"
    return f"{here} must be a mapping of keys to values"
