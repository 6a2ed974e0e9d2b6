# SPDX-License-Identifier: GPL-2.0-only
"""The inventory of hosts: its values, one sentence per mistake, and a run's host."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.hosts import choose_boot_host
from orchestrator.cli.options import PlaceOptions
from orchestrator.errors import InfrastructureError, ScenarioError, UsageError
from orchestrator.host.address import Address
from orchestrator.host.local import LocalHost
from orchestrator.inventory.load import find, load_hosts
from orchestrator.inventory.model import Entry
from orchestrator.scenario.model import Scenario
from tests.unit.scenario.test_load import SMALL, load_text

FULL = """\
hosts:
  lab1:
    address: 192.0.2.1
    user: ci
    port: 2222
    key: /keys/lab
    known-hosts: /keys/known
    python: /usr/bin/python3.12
    directory: /srv/orch
    cores: 32
    memory: 128G
    devices: ["0000:3b:00.0", 3b:00.1]
    tags: [gpu, epyc]
  lab2:
    address: lab2
    tags: gpu
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors name files from the current directory; the test's inventory is the only one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def written(text: str, name: str = "hosts.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_host_is_what_the_file_says() -> None:
    first, second = load_hosts(written(FULL)).entries
    assert first == Entry(
        "lab1",
        Address("192.0.2.1", "ci", 2222, Path("/keys/lab"), Path("/keys/known"), "/usr/bin/python3.12"),
        Path("/srv/orch"),
        32,
        128 << 30,
        ("0000:3b:00.0", "0000:3b:00.1"),
        ("gpu", "epyc"),
        "hosts.yaml:2",
    )
    assert (second.address.port, second.address.user, second.devices, second.tags) == (22, None, None, ("gpu",))


def test_the_inventory_has_its_place_and_may_be_missing() -> None:
    assert load_hosts().entries == ()
    written(FULL, "config/orch/hosts.yaml")
    assert [entry.name for entry in load_hosts().tagged("gpu")] == ["lab1", "lab2"]
    with pytest.raises(UsageError, match=r"^other.yaml: there is no such inventory of hosts$"):
        load_hosts(Path("other.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("host: {}\n", "1: unknown key 'host' in the inventory; did you mean 'hosts'?"),
        ("hosts: {lab: {user: x}}\n", "1: host 'lab' has no 'address'; add it"),
        ("hosts:\n  lab:\n    address: x\n    prot: 22\n", "4: unknown key 'prot' in host 'lab'; did you mean 'port'?"),
        ("hosts:\n  lab:\n    address: x\n    port: 0\n", "4: 'port' must be a port from 1 to 65535, not '0'"),
        ("hosts:\n  lab:\n    address: x\n    devices: gpu\n", "4: 'devices' must be a PCI address"),
        ("hosts:\n  LAB:\n    address: x\n", "2: a host's name must be made of small letters, digits"),
        ("hosts:\n  lab:\n    address: h:22\n", "3: 'address' must be a name or an IP address; 'user' and"),
        ("hosts:\n  lab:\n    address: root@h\n", "3: 'address' must be a name or an IP address; 'user' and"),
        (
            "hosts:\n  lab: {address: h, directory: ~/orch}\n",
            "2: 'directory' must be an absolute path of",
        ),
        (
            "hosts:\n  lab: {address: h, directory: '/a b'}\n",
            "2: 'directory' must be an absolute path of",
        ),
        (
            "hosts:\n  lab: {address: h, directory: '/a$(id)'}\n",
            "2: 'directory' must be an absolute path of",
        ),
        ("hosts:\n  local: {address: h}\n", "1: 'hosts' must have no host 'local', since that is this machine"),
        ("hosts:\n  lab: x\n", "2: host 'lab' must be a mapping of keys to values"),
        ("hosts: [x]\n", "1: the inventory must be a mapping of keys to values"),
        ("hosts:\n  lab: {address: x}\n  lab: {address: y}\n", "3: key 'lab' is given twice, first on line 2"),
    ],
)
def test_a_message_says_where_a_mistake_is_and_how_to_fix_it(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_hosts(written(text))
    assert any(str(problem).startswith(f"hosts.yaml:{message}") for problem in caught.value.problems)


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        load_hosts(written("hosts:\n  a: {port: 0, address: x}\n  b: {}\n"))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("address", ["192.0.2.1", "lab-1.example.org", "2001:db8::1", "fe80::1%eth0", "::1"])
def test_an_address_is_a_name_or_of_either_version_of_ip(address: str) -> None:
    assert load_hosts(written(f"hosts: {{lab: {{address: '{address}'}}}}\n")).entries[0].address.host == address


def test_a_host_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"^hosts.yaml: no host 'lab3'; did you mean 'lab[12]'\?$"):
        find(load_hosts(written(FULL)), "lab3")


def scenario(tmp_path: Path, text: str) -> Scenario:
    return load_text(tmp_path, text)


def chosen(tmp_path: Path, text: str, host: str | None = None, hosts: str = FULL) -> str:
    """Return the name of the host that a run of `text` takes."""
    options = PlaceOptions(tmp_path / "cache", host, hosts=written(hosts))
    with choose_boot_host(options, scenario(tmp_path, text), LocalHost()) as boot_host:
        return boot_host.host.name


def test_this_machine_is_where_guests_boot_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    assert chosen(tmp_path, SMALL) == "local"
    assert chosen(tmp_path, SMALL + "host: lab1\n", host="local") == "local"


@pytest.mark.parametrize(
    ("text", "host", "sentence"),
    [
        (SMALL + "host: lab3\n", None, "hosts.yaml: no host 'lab3'"),
        (SMALL, "lab9", "hosts.yaml: no host 'lab9'"),
        (SMALL + "host: {tag: tpu}\n", None, "hosts.yaml: no host has the tag 'tpu'"),
        (
            SMALL.replace(
                "{emulated: pci-testdev, bar: 4G}",
                "{passthrough: {class: '03', host: lab1}}\n  b: {passthrough: {class: '03', host: lab2}}",
            ),
            None,
            "scenarios/pud.yaml: its devices are of lab1 and lab2, and all guests boot on one host",
        ),
    ],
)
def test_a_host_that_cannot_be_meant_is_a_mistake(tmp_path: Path, text: str, host: str | None, sentence: str) -> None:
    with pytest.raises(UsageError, match=f"^{sentence}"):
        chosen(tmp_path, text, host)


def test_every_host_that_was_tried_says_why_not(tmp_path: Path) -> None:
    """No server listens on port 1."""
    (tmp_path / "known_hosts").touch()
    known = f"known-hosts: {tmp_path}/known_hosts"
    hosts = "hosts:\n" + "".join(f"  lab{n}: {{address: 127.0.0.1, port: 1, tags: x, {known}}}\n" for n in (1, 2))
    with pytest.raises(InfrastructureError) as caught:
        chosen(tmp_path, SMALL + "host: {tag: x}\n", hosts=hosts)
    first, second = str(caught.value).splitlines()
    assert first.startswith("lab1: cannot run a command over SSH")
    assert second.startswith("lab2: cannot run a command over SSH")


def test_a_scenario_names_a_host_or_a_tag(tmp_path: Path) -> None:
    assert scenario(tmp_path, SMALL + "host: lab1\n").host.name == "lab1"
    assert scenario(tmp_path, SMALL + "host: {tag: gpu}\n").host.tag == "gpu"
    with pytest.raises(ScenarioError, match="'host' must be the name of a host, or have a 'tag'"):
        scenario(tmp_path, SMALL + "host: {name: a, tag: b}\n")
