# SPDX-License-Identifier: GPL-2.0-only
"""Find out which kernels that are broken on purpose orch takes for good ones: ``make mutants``.

A mutant is a patch in tests/mutants that makes one thing wrong.  Each is built and booted by orch itself, as a variant
of the kernel that it starts from, with every group of tests (tests/mutants/scenario.yaml).  It is killed when a case
does not end as it should, or when the comparison calls a measurement a regression.  Survivors need a reason in their
patch.  Results are written after each batch, to tests/mutants/results.json and RESULT.md.  A mutant that was killed is
not run again while its patch is the same; a survivor is, with another orch.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent.parent
MUTANTS = HERE / "tests/mutants"
SCENARIO, RESULTS, TABLE = MUTANTS / "scenario.yaml", MUTANTS / "results.json", MUTANTS / "RESULT.md"
CLASSES = ("pfn", "order", "bounds", "protection", "lock", "placement")
"""What a mutant has wrong: the page, the size of entries, a limit, what an entry allows, the moment, the address."""
BATCH = 6
"""Mutants in a run, besides the kernel that they start from: what a run that is interrupted loses at most."""
FAILED = frozenset({"FAIL", "CRASH", "TIMEOUT", "XPASS"})
"""Statuses that speak against a kernel; ERROR is the infrastructure's fault."""
MOST_KILLERS = 4
"""Killing cases that the table names."""


@dataclass(frozen=True)
class Mutant:
    """A patch that breaks a kernel: `wrong` is what it does, `base` the kernel of the scenario that it starts from.

    `expect` is what should kill it, `survives` why nothing does; `digest` is of the change alone.
    """

    name: str
    file: str
    kind: str
    base: str
    wrong: str
    expect: str
    survives: str
    digest: str


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: `by` are the cases that kill it, none for a survivor.

    `seconds` are those of its builds and boots, `orch` is the version that judged (see `version`).
    """

    digest: str
    by: tuple[str, ...]
    seconds: int
    orch: str


def read_mutant(path: Path) -> Mutant:
    """Read a patch with its header.  Raises ValueError where the header lacks something."""
    header, diff = path.read_text().split("\n\ndiff --git ", 1)
    fields = HeaderParser().parsestr(header)
    wanted = ("Wrong", "Class", "Base", "Expect")
    if not all(fields[name] for name in wanted) or fields["Class"] not in CLASSES:
        raise ValueError(f"{path}: the header needs {', '.join(wanted)}, and a class of {', '.join(CLASSES)}")
    return Mutant(
        name=path.stem,
        file=diff.split()[0].removeprefix("a/"),
        kind=fields["Class"],
        base=fields["Base"],
        wrong=fields["Wrong"],
        expect=fields["Expect"],
        survives=fields["Survives"] or "",
        digest=hashlib.sha256(diff.encode()).hexdigest()[:16],
    )


def read_mutants() -> tuple[Mutant, ...]:
    """All mutants, by name."""
    return tuple(read_mutant(path) for path in sorted(MUTANTS.glob("*.patch")))


def read_results() -> dict[str, Outcome]:
    """What is known of each mutant, by name."""
    if not RESULTS.exists():
        return {}
    return {name: Outcome(**{**one, "by": tuple(one["by"])}) for name, one in json.loads(RESULTS.read_text()).items()}


def flat(kernels: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """The kernel `name` without `extends`, so that what it extends need not be booted."""
    own = dict(kernels[name])
    if isinstance(own.get("patches"), str):
        own["patches"] = [own["patches"]]
    parent = own.pop("extends", None)
    if not parent:
        return own
    merged = flat(kernels, parent)
    return merged | own | {"patches": merged.get("patches", []) + own.get("patches", [])}


def scenario_of(base: str, mutants: Sequence[Mutant]) -> dict[str, Any]:
    """The scenario of a batch: the kernel that its mutants start from, and the mutants."""
    scenario: dict[str, Any] = yaml.safe_load(SCENARIO.read_text())
    kernels = {base: flat(scenario["kernels"], base)}
    for one in mutants:
        kernels[one.name] = {"extends": base, "patches": str(MUTANTS / f"{one.name}.patch")}
    return scenario | {"base": base, "kernels": kernels}


def batches(mutants: Iterable[Mutant]) -> Iterator[tuple[str, list[Mutant]]]:
    """Mutants of one base together, at most BATCH of them; the order of the first of each base stays."""
    waiting: dict[str, list[Mutant]] = {}
    for one in mutants:
        waiting.setdefault(one.base, []).append(one)
    for base, ones in waiting.items():
        for first in range(0, len(ones), BATCH):
            yield base, ones[first : first + BATCH]


def killers(comparison: Mapping[str, Any], kernel: str) -> tuple[str, ...]:
    """What orch has against `kernel`: failed cases, then regressions.  Raises ValueError where it was not tried."""
    cases = [case for case in comparison["cases"] if case["kernel"] == kernel]
    failed = [f"{case['name']}: {case['status']}" for case in cases if case["status"] in FAILED]
    blocks = [(block, row) for block in comparison["blocks"] for row in block["rows"] if row["kernel"] == kernel]
    worse = [
        f"{block['workload']}/{block['test']}: regression" for block, row in blocks if row["change"] == "regression"
    ]
    if not failed and (not cases or any(case["status"] == "ERROR" for case in cases)):
        raise ValueError(f"{kernel}: not tried: {[case['message'] for case in cases if case['status'] == 'ERROR']}")
    return tuple(dict.fromkeys(failed + worse))


def run_batch(base: str, mutants: Sequence[Mutant], place: Path) -> dict[str, Outcome]:
    """Run a batch with orch; those that could not be tried are named on stderr and left out."""
    place.mkdir(parents=True, exist_ok=True)
    file = place / "batch.yaml"
    file.write_text(yaml.safe_dump(scenario_of(base, mutants), sort_keys=False))
    orch = (sys.executable, "-m", "orchestrator.cli.main")
    subprocess.run([*orch, "run", str(file), "--results", str(place)], stdout=subprocess.DEVNULL, check=False, cwd=HERE)
    run = (place / "latest").resolve()
    told = subprocess.run([*orch, "compare", str(run), "--json"], stdout=subprocess.PIPE, check=False, cwd=HERE)
    comparison = json.loads(told.stdout)
    jobs = json.loads((run / "run.json").read_text())["jobs"]
    found = {}
    for one in mutants:
        seconds = round(sum(job["seconds"] or 0 for job in jobs if job["kernel"] == one.name))
        try:
            found[one.name] = Outcome(one.digest, killers(comparison, one.name), seconds, version())
        except ValueError as error:
            print(f"mutants: {error}; see {run}", file=sys.stderr, flush=True)
    return found


def pending(mutant: Mutant, outcome: Outcome | None, orch: str) -> bool:
    """Whether it is to be run: more tests can kill a survivor, and nothing brings one back to life."""
    if not outcome or outcome.digest != mutant.digest:
        return True
    return not outcome.by and outcome.orch != orch


def version() -> str:
    """What stands for orch and its workload: the id of its directory in the commit."""
    argv = ["git", "-C", str(HERE), "rev-parse", "--short=12", "HEAD:orchestrator"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def state(mutant: Mutant, outcome: Outcome) -> str:
    """Whether it was killed, in a word or with the reason."""
    if outcome.by:
        return "killed"
    return f"**survives**: {mutant.survives or 'no reason is known'}"


def named(by: Sequence[str]) -> str:
    """The first of the killing cases, and how many more there are."""
    shown = ", ".join(f"`{one}`" for one in by[:MOST_KILLERS])
    return shown + (f" and {len(by) - MOST_KILLERS} more" if len(by) > MOST_KILLERS else "")


def render(mutants: Sequence[Mutant], results: Mapping[str, Outcome]) -> str:
    """RESULT.md: the sums by file and by class, the survivors, and every mutant."""
    done = [(one, results[one.name]) for one in mutants if one.name in results]
    lines = [
        "# Kernels that are broken on purpose, and what orch says of them",
        "",
        "Made by `make mutants` (tools/mutants.py); each line is a patch in this directory.",
        "",
        *_sums("file", [(one.file, outcome) for one, outcome in done]),
        *_sums("class", [(one.kind, outcome) for one, outcome in done]),
        "| mutant | file | class | from | what is wrong | | by | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one, outcome in sorted(done, key=lambda pair: bool(pair[1].by)):
        cells = (one.name, f"`{one.file}`", one.kind, one.base, one.wrong, state(one, outcome), named(outcome.by))
        lines.append(f"| {' | '.join(cells)} | {outcome.seconds} |")
    return "\n".join(lines) + "\n"


def _sums(what: str, outcomes: Sequence[tuple[str, Outcome]]) -> list[str]:
    """How many there are of each kind, and how many of them were killed."""
    lines = [f"| {what} | mutants | killed | survive |", "| --- | --- | --- | --- |"]
    for name in (*sorted({name for name, _ in outcomes}), ""):
        these = [outcome for kind, outcome in outcomes if name in ("", kind)]
        killed = sum(bool(outcome.by) for outcome in these)
        lines.append(f"| {name or 'all'} | {len(these)} | {killed} | {len(these) - killed} |")
    return [*lines, ""]


def write(mutants: Sequence[Mutant], results: Mapping[str, Outcome]) -> None:
    """Keep what is known of the mutants that there are."""
    kept = {one.name: asdict(results[one.name]) for one in mutants if one.name in results}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    TABLE.write_text(render(mutants, results))


def main() -> int:
    """Run what has no result yet.  Returns 1 where a mutant survives without a reason, or was not tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MUTANT", help="only these, in this order; all where none is named")
    parser.add_argument("--results", type=Path, default=HERE / "results/mutants", help="where the runs go")
    parser.add_argument("--again", action="store_true", help="run also what has a result")
    options = parser.parse_args()
    mutants, results = read_mutants(), read_results()
    by_name = {one.name: one for one in mutants}
    chosen = [by_name[name] for name in options.names or by_name]
    orch = version()
    todo = [one for one in chosen if options.again or pending(one, results.get(one.name), orch)]
    for base, batch in batches(todo):
        results |= run_batch(base, batch, options.results)
        write(mutants, results)
        for one in batch:
            if one.name in results:
                print(f"{one.name}: {state(one, results[one.name])} {named(results[one.name].by)}", flush=True)
    write(mutants, results)
    return int(any(one.name not in results or not (results[one.name].by or one.survives) for one in mutants))


if __name__ == "__main__":
    sys.exit(main())
