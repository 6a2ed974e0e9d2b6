# SPDX-License-Identifier: GPL-2.0-only
"""A host whose commands can write to one tree only, for code of untrusted patches.

A kernel's Makefile runs as the user who builds it.  Its tree shares files with the trees of other kernels, as hard
links, and the user may write to all of the cache.  So make runs in namespaces of its own (mount, PID, network and IPC,
namespaces(7)), in which the tree is an overlay: changes to the sources are written to a layer beside the tree.  Every
other mount is read-only, /dev has harmless devices only, and no capability remains to change that, even for root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.host.base import Command, Completed, Host, WrappedHost

_UNSHARE = ("unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc")
_AS_USER = ("--user", "--map-root-user")
"""Without root: a user namespace in which the user may mount (user_namespaces(7))."""

# The root directory of a plain chroot is no mount point, so its mount can be made neither private nor read-only.  So a
# shell leaves the chroot, in a new mount namespace, makes the chroot's root a mount point, and enters the chroot again.
# Outside the chroot, the directories of the user's PATH may not exist.
_GO_BACK = """path=$PATH PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount --make-rprivate / && root=$(readlink /proc/self/fd/3) && mount --rbind "$root" "$root" || exit
here=$root$1; shift
exec nsenter --root="$root" --wd="$here" -- env PATH="$path" "$@" 3<&-"""
_LEAVE = """exec 3</; go_back=$1; shift
exec nsenter --mount=/proc/self/ns/mnt /bin/sh -c "$go_back" sh "$(pwd -P)" "$@\""""
_IN_CHROOT = ("unshare", "--mount", "--propagation", "unchanged", "sh", "-c", _LEAVE, "sh", _GO_BACK)

_FAILED = "orch: not confined, because this failed: "
_SECONDS = 60.0
_TEMPORARY = ("TMPDIR", "CCACHE_TEMPDIR")
"""The directories for temporary files.  ccache has a variable of its own, and makes such files even if it only
reads."""

# mount_setattr(2), whose number is 442 on every architecture, makes all mounts read-only at once, then those of the
# other arguments writable.  mount(8) of Debian 12 cannot do that, and its starts for each mount take most of the time.
# Without perl, or before Linux 5.12, nothing is changed, and each mount is made read-only by itself.
_READ_ONLY = """my ($set_attr, $here, $recursive, $ro) = (442, -100, 0x8000, 1);
my $all = shift; my $size = 32;
syscall($set_attr, $here, $all, $recursive, pack("QQQQ", $ro, 0, 0, 0), $size) == 0 or exit 1;
for my $kept (@ARGV) {
	syscall($set_attr, $here, $kept, 0, pack("QQQQ", 0, $ro, 0, 0), $size) == 0 or exit 2;
}"""

# The build directory is mounted elsewhere while the overlay is mounted over the tree.  Directories that stay writable
# become mounts of their own before all other mounts become read-only.  A blank in a mount point is \040 in mountinfo
# (proc(5)).  Most of the time is that of mount's starts, so one makes all of /dev; a mount point that another mount
# hides needs none.
_SCRIPT = r"""
set -e
read_only=$1 tree=$2 layer=$3; shift 3
trap 'echo "orch: not confined, because this failed: $step"' EXIT
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
	echo "/dev/$name $layer/dev/$name none bind"
done >"$layer/devices"
mount --all --fstab "$layer/devices"
ln -s /proc/self/fd "$layer/dev/fd"
ln -s fd/0 "$layer/dev/stdin"
ln -s fd/1 "$layer/dev/stdout"
ln -s fd/2 "$layer/dev/stderr"
mount --move "$layer/dev" /dev
step='a /run without sockets'
case $tree in /run/*) ;; *) mount -t tmpfs -o mode=755,size=1M orch /run ;; esac
step='read-only mounts'
status=0
perl -e "$read_only" / $kept 2>/dev/null || status=$?
case $status in
0) ;;
2) false ;;
*) while read -r _ _ _ _ point _; do
	case "$kept " in *" $point "*) continue ;; esac
	kept="$kept $point"
	case $point in *\\*) point=$(printf %b "$point") ;; esac
	[ ! -e "$point" ] || mount -o remount,bind,ro "$point" 2>/dev/null || :
done </proc/self/mountinfo ;;
esac
! touch "$layer/written" 2>/dev/null
step='a command in the tree'
cd "$tree"
trap - EXIT
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"
"""


@dataclass(frozen=True)
class Confined(WrappedHost):
    """Forwards everything to `host`, whose commands can then write to few directories only.

    They see `tree` through an overlay.  They can write to ``build`` in `tree`, which is a copy, to the directories
    `writable`, none of which contains the tree, and to temporary files.  Their changes to the sources are below
    `layer`/upper, and are visible to the next command with this `layer`.  All paths must be without odd characters
    (`orchestrator.paths`), on a file system that supports an overlay.
    """

    host: Host
    tree: Path
    layer: Path
    writable: tuple[Path, ...] = ()

    def run(self, command: Command) -> Completed:
        """Run the command on the wrapped host, in the tree; its `cwd` is ignored."""
        places = (_READ_ONLY, str(self.tree), str(self.layer), *map(str, self.writable))
        argv = (*own_namespaces(*_UNSHARE), "sh", "-c", _SCRIPT, "sh", *places, "--", *command.argv)
        env = {**command.env, **dict.fromkeys(_TEMPORARY, str(self.layer / "tmp"))}
        done = self.host.run(replace(command, argv=argv, env=env, cwd=None))
        return replace(done, argv=command.argv)


def own_namespaces(*unshare: str) -> tuple[str, ...]:
    """Return the command `unshare` in a form that the user can run here.

    `unshare` must make a mount namespace.  Without root a user namespace is added; in a chroot, the way out and back.
    """
    if os.geteuid() != 0:
        return (*unshare, *_AS_USER)
    mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    chrooted = not any(line.split()[4] == "/" for line in mounts)
    return (*_IN_CHROOT, *unshare) if chrooted else unshare


def why_not_confined(host: Host, place: Path) -> str:
    """Return why commands cannot be confined on the file system of `place`, or "".

    Takes a tenth of a second.  Raises CommandError if no command can be started, and Interrupted.
    """
    with TemporaryDirectory(prefix="confine-", dir=place, ignore_cleanup_errors=True) as directory:
        tree, layer = Path(directory, "tree"), Path(directory, "layer")
        tree.mkdir()
        done = Confined(host, tree, layer).run(Command(("true",), timeout=_SECONDS))
    if done.ok:
        return ""
    lines = [line.strip() for line in done.output.splitlines() if line.strip()]
    step = next((line.removeprefix(_FAILED) for line in lines if line.startswith(_FAILED)), "")
    reason = next((line for line in lines if not line.startswith(_FAILED)), f"exit status {done.status}")
    return f"{step}: {reason}" if step else reason
