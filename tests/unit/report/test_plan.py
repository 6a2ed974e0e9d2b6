# SPDX-License-Identifier: GPL-2.0-only
"""The plan for a user: in order, with marked guesses, in the given width."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.report.plan import render, to_json
from orchestrator.run.dry_run import Step
from orchestrator.run.estimate import BuildCapacity, Capacity

CAPACITY = Capacity(jobs=2, memory=23 << 30)
BASE = Step("build/base", "build from nothing", seconds=272.0)
VARIANT = Step(
    "build/variant", "build from the tree of 'base', once that is built", begins=272.0, seconds=15.0, guessed=True
)
BOOT = Step("boot/variant/alignment", "boot, at most 180 s", begins=287.0, seconds=23.4)


def test_the_plan_says_when_each_job_begins_and_how_long_it_takes() -> None:
    assert render([BASE, BOOT], CAPACITY, 80).splitlines() == [
        "  0:00    4:32  build/base              build from nothing",
        "  4:47    0:23  boot/variant/alignment  boot, at most 180 s",
        "about 5 min 10 s on 2 cores, 23 GiB",
    ]


def test_what_is_guessed_is_marked_and_the_mark_explained() -> None:
    lines = render([BASE, VARIANT, BOOT], CAPACITY, 100).splitlines()
    assert lines[1] == "  4:32   ~0:15  build/variant           build from the tree of 'base', once that is built"
    assert lines[-1].endswith("; ~ is a guess: nothing like it was timed here yet")


def test_downloads_are_not_in_the_total() -> None:
    away = replace(CAPACITY, elsewhere=32, boot_host="lab1", away=BuildCapacity(64, "farm"))
    assert (
        render([BASE], away, 200)
        .splitlines()[-1]
        .startswith("about 4 min 32 s on 2 cores, 23 GiB, guests on lab1 (32 cores), built on farm with 64 jobs")
    )
    assert render([replace(BASE, fetched=False)], Capacity(1, 1 << 30), 80).splitlines()[-1] == (
        "about 4 min 32 s on 1 core, 1 GiB, once the sources are here"
    )


def test_nothing_is_wider_than_eighty_columns() -> None:
    long = replace(VARIANT, job="boot/" + "kernel-with-a-long-name/" * 2 + "w")
    for steps in ([BASE, VARIANT, BOOT], [long], [BASE, long], [replace(long, fetched=False)]):
        text = render(steps, CAPACITY, 80)
        assert max(map(len, text.splitlines())) <= 80
        words = " ".join(text.split())
        assert all(step.job in words and step.text in words for step in steps)


def test_programs_get_seconds() -> None:
    assert to_json([VARIANT]) == [
        {
            "job": "build/variant",
            "outlook": "build from the tree of 'base', once that is built",
            "cached": False,
            "start": 272.0,
            "seconds": 15.0,
            "guessed": True,
        }
    ]


def test_further_rounds_are_one_line() -> None:
    first = [
        Step(f"boot/{name}/alignment/1", "boot 1 of 15, at most 180 s", begins=begins, seconds=4.0, round=1)
        for name, begins in (("base", 0.0), ("thp", 4.0))
    ]
    further = [
        replace(step, job=f"{step.job[:-1]}{n}", begins=step.begins + 8.0 * (n - 1), round=n, guessed=n == 9)
        for n in range(2, 16)
        for step in first
    ]
    assert render([*first, *further], CAPACITY, 80).splitlines() == [
        "  0:00    0:04  boot/base/alignment/1  boot 1 of 15, at most 180 s",
        "  0:04    0:04  boot/thp/alignment/1   boot 1 of 15, at most 180 s",
        "  0:08   ~1:52  rounds 2 to 15: every boot again, in the same order",
        "about 2 min 0 s on 2 cores, 23 GiB; ~ is a guess: nothing like it was timed here",
        "yet",
    ]
    assert "round 2: every boot again" in render([*first, *further[:2]], CAPACITY, 80)
    assert len(to_json([*first, *further])) == 30
