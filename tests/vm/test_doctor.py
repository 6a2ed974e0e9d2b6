# SPDX-License-Identifier: GPL-2.0-only
"""``orch doctor`` finds the accelerator by a real boot of a built kernel."""

from __future__ import annotations

import json
import subprocess

from tests.vm.conftest import ORCH, Finished


def test_the_doctor_and_a_run_agree_on_the_accelerator(pud: Finished) -> None:
    done = subprocess.run([ORCH, "doctor", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = (one for one in json.loads(done.stdout)["findings"] if one["what"] == "accelerator")
    name, _, reason = pud.record["accelerator"].partition(" ")
    reason = reason.removeprefix("(").removesuffix(")")
    if name == "kvm":
        assert (found["state"], found["detail"]) == ("ok", f"kvm: {reason}")
    else:
        assert found["state"] == "warning"
        assert reason in found["detail"]
        assert found["detail"].endswith("tcg is used instead, which emulates every instruction")
