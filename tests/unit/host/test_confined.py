# SPDX-License-Identifier: GPL-2.0-only
"""Commands that are confined to a tree cannot change anything else of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.host.base import Command, Completed
from orchestrator.host.confined import Confined, own_namespaces, why_not_confined
from orchestrator.host.local import LocalHost

SECRET = "as it was\n"


class Place:
    """A source, a clone of it made of hard links, and a neighbour's directory."""

    def __init__(self, directory: Path) -> None:
        self.source, self.tree = directory / "sources/one", directory / "work/tree"
        self.neighbour = directory / "builds/vmlinux"
        for file in (self.source / "mm/mmap.c", self.neighbour):
            file.parent.mkdir(parents=True)
            file.write_text(SECRET)
        self.tree.parent.mkdir()
        subprocess.run(["cp", "-al", str(self.source), str(self.tree)], check=True)
        (self.tree / "build").mkdir()
        self.writable = directory / "ccache"
        self.writable.mkdir()
        self.host = Confined(LocalHost(), self.tree, directory / "work/layer", (self.writable,))

    def run(self, script: str, **more: str) -> Completed:
        """Run `script` with the paths as $source, $tree and $neighbour, and with `more` variables."""
        names = {"source": self.source, "tree": self.tree, "neighbour": self.neighbour}
        env = {name: str(path) for name, path in names.items()} | more
        return self.host.run(Command(("sh", "-c", script), env=env, timeout=60))

    def state(self) -> list[tuple[str, str, int, int]]:
        """Return content, mode and time of all files that the commands must not change."""
        files = (self.source / "mm/mmap.c", self.neighbour)
        return [(str(one), one.read_text(), one.stat().st_mode, one.stat().st_mtime_ns) for one in files]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


ATTACKS = {
    "append": 'echo x >>"$tree/mm/mmap.c"',
    "relative": "echo x >>mm/mmap.c",
    "truncate": ': >"$tree/mm/mmap.c"',
    "in place": 'sed -i s/was/is/ "$tree/mm/mmap.c"',
    "dd": 'dd if=/dev/zero of="$tree/mm/mmap.c" conv=notrunc bs=1 count=1',
    "mode": 'chmod 4777 "$tree/mm/mmap.c"',
    "time": 'touch -d @0 "$tree/mm/mmap.c"',
    "over it": 'echo x >new; mv new "$tree/mm/mmap.c"',
    "removed": 'rm -rf "$tree/mm"',
    "a link from build": 'ln "$tree/mm/mmap.c" build/link && echo x >>build/link',
    "a symbolic link": 'ln -s "$source/mm/mmap.c" build/link; echo x >>build/link',
    "the source itself": 'echo x >>"$source/mm/mmap.c"; rm -rf "$source"; touch "$source/new"',
    "a build of another": 'echo x >>"$neighbour"; rm -f "$neighbour"',
    "by another root": 'for p in /proc/[0-9]*; do echo x >>"$p/root$neighbour"; echo x >>"$p/cwd/mm/mmap.c"; done',
    "remount": 'mount -o remount,bind,rw /; mount -o remount,rw "$tree"; umount -l "$tree"; echo x >>"$neighbour"',
    "overlay": 'umount "$tree"; echo x >>"$tree/mm/mmap.c"',
    "an open directory": 'for fd in /proc/self/fd/*; do echo x >>"$fd/$neighbour"; done',
    "a namespace of its own": "unshare -m sh -c 'mount -o remount,bind,rw /; echo x >>\"$neighbour\"'",
    "a user namespace": 'unshare -rm sh -c \'mount -o remount,bind,rw /; umount "$tree"; echo x >>"$neighbour"\'',
    "a chroot": "chroot /proc/1/root sh -c 'echo x >>\"$neighbour\"'",
    "a disk": 'for disk in /dev/?d?* /dev/nvme*; do echo x >"$disk"; done; mknod build/vda b 254 0; echo x >build/vda',
    "the kernel's settings": "echo x >/proc/sys/kernel/core_pattern; echo c >/proc/sysrq-trigger",
    "a copy of itself": "cp /bin/sh build/sh; chmod u+s build/sh; build/sh -c 'echo x >>\"$neighbour\"'",
}


@pytest.mark.parametrize("script", ATTACKS.values(), ids=ATTACKS)
def test_nothing_that_another_has_is_changed(place: Place, script: str) -> None:
    before, pattern = place.state(), Path("/proc/sys/kernel/core_pattern").read_text()
    place.run(script)
    assert place.state() == before
    assert Path("/proc/sys/kernel/core_pattern").read_text() == pattern


@pytest.mark.parametrize(
    "name", ["append", "truncate", "dd", "mode", "time", "the source itself", "a build of another"]
)
def test_the_check_sees_what_is_done_without(place: Place, name: str) -> None:
    """The former way, with hard links: each command changes the source or the neighbour."""
    before = place.state()
    paths = {"source": str(place.source), "tree": str(place.tree), "neighbour": str(place.neighbour)}
    subprocess.run(["sh", "-c", ATTACKS[name]], cwd=place.tree, env={**os.environ, **paths}, check=False)
    changed = not place.source.is_dir() or not place.neighbour.exists() or place.state() != before
    assert changed


def test_a_build_sees_what_it_writes_and_leaves_its_build_directory(place: Place) -> None:
    assert place.run("echo x >>mm/mmap.c; echo object >build/a.o; echo more >$tree/mm/new.c; mktemp").ok
    seen = place.run("cat mm/mmap.c mm/new.c build/a.o")
    assert seen.output == f"{SECRET}x\nmore\nobject\n"
    assert (place.tree / "build/a.o").read_text() == "object\n"
    assert not (place.tree / "mm/new.c").exists()
    upper = place.host.layer / "upper"
    assert sorted(str(path.relative_to(upper)) for path in upper.rglob("*") if path.is_file()) == [
        "mm/mmap.c",
        "mm/new.c",
    ]


_FIND_WRITABLE = """while read -r _ _ _ _ point _; do
    touch "$point/written" 2>/dev/null && echo "$point"
done </proc/self/mountinfo; :"""
_STEPS = ("unshare", "nsenter", "readlink", "env", "sh", "mount", "mkdir", "ln", "touch", "setpriv", "cat", "dirname")
_PERLS = {"perl": None, "no perl": "", "an older kernel": "exit 1", "a failure after the first step": "exit 2"}


@pytest.mark.parametrize("perl", _PERLS.values(), ids=_PERLS)
def test_every_other_mount_is_read_only(place: Place, tmp_path: Path, perl: str | None) -> None:
    """All at once by perl, else one by one; half of it is refused."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in _STEPS:
        (programs / name).symlink_to(Path("/usr/bin", name).resolve())
    if perl:
        (programs / "perl").write_text(f"#!/bin/sh\n{perl}\n")
        (programs / "perl").chmod(0o755)
    path = {} if perl is None else {"PATH": str(programs)}
    done = place.run(_FIND_WRITABLE, **path)
    if perl == "exit 2":
        assert not done.ok
        assert "not confined, because this failed: read-only mounts" in done.output
        return
    layer = place.host.layer
    assert set(done.output.splitlines()) == {
        str(path) for path in (place.tree, place.tree / "build", layer / "tmp", place.writable)
    }


def test_what_is_to_stay_writable_is(place: Place) -> None:
    assert place.run(f"echo x >{place.writable}/object").ok
    assert (place.writable / "object").exists()


def test_the_status_the_output_and_the_environment_are_the_commands(place: Place) -> None:
    done = place.host.run(Command(("sh", "-c", "echo $WORD; pwd; exit 7"), env={"WORD": "a b"}))
    assert (done.status, done.output) == (7, f"a b\n{place.tree}\n")


def test_nothing_of_the_network_or_of_other_processes_is_there(place: Place) -> None:
    done = place.run("cat /proc/net/dev | grep -c : ; ls -d /proc/[0-9]* | wc -l; kill -9 -1; echo $?")
    assert done.output.splitlines()[0] == "1", "the loopback device alone"
    assert int(done.output.splitlines()[1]) < 10


def test_a_timeout_ends_all_of_it(place: Place) -> None:
    done = place.host.run(Command(("sh", "-c", "setsid sleep 7654 & sleep 7654"), timeout=1, grace=0.2))
    assert done.timed_out
    assert not [one for one in psutil.process_iter(["cmdline"]) if "7654" in (one.info["cmdline"] or [])]


def test_no_mount_is_left(place: Place) -> None:
    place.run("true")
    assert str(place.tree) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture
def no_unshare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which a program may not have namespaces."""
    fake = tmp_path / "bin/unshare"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    yield


def test_a_machine_that_cannot_says_why(tmp_path: Path, no_unshare: None) -> None:
    assert why_not_confined(LocalHost(), tmp_path) == "unshare: unshare failed: Operation not permitted"


def test_a_machine_that_can_says_nothing(tmp_path: Path) -> None:
    assert why_not_confined(LocalHost(), tmp_path) == ""
    assert not [*tmp_path.iterdir()]


def test_a_file_system_that_no_overlay_can_be_on_is_named(tmp_path: Path) -> None:
    """An overlay's layer cannot be on another overlay (Documentation/filesystems/overlayfs.rst)."""
    script = (
        "import sys; from pathlib import Path; from orchestrator.host.local import LocalHost\n"
        "from orchestrator.host.confined import why_not_confined as ask; print(ask(LocalHost(), Path(sys.argv[1])))"
    )
    for name in ("low", "up", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/low,upperdir={tmp_path}/up,workdir={tmp_path}/work"
    line = f'mount -t overlay -o {options} orch {tmp_path}/merged && exec python3 -c "$1" {tmp_path}/merged'
    argv = [*own_namespaces("unshare", "--mount"), "sh", "-c", line, "sh", script]
    done = subprocess.run(argv, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("an overlay of the tree: mount: ")


# A whole system below a directory that is no mount point, as debootstrap makes one.
_PLAIN_CHROOT = """set -e
root=$1; shift
for name in $(ls /); do
	if [ -L "/$name" ]; then cp -a "/$name" "$root/$name"
	elif [ -d "/$name" ] && [ "$name" != tmp ]; then mkdir "$root/$name"; mount --rbind "/$name" "$root/$name"
	fi
done
mkdir -p "$root/tmp/orch"
exec chroot "$root" "$@"
"""
_IN_IT = """
import os, sys
from pathlib import Path
from orchestrator.host.base import Command
from orchestrator.host.confined import Confined, own_namespaces, why_not_confined
from orchestrator.host.local import LocalHost
place = Path("/tmp/orch")
for name in ("bin", "tree", "layer", "open"):
    (place / name).mkdir()
for program in Path("/usr/bin").iterdir():
    (place / "bin" / program.name).symlink_to(program)
os.environ["PATH"] = str(place / "bin")
(place / "other").write_text("as it was")
print(len(own_namespaces("unshare")) > 1, repr(why_not_confined(LocalHost(), place)))
host = Confined(LocalHost(), place / "tree", place / "layer", (place / "open",))
script = 'for it in other tree/x open/x; do echo "$PWD" >../$it; done'
script += '; for fd in /proc/self/fd/*; do echo x >"$fd/tmp/orch/other"; done'
host.run(Command(("sh", "-c", script), timeout=60))
print((place / "other").read_text(), (place / "tree/x").exists(), (place / "open/x").read_text().strip())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can chroot")
def test_in_a_plain_chroot_commands_are_confined_as_well(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    inner = (sys.executable, "-c", _IN_IT)
    argv = [*own_namespaces("unshare", "--mount"), "sh", "-c", _PLAIN_CHROOT, "sh", str(root), *inner]
    repository = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(argv, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True ''\nas it was False /tmp/orch/tree\n", "")
