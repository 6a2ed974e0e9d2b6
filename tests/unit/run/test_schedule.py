# SPDX-License-Identifier: GPL-2.0-only
"""The order of the jobs: none waits in vain, each runs once, within the limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.run.schedule import Resources, Slot, Task, longest_first, startable, timetable

TWO = Resources(cores=2, makes=2, memory=8)
BUILD, BOOT = Resources(makes=1, memory=1), Resources(cores=1, memory=2)

amounts = st.integers(0, 6)
resources = st.builds(Resources, amounts, amounts, amounts)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[Task, ...]:
    """Jobs that come after others, in any order and of any size.

    Some are larger than the machine.
    """
    tasks: list[Task] = []
    for number in range(draw(st.integers(0, 12))):
        before = draw(st.lists(st.sampled_from([task.id for task in tasks]), unique=True)) if tasks else []
        seconds = float(draw(st.integers(0, 5)))
        tasks.append(Task(f"{number}", seconds, draw(resources), tuple(before)))
    return tuple(draw(st.permutations(tasks)))


def taken_at(slots: tuple[Slot, ...], moment: float, limits: Resources) -> Resources:
    return sum((s.task.needs.within(limits) for s in slots if s.begins <= moment < s.ends), Resources())


@settings(deadline=None)
@given(jobs(), resources)
def test_every_job_runs_exactly_once(tasks: tuple[Task, ...], limits: Resources) -> None:
    assert sorted(slot.task.id for slot in timetable(tasks, limits)) == sorted(task.id for task in tasks)


@settings(deadline=None)
@given(jobs(), resources)
def test_a_job_begins_when_all_that_it_comes_after_has_ended(tasks: tuple[Task, ...], limits: Resources) -> None:
    slots = {slot.task.id: slot for slot in timetable(tasks, limits)}
    for slot in slots.values():
        assert all(slots[before].ends <= slot.begins for before in slot.task.after)


@settings(deadline=None)
@given(jobs(), resources)
def test_never_more_than_there_is(tasks: tuple[Task, ...], limits: Resources) -> None:
    slots = timetable(tasks, limits)
    for slot in slots:
        assert taken_at(slots, slot.begins, limits).fits(limits)


@settings(deadline=None)
@given(jobs(), resources)
def test_a_job_that_is_larger_than_the_machine_has_it_for_itself(tasks: tuple[Task, ...], limits: Resources) -> None:
    slots = timetable(tasks, limits)
    for large in (slot for slot in slots if slot.task.needs.memory > limits.memory and slot.task.seconds):
        beside = [s for s in slots if s is not large and s.begins < large.ends and large.begins < s.ends]
        assert not [s for s in beside if min(s.task.needs.memory, limits.memory)]


@settings(deadline=None)
@given(jobs(), resources)
def test_nothing_that_fits_ever_waits(tasks: tuple[Task, ...], limits: Resources) -> None:
    slots = timetable(tasks, limits)
    ends = {slot.task.id: slot.ends for slot in slots}
    for moment in {slot.begins for slot in slots} | {slot.ends for slot in slots}:
        taken = taken_at(slots, moment, limits)
        for slot in slots:
            ready = all(ends[before] <= moment for before in slot.task.after)
            if ready and slot.begins > moment:
                assert not (taken + slot.task.needs.within(limits)).fits(limits)


@settings(deadline=None)
@given(jobs(), resources)
def test_a_longer_path_is_never_passed_over_for_a_shorter_one_that_takes_the_same(
    tasks: tuple[Task, ...], limits: Resources
) -> None:
    ranked = longest_first(tasks)
    chosen = startable(ranked, limits, (), ())
    for task in chosen:
        ahead = ranked[: ranked.index(task)]
        assert not [one for one in ahead if not one.after and one.needs == task.needs and one not in chosen]


def build(name: str, seconds: float, *after: str, makes: int = 1) -> Task:
    return Task(f"build/{name}", seconds, Resources(makes=makes, memory=1), tuple(f"build/{one}" for one in after))


def boot(name: str, seconds: float = 10.0) -> Task:
    return Task(f"boot/{name}", seconds, BOOT, (f"build/{name}",))


def begins(tasks: list[Task], limits: Resources = TWO) -> dict[str, float]:
    return {slot.task.id: slot.begins for slot in timetable(tasks, limits)}


def test_a_kernel_boots_while_the_next_ones_build() -> None:
    variants = ("v1", "v2", "v3", "v4")
    tasks = [build("base", 300, makes=2), boot("base")]
    tasks += [job for name in variants for job in (build(name, 15, "base"), boot(name))]
    assert begins(tasks) == {
        **{"build/base": 0, "boot/base": 300, "build/v1": 300, "build/v2": 300, "build/v3": 315, "build/v4": 315},
        **{"boot/v1": 315, "boot/v2": 315, "boot/v3": 330, "boot/v4": 330},
    }


def test_on_one_core_too() -> None:
    tasks = [build("a", 300), boot("a"), build("b", 290), boot("b")]
    assert begins(tasks, Resources(1, 1, 8)) == {"build/a": 0, "build/b": 300, "boot/a": 300, "boot/b": 590}


def test_the_longest_path_goes_first_not_the_longest_job() -> None:
    tasks = [build("long", 100, makes=2), build("first", 60, makes=2), build("second", 60, "first", makes=2)]
    assert begins(tasks) == {"build/first": 0, "build/long": 60, "build/second": 160}


def test_what_takes_nothing_waits_for_nothing() -> None:
    cached = Task("build/cached", 0.0)
    assert begins([build("base", 300, makes=2), cached, boot("cached")]) == {
        "build/base": 0,
        "build/cached": 0,
        "boot/cached": 0,
    }


def test_guests_do_not_get_more_memory_than_there_is() -> None:
    boots = [Task(f"boot/{number}", 10, Resources(cores=1, memory=5)) for number in range(3)]
    assert list(begins(boots, Resources(4, 4, 8)).values()) == [0, 10, 20]


def test_equal_jobs_go_as_they_come() -> None:
    assert [task.id for task in longest_first([boot("b"), boot("a"), build("b", 1), build("a", 1)])] == [
        "build/b",
        "build/a",
        "boot/b",
        "boot/a",
    ]


@pytest.mark.parametrize("tasks", [[boot("a")], [build("a", 1, "b"), build("b", 1, "a")], [build("a", 1, "a")]])
def test_jobs_that_could_never_start_are_refused(tasks: list[Task]) -> None:
    with pytest.raises(ValueError, match=r"no such job|cycle"):
        longest_first(tasks)


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Task, ...]:
    """Builds, and boots of any size in one to three rounds, after builds."""
    builds = [
        Task(f"build/{n}", float(draw(st.integers(0, 5))), draw(resources)) for n in range(draw(st.integers(0, 3)))
    ]
    kernels = [(f"{n}", float(draw(st.integers(0, 5))), draw(resources)) for n in range(draw(st.integers(1, 4)))]
    after = tuple(task.id for task in builds)
    count = draw(st.integers(1, 3))
    return (
        *builds,
        *(
            Task(f"{name}/{n}", seconds, needs, after, n)
            for n in range(1, count + 1)
            for name, seconds, needs in kernels
        ),
    )


@settings(deadline=None)
@given(rounds(), resources)
def test_a_whole_round_has_started_before_the_next_one_does(tasks: tuple[Task, ...], limits: Resources) -> None:
    slots = [slot for slot in timetable(tasks, limits) if slot.task.round]
    assert len(slots) == sum(1 for task in tasks if task.round)
    assert [slot.task.round for slot in slots] == sorted(slot.task.round for slot in slots)
    for earlier in slots:
        assert all(earlier.begins <= slot.begins for slot in slots if slot.task.round > earlier.task.round)


def test_repeated_boots_are_interleaved_whatever_each_takes() -> None:
    """A, B and C take 1, 9 and 4 seconds; the longest is not started first, and no core is idle between rounds."""
    kernels = (("a", 1.0), ("b", 9.0), ("c", 4.0))
    tasks = [Task(f"{name}{n}", seconds, BOOT, (), n) for n in (1, 2, 3) for name, seconds in kernels]
    one_core = [slot.task.id for slot in timetable(tasks, Resources(cores=1, memory=8))]
    assert one_core == ["a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"]
    slots = timetable(tasks, TWO)
    assert [slot.task.id for slot in slots] == one_core
    assert max(slot.ends for slot in slots) < 3 * (9 + 1)


def test_a_build_that_is_late_holds_the_rounds() -> None:
    late = build("c", 100)
    tasks = [late, *(Task(f"{name}{n}", 5, BOOT, (late.id,), n) for n in (1, 2) for name in "abc")]
    assert begins(tasks)["a1"] == 100
