# SPDX-License-Identifier: GPL-2.0-only
"""Binding of PCI functions to vfio-pci and back.

The sysfs consists of files; a small simulated kernel reacts to them.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agent import lease as keep
from orchestrator.agent import vfio_bind
from orchestrator.agent.leases import Store, lock
from orchestrator.agent.sysfs import Tree

ONE, TWO = "0000:01:00.0", "0000:01:00.1"
MIB = 1 << 20


class Kernel:
    """A sysfs below `root`, with the effects of writes to its files.

    `space` is the size in bytes for all BARs.
    """

    def __init__(self, root: Path, space: int = 1 << 40) -> None:
        self.root = root
        self.space = space
        self.known: dict[str, str] = {}
        """The driver that knows each function by its ids."""
        self.written: list[str] = []
        self.fails: dict[str, int] = {}
        """Numbers of errors, by the end of the file's name."""
        for name in ("vfio-pci", "e1000e", "nouveau"):
            self.place("drivers", name).mkdir(parents=True)

    def place(self, *names: str) -> Path:
        return self.root.joinpath("sys/bus/pci", *names)

    def function(self, address: str, driver: str = "", override: str = "", sizes: dict[int, int] | None = None) -> None:
        place = self.place("devices", address)
        place.mkdir(parents=True)
        for name, text in (("vendor", "0x8086"), ("device", "0x10d3"), ("driver_override", override or "(null)")):
            (place / name).write_text(text + "\n")
        self.resize(address, sizes or {})
        self.known[address] = driver
        if driver:
            (place / "driver").symlink_to(self.place("drivers", driver))

    def resize(self, address: str, sizes: dict[int, int]) -> None:
        rows = [f"0x0 0x{sizes.get(bar, 0) - 1:x} 0x40200" if sizes.get(bar) else "0x0 0x0 0x0" for bar in range(6)]
        self.place("devices", address, "resource").write_text("\n".join(rows) + "\n")

    def sizes(self, address: str) -> dict[int, int]:
        rows = [line.split() for line in self.place("devices", address, "resource").read_text().splitlines()]
        return {bar: int(row[1], 16) + 1 for bar, row in enumerate(rows) if int(row[2], 16)}

    def driver(self, address: str) -> str:
        link = self.place("devices", address, "driver")
        return link.readlink().name if link.is_symlink() else ""

    def override(self, address: str) -> str:
        return self.place("devices", address, "driver_override").read_text().strip()

    def write(self, tree: Tree, text: str, *names: str) -> None:
        path = tree.path(*names)
        self.written.append(f"{path.name} {text.strip()}")
        number = next((number for end, number in self.fails.items() if str(path).endswith(end)), 0)
        number = number or self.obey(path, text.strip())
        if number:
            raise OSError(number, os.strerror(number), str(path))

    def obey(self, path: Path, text: str) -> int:
        if path.name == "driver_override":
            path.write_text((text or "(null)") + "\n")
        elif path.name == "unbind":
            self.place("devices", text, "driver").unlink()
        elif path.name == "drivers_probe":
            return self.bind(text, self.override(text).replace("(null)", "") or self.known[text])
        elif path.name == "bind":
            return self.bind(text, path.parent.name)
        elif path.name.endswith("_resize"):
            return self.resized(path.parent.name, int(path.name[8]), MIB << int(text))
        return 0

    def bind(self, address: str, name: str) -> int:
        """Bind as drivers/pci/pci-driver.c, pci_match_device does."""
        if not self.place("drivers", name).is_dir():
            return errno.ENOENT
        override = self.override(address).replace("(null)", "")
        if (override or self.known[address]) != name:
            return errno.ENODEV
        self.place("devices", address, "driver").symlink_to(self.place("drivers", name))
        return 0

    def resized(self, address: str, bar: int, size: int) -> int:
        if self.driver(address):
            return errno.EBUSY
        sizes = {**self.sizes(address), bar: size}
        if sum(sizes.values()) > self.space:
            return errno.ENOSPC
        self.resize(address, sizes)
        return 0


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel(tmp_path)
    monkeypatch.setattr(vfio_bind, "_write", made.write)
    monkeypatch.setattr(vfio_bind, "_SETTLE", 0.2)
    return made


def entry(address: str, driver: str = "", override: str = "", **more: Any) -> dict[str, Any]:
    base = {"address": address, "group": "7", "driver": driver, "override": override, "sizes": {}, "resize": {}}
    return {**base, "token": "t", **more}


def journal(kernel: Kernel, content: dict[str, Any]) -> Store:
    store = Store(Tree(str(kernel.root)))
    store.make()
    store.write_journal(content)
    return store


def given_back(kernel: Kernel, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return vfio_bind.restore(Tree(str(kernel.root)), journal(kernel, content), content["address"])


def test_a_function_goes_to_vfio_pci_and_back(kernel: Kernel) -> None:
    kernel.function(ONE, "e1000e")
    content = entry(ONE, "e1000e")
    vfio_bind.take(Tree(str(kernel.root)), content)
    assert (kernel.driver(ONE), kernel.override(ONE)) == ("vfio-pci", "vfio-pci")
    assert given_back(kernel, content) == ("restored", {"driver": "e1000e"})
    assert (kernel.driver(ONE), kernel.override(ONE)) == ("e1000e", "(null)")


@pytest.mark.parametrize("override", ["", "nouveau"])
def test_a_driver_takes_back_what_it_no_longer_knows_and_what_an_old_override_keeps_from_it(
    kernel: Kernel, override: str
) -> None:
    """As after `echo 8086 10d3 > new_id` was undone, or an override without a probe."""
    kernel.function(ONE, "vfio-pci", "vfio-pci")
    kernel.known[ONE] = ""
    assert given_back(kernel, entry(ONE, "e1000e", override))[0] == "restored"
    assert (kernel.driver(ONE), kernel.override(ONE)) == ("e1000e", override or "(null)")


def test_a_bar_that_cannot_be_resized_back_does_not_keep_the_driver(kernel: Kernel) -> None:
    kernel.function(ONE, "vfio-pci", "vfio-pci", {1: 512 * MIB, 3: 512 * MIB})
    kernel.fails["resource1_resize"] = errno.ENOSPC
    content = entry(ONE, "e1000e", sizes={"1": 256 * MIB, "3": 256 * MIB})
    with pytest.raises(OSError, match="No space left") as caught:
        given_back(kernel, content)
    assert str(caught.value.filename).endswith("resource1_resize")
    assert (kernel.driver(ONE), kernel.override(ONE)) == ("e1000e", "(null)")
    assert kernel.sizes(ONE) == {1: 512 * MIB, 3: 256 * MIB}
    assert Store(Tree(str(kernel.root))).journal(ONE).exists()


@pytest.mark.parametrize("bars", [("1", "3"), ("3", "1")])
def test_a_bar_that_shrinks_is_resized_before_one_that_grows(kernel: Kernel, bars: tuple[str, str]) -> None:
    grows, shrinks = bars
    kernel.space = 1280 * MIB
    kernel.function(ONE, "e1000e", sizes={int(grows): 256 * MIB, int(shrinks): 1024 * MIB})
    before = {grows: 256 * MIB, shrinks: 1024 * MIB}
    content = entry(ONE, "e1000e", sizes=before, resize={grows: 1024 * MIB, shrinks: 256 * MIB})
    vfio_bind.take(Tree(str(kernel.root)), content)
    assert kernel.sizes(ONE) == {int(grows): 1024 * MIB, int(shrinks): 256 * MIB}
    assert given_back(kernel, {**content, "sizes": dict(reversed(before.items()))})[0] == "restored"
    assert kernel.sizes(ONE) == {int(grows): 256 * MIB, int(shrinks): 1024 * MIB}


def test_a_driver_that_is_not_loaded_any_more_is_named_with_what_to_load(kernel: Kernel) -> None:
    kernel.function(ONE, "vfio-pci", "vfio-pci")
    kernel.place("drivers", "e1000e").rmdir()
    with pytest.raises(OSError, match=r"/drivers/e1000e/bind: No such file .*; load the module of its driver e1000e"):
        given_back(kernel, entry(ONE, "e1000e"))
    assert kernel.override(ONE) == "(null)"


def test_what_fails_has_the_name_of_its_file() -> None:
    with pytest.raises(OSError, match="No space left on device") as caught:
        vfio_bind._write(Tree(""), "x", "/dev/full")
    assert caught.value.filename == "/dev/full"


def test_what_is_missing_or_replaced_is_reported_and_left_alone(kernel: Kernel) -> None:
    assert given_back(kernel, entry(ONE, "e1000e")) == ("removed", {})
    kernel.function(TWO, "nouveau")
    assert given_back(kernel, entry(TWO, ids="10de:2330")) == ("replaced", {"ids": "8086:10d3"})
    assert kernel.driver(TWO) == "nouveau"
    assert kernel.written == []
    assert Store(Tree(str(kernel.root))).journals() == []


def test_an_incomplete_journal_is_kept_and_reported(kernel: Kernel) -> None:
    content = entry(ONE)
    del content["driver"], content["sizes"]
    with pytest.raises(OSError, match=r"0000:01:00.0.json does not contain driver, sizes; bind its driver by hand"):
        given_back(kernel, content)


def test_a_guest_that_ends_by_itself_just_before_it_is_killed_is_no_error(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.function(ONE, "vfio-pci", "vfio-pci")
    users = [[4_194_305], []]  # no process id is as high (proc(5), pid_max)
    monkeypatch.setattr(vfio_bind, "users_of_group", lambda *_: users.pop(0))
    monkeypatch.setattr(vfio_bind, "token_of", lambda *_: "t")
    assert given_back(kernel, entry(ONE, "e1000e"))[0] == "restored"


def messages(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def leased(kernel: Kernel, address: str, token: str = "t") -> int:
    store = Store(Tree(str(kernel.root)))
    store.make()
    store.lease(address).write_text(json.dumps({"token": token}))
    return lock(store.lease(address))


def take(kernel: Kernel, *entries: dict[str, Any]) -> int:
    return keep.take_all(Tree(str(kernel.root)), {"entries": entries})


def test_taking_says_each_step(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    kernel.function(ONE, "e1000e")
    leased(kernel, ONE)
    assert take(kernel, entry(ONE, "e1000e")) == 0
    assert [message["event"] for message in messages(capsys)] == ["journal", "taken"]


def refused(kernel: Kernel, capsys: pytest.CaptureFixture[str], *entries: dict[str, Any]) -> str:
    """Return why taking was refused; nothing may have changed."""
    assert take(kernel, *entries) == 1
    assert kernel.written == []
    (message,) = messages(capsys)
    assert message["event"] == "failed"
    return str(message["why"])


def test_nothing_is_unbound_for_a_driver_that_is_not_there(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    kernel.function(ONE, "e1000e")
    kernel.place("drivers", "vfio-pci").rmdir()
    leased(kernel, ONE)
    assert refused(kernel, capsys, entry(ONE)).startswith("the kernel has no driver vfio-pci; ")
    assert Store(Tree(str(kernel.root))).journals() == []


def test_nothing_is_taken_after_the_end_of_the_lease_program(
    kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.function(ONE, "e1000e")
    kernel.function(TWO, "e1000e")
    os.close(leased(kernel, ONE))
    assert "lease is not held" in refused(kernel, capsys, entry(ONE))
    leased(kernel, ONE)
    leased(kernel, TWO, "another run's")
    assert "lease is not held" in refused(kernel, capsys, entry(ONE), entry(TWO))


def test_another_runs_journal_is_never_written_over(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    kernel.function(ONE, "vfio-pci")
    store = journal(kernel, entry(ONE, "e1000e", token="another"))
    leased(kernel, ONE)
    why = refused(kernel, capsys, entry(ONE, "vfio-pci"))
    assert why == f"another run took it, according to {store.journal(ONE)}; run: orch devices restore"
    assert json.loads(store.journal(ONE).read_text())["token"] == "another"


def test_leases_are_released_before_another_run_may_act(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(Tree(str(kernel.root)))
    descriptor = leased(kernel, ONE)
    closed: list[int] = []
    close = os.close

    def noted(opened: int) -> None:
        closed.append(opened)
        close(opened)

    monkeypatch.setattr(os, "close", noted)
    assert keep._give_back(Tree(str(kernel.root)), store, [ONE], [descriptor])
    assert closed[0] == descriptor
    assert len(closed) == 2


def test_a_process_that_works_for_too_long_is_named(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (kernel.root / "proc").symlink_to("/proc")
    store = journal(kernel, entry(ONE))
    monkeypatch.setattr(keep, "_BUSY", 0.2)
    other = lock(store.actions)
    assert keep.restore_all(Tree(str(kernel.root)), {}) == 1
    (message,) = messages(capsys)
    assert (message["event"], message["address"]) == ("stuck", ONE)
    assert message["why"].startswith(f"process {os.getpid()} (")
    os.close(other)


def test_functions_are_given_back_in_one_order(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    for address in (TWO, ONE):
        kernel.function(address, "vfio-pci")
        journal(kernel, entry(address, "vfio-pci"))
    store = Store(Tree(str(kernel.root)))
    assert keep._give_back(Tree(str(kernel.root)), store, [TWO, ONE])
    assert [message["address"] for message in messages(capsys)] == [ONE, TWO]


def test_without_root_the_message_says_that_only_root_can(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    journal(kernel, entry(ONE))
    monkeypatch.setattr(keep, "lock", refuse)
    assert keep.restore_all(Tree(str(kernel.root)), {}) == 1
    assert messages(capsys) == [
        {"event": "stuck", "address": ONE, "why": "only root can give devices back; run orch as root"}
    ]
