# SPDX-License-Identifier: GPL-2.0-only
"""``orch b4-check``, alone and called by an unmodified b4: its command, and the functions of its review."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.kernel.patch.body import change_id
from orchestrator.result.store.review import REVIEW_FILE, ReviewRecord
from tests.unit.report.test_mail import REVIEW

STORED = Path(__file__).parents[1] / "report/data/run-before-layout"
BIN = Path(sys.executable).parent
DIFF = """diff --git a/mm/a.c b/mm/a.c
index 1111111..2222222 100644
--- a/mm/a.c
+++ b/mm/a.c
@@ -1,1 +1,1 @@
-one
+two
"""
MAIL = f"From: A Dev <dev@example.org>\nMessage-ID: <one@example.org>\nSubject: [PATCH] a change\n\nWhy.\n---\n{DIFF}"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results with a run of a review of `MAIL`."""
    place = tmp_path / "results"
    record(place, "pud-1", replace(REVIEW, messages=("one@example.org",), changes=(change_id(MAIL.encode()),)))
    return place


def record(results: Path, name: str, review: ReviewRecord) -> Path:
    """Store a finished run of the review."""
    shutil.copytree(STORED, results / name)
    (results / name / REVIEW_FILE).write_text(review.text)
    return results / name


def check(results: Path, mail: str | bytes, *options: str) -> subprocess.CompletedProcess[str]:
    data = mail.encode() if isinstance(mail, str) else mail
    argv = [str(BIN / "orch"), "b4-check", "--results", str(results), *options]
    done = subprocess.run(argv, input=data, capture_output=True, check=False)
    return subprocess.CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())


def answers(results: Path, mail: str | bytes) -> list[dict[str, str]]:
    done = check(results, mail)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert all(set(one) == {"tool", "status", "summary", "url", "details"} for one in found)
    return list(found)


def test_a_review_that_was_run_is_the_answer(results: Path) -> None:
    (found,) = answers(results, MAIL)
    assert (found["tool"], found["status"], found["url"]) == ("orch", "fail", "")  # no-huge is worse than the base
    assert found["summary"].startswith("pud on v7.3.4: no-huge ")
    assert found["details"].startswith('orch tested "[PATCH v2 0/3] vfio: align the mmap of a BAR":')


@pytest.mark.parametrize(
    "mail",
    [
        MAIL.replace("one@example.org", "resent@example.org"),
        MAIL.replace("Message-ID: <one@example.org>\n", ""),
        MAIL.replace("@@ -1,1 +1,1 @@", "@@ -7 +7 @@ in a function"),
        MAIL.replace("1111111..2222222", "1111111111111111..2222222222222222"),
        MAIL + "-- \n2.39.5\n\n_______________________________________________\na footer\n",
        "From mboxrd@z Thu Jan  1 00:00:00 1970\n" + MAIL,
        MAIL.replace("\n", "\r\n"),
        "Message-ID: <one@example.org>\nSubject: [PATCH 0/3] the cover letter\n\nHello.\n",
    ],
)
def test_a_patch_is_recognized_by_its_change_or_its_message_id(results: Path, mail: str) -> None:
    assert answers(results, mail)[0]["status"] == "fail"


@pytest.mark.parametrize(
    "mail",
    [
        MAIL.replace("one@", "two@").replace("+two", "+three"),
        MAIL.replace("one@", "two@").replace("a/mm/a.c", "a/mm/b.c").replace("b/mm/a.c", "b/mm/b.c"),
        "Subject: [PATCH 0/3] another cover letter\n\nHello.\n",
    ],
)
def test_what_was_not_run_is_said_with_the_command(results: Path, mail: str) -> None:
    (found,) = answers(results, mail)
    identity = "two@example.org" if "two@" in mail else "FILE"
    assert (found["status"], found["summary"]) == ("warn", f"not run yet: orch review {identity}")
    assert check(results, mail, "--plain").stdout == f"WARNING: not run yet: orch review {identity}\n"


def test_the_newest_review_counts_and_each_of_its_scenarios(results: Path) -> None:
    newer = replace(REVIEW, messages=("one@example.org",), base="v7.4")
    for at, name in enumerate(("pud-2", "pud-3", "stage2-2"), 1):
        place = record(results, name, newer)
        run = json.loads((place / "run.json").read_text())
        run["scenario"]["name"] = name.partition("-")[0]
        (place / "run.json").write_text(json.dumps(run))
        os.utime(place / REVIEW_FILE, (2e9 + at, 2e9 + at))
    assert [one["summary"].partition(":")[0] for one in answers(results, MAIL)] == ["stage2 on v7.4", "pud on v7.4"]


def test_a_run_that_did_not_finish_is_no_answer(results: Path) -> None:
    file = results / "pud-1/run.json"
    run = json.loads(file.read_text())
    file.write_text(json.dumps(run | {"status": "interrupted", "exit_status": 130}))
    assert answers(results, MAIL)[0]["status"] == "warn"


@pytest.mark.parametrize("mail", [b"", b" \n", b"\0" * 20_000_000])
def test_what_is_no_mail_is_one_sentence(results: Path, mail: bytes) -> None:
    done = check(results, mail)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "orch: orch b4-check: give it one mail of at most 16 MiB on the standard input\n"


def test_hostile_mail_is_one_answer(results: Path) -> None:
    mail = "Message-ID: <\x1b[31m@x>\nSubject: [PATCH] \x1b]0;x\x07\u202e\n\n\x1b[2J" + "x" * 100_000 + "\n"
    done = check(results, mail.encode(), "--plain")
    assert done.stdout.startswith("WARNING: not run yet: orch review ")
    assert "\x1b" not in done.stdout
    assert len(done.stdout) < 400


@pytest.fixture
def repository(tmp_path: Path, results: Path) -> Path:
    """A git repository with a topic branch of b4, whose one commit is the change of `MAIL`."""
    place = tmp_path / "linux"
    (place / "mm").mkdir(parents=True)
    (place / "mm/a.c").write_text("one\n")
    for argv in (
        ("git", "init", "-q", "-b", "master"),
        ("git", "config", "user.name", "A Dev"),
        ("git", "config", "user.email", "dev@example.org"),
        ("git", "config", "b4.prep-perpatch-check-cmd", f"{BIN}/orch b4-check --plain --results {results}"),
        ("git", "config", "b4.review-perpatch-check-cmd", f"{BIN}/orch b4-check --results {results}"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "begin"),
        (f"{BIN}/b4", "prep", "-n", "topic", "-f", "master"),
    ):
        in_repository(place, *argv)
    (place / "mm/a.c").write_text("two\n")
    in_repository(place, "git", "commit", "-qam", "a change\n\nWhy.\n\nSigned-off-by: A Dev <dev@example.org>")
    return place


def in_repository(place: Path, *argv: str) -> str:
    home = place.parent / "home"
    homes = {f"XDG_{what}_HOME": str(home) for what in ("CONFIG", "DATA", "CACHE")}
    environment = {**os.environ, **homes, "HOME": str(home), "GIT_EDITOR": "true", "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(argv, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_b4_prep_check_shows_the_verdict(repository: Path, results: Path) -> None:
    shown = in_repository(repository, f"{BIN}/b4", "prep", "--check")
    assert "orch: ERROR: pud on v7.3.4: no-huge maps" in " ".join(shown.split())
    shutil.rmtree(results / "pud-1")
    in_repository(repository, "git", "commit", "-q", "--amend", "-m", "again\n\nWhy.\n\nSigned-off-by: A <a@b.org>")
    shown = in_repository(repository, f"{BIN}/b4", "prep", "--check")
    assert "orch: WARNING: not run yet: orch review" in " ".join(shown.split())


REVIEW_SESSION = """
import argparse, json, sys
import b4
from email import message_from_file
from email.policy import default
from b4.review import checks
b4.setup_config(argparse.Namespace(config={}))
perpatch, series = checks.load_check_cmds()
mail = message_from_file(open(sys.argv[1]), policy=default)
print(json.dumps(checks.run_perpatch_checks([("one@example.org", mail)], perpatch, sys.argv[2])))
"""


def test_b4_review_shows_the_verdict(repository: Path, tmp_path: Path) -> None:
    """b4's own functions read its configuration, run the command, and parse the answer."""
    (tmp_path / "one.eml").write_text(MAIL)
    argv = (sys.executable, "-c", REVIEW_SESSION, str(tmp_path / "one.eml"), str(repository))
    (found,) = json.loads(in_repository(repository, *argv).splitlines()[-1])["one@example.org"]
    assert (found["tool"], found["status"]) == ("orch", "fail")
    assert found["summary"].startswith("pud on v7.3.4: no-huge maps")
    assert "no-huge" in found["details"]
