# SPDX-License-Identifier: GPL-2.0-only
"""A host whose commands can write to one tree, and to nothing else of the machine: for the code of a stranger's patch.

A kernel's Makefile runs as the user who builds it.  Its tree shares files with the trees of other kernels, as hard
links, and the user may write to all of the cache.  So make runs in namespaces of its own (mount, PID, network and IPC,
namespaces(7)), where the tree is an overlay: what make writes to the sources goes to a layer beside the tree.  Every
other mount is read-only, /dev has harmless devices only, and no capability is left to change that, even for root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.host.base import Command, Completed, Host, WrappedHost

_UNSHARE = ("unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc")
_AS_USER = ("--user", "--map-root-user")
"""Without root, a user namespace in which the user may mount (user_namespaces(7))."""

# The root directory of a plain chroot is no mount point: its mount can be made neither private nor read-only.  So a
# shell leaves the chroot, in a mount namespace that is new already, makes its root a mount point, and goes back in.
# Outside, the user's PATH may lead nowhere.
_GO_BACK = """path=$PATH PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount --make-rprivate / && root=$(readlink /proc/self/fd/3) && mount --rbind "$root" "$root" || exit
here=$root$1; shift
exec nsenter --root="$root" --wd="$here" -- env PATH="$path" "$@" 3<&-"""
_LEAVE = """exec 3</; go_back=$1; shift
exec nsenter --mount=/proc/self/ns/mnt /bin/sh -c "$go_back" sh "$(pwd -P)" "$@\""""
_IN_CHROOT = ("unshare", "--mount", "--propagation", "unchanged", "sh", "-c", _LEAVE, "sh", _GO_BACK)

_FAILED = "orch: not confined, for this failed: "
_SECONDS = 60.0
_TEMPORARY = ("TMPDIR", "CCACHE_TEMPDIR")
"""Where programs make temporary files; ccache has a variable of its own, and makes some even if it only reads."""

# The build directory is held aside while the overlay covers the tree.  What stays writable becomes a mount of its own
# before all others become read-only.  A mount point with a blank is written as \040 in mountinfo (proc(5)).
_SCRIPT = r"""
set -e
tree=$1 layer=$2; shift 2
trap 'echo "orch: not confined, for this failed: $step"' EXIT
step='an overlay of the tree'
mkdir -p "$layer/upper" "$layer/overlay" "$layer/build" "$layer/tmp" "$layer/dev" "$tree/build"
mount --bind "$tree/build" "$layer/build"
mount -t overlay -o "lowerdir=$tree,upperdir=$layer/upper,workdir=$layer/overlay" orch "$tree"
mount --move "$layer/build" "$tree/build"
step='mounts that stay writable'
kept=" $tree $tree/build $layer/tmp"
mount --bind "$layer/tmp" "$layer/tmp"
while [ "$1" != -- ]; do mount --bind "$1" "$1"; kept="$kept $1"; shift; done
shift
step='a /dev without disks'
mount -t tmpfs -o mode=755,size=1M orch "$layer/dev"
for name in null zero full random urandom tty; do
	: >"$layer/dev/$name"
	mount --bind "/dev/$name" "$layer/dev/$name"
done
ln -s /proc/self/fd "$layer/dev/fd"
ln -s fd/0 "$layer/dev/stdin"
ln -s fd/1 "$layer/dev/stdout"
ln -s fd/2 "$layer/dev/stderr"
mount --move "$layer/dev" /dev
step='a /run without sockets'
case $tree in /run/*) ;; *) mount -t tmpfs -o mode=755,size=1M orch /run ;; esac
step='read-only mounts'
while read -r _ _ _ _ point _; do
	case "$kept " in *" $point "*) continue ;; esac
	mount -o remount,bind,ro "$(printf %b "$point")" 2>/dev/null || :
done </proc/self/mountinfo
! touch "$layer/written" 2>/dev/null
step='a command in the tree'
cd "$tree"
trap - EXIT
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"
"""


@dataclass(frozen=True)
class Confined(WrappedHost):
    """Passes everything on to `host`, where the commands see `tree` through an overlay and can write to little else.

    They can write to ``build`` in `tree`, for that is a copy, to the directories `writable`, none of which has the tree
    in it, and to temporary files.  What they write to the sources is below `layer`/upper, and the next command with
    this `layer` sees it.  All must be paths without odd characters (`orchestrator.paths`) on a file system that an
    overlay can be on.
    """

    host: Host
    tree: Path
    layer: Path
    writable: tuple[Path, ...] = ()

    def run(self, command: Command) -> Completed:
        """As the host behind; the command's directory is the tree, whatever `cwd` is."""
        places = (str(self.tree), str(self.layer), *map(str, self.writable))
        argv = (*own_namespaces(*_UNSHARE), "sh", "-c", _SCRIPT, "sh", *places, "--", *command.argv)
        env = {**command.env, **dict.fromkeys(_TEMPORARY, str(self.layer / "tmp"))}
        done = self.host.run(replace(command, argv=argv, env=env, cwd=None))
        return replace(done, argv=command.argv)


def own_namespaces(*unshare: str) -> tuple[str, ...]:
    """The command `unshare`, which has a mount namespace among its own, such that the user may run it where orch is."""
    if os.geteuid() != 0:
        return (*unshare, *_AS_USER)
    mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    chrooted = not any(line.split()[4] == "/" for line in mounts)
    return (*_IN_CHROOT, *unshare) if chrooted else unshare


def why_not_confined(host: Host, place: Path) -> str:
    """Why commands cannot be confined on the file system of the directory `place`; "" if they can.

    A tenth of a second.  Raises CommandError if nothing at all can be started, and Interrupted.
    """
    with TemporaryDirectory(prefix="confine-", dir=place, ignore_cleanup_errors=True) as directory:
        tree, layer = Path(directory, "tree"), Path(directory, "layer")
        tree.mkdir()
        done = Confined(host, tree, layer).run(Command(("true",), timeout=_SECONDS))
    if done.ok:
        return ""
    lines = [line.strip() for line in done.output.splitlines() if line.strip()]
    step = next((line.removeprefix(_FAILED) for line in lines if line.startswith(_FAILED)), "")
    said = next((line for line in lines if not line.startswith(_FAILED)), f"exit status {done.status}")
    return f"{step}: {said}" if step else said
