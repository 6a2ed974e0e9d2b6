# SPDX-License-Identifier: GPL-2.0-only
"""A host with low priority: it fulfils the contract, and its priority is low."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.host.niced import NICENESS, Niced
from orchestrator.host.recorder import Recorder
from tests.unit.host.test_contract import RealHostContract, sh


class TestNiced(RealHostContract):
    @pytest.fixture
    def host(self) -> Niced:
        host = LocalHost()
        host.grace = 0.5
        return Niced(host)

    def test_commands_run_with_a_lower_priority(self, host: Niced) -> None:
        ours, others = (int(one.run(Command(("nice",))).output) for one in (host, host.host))
        assert ours == others + NICENESS

    def test_their_session_gives_way_to_other_sessions(self, host: Niced) -> None:
        ours, others = (one.run(Command(("cat", "/proc/self/autogroup"))).output for one in (host, host.host))
        assert ours.split()[-1] == str(NICENESS)
        assert others.split()[-1] == "0"

    def test_make_is_not_given_the_users_directory(
        self, host: Niced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With it, Linux's objtool does not build in a directory with a quote."""
        odd, tree = tmp_path / "it's", tmp_path / "tree"
        odd.mkdir()
        tree.mkdir()
        (tree / "Makefile").write_text("all:\n\t@echo '[$(subst ','\\'',$(PWD))]'\n")
        monkeypatch.chdir(odd)
        monkeypatch.setenv("PWD", str(odd))
        assert host.run(Command(("make", "-s", "-C", str(tree)))).output == "[]\n"
        assert "it's" in host.host.run(Command(("make", "-s", "-C", str(tree)))).output, "the check sees what is given"

    def test_what_is_recorded_is_what_was_asked_for(self, host: Niced) -> None:
        recorder = Recorder(host)
        assert recorder.run(Command(sh("exit 7"))).argv == sh("exit 7")
        assert recorder.lines == ["sh -c 'exit 7' sh"]
