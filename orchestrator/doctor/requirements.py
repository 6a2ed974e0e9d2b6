# SPDX-License-Identifier: GPL-2.0-only
"""Every required program and file, with its Debian package.

orch, Kbuild, kselftest, b4, virtme-ng and the tests need them; this is the only list.  `tools/setup-system` installs it
before there is a virtual environment, so only the standard library may be imported here.  The VM tests run with a PATH
that has nothing else (`tests/declared.py`).  Packages that Debian marks as essential are always installed, and are not
listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from orchestrator.arch import ARCHES


class Role(Enum):
    """The users of a need that cannot work without it."""

    BOOT = auto()
    """All hosts that boot guests."""
    HOME = auto()
    """The machine that orch runs on; other hosts do not need it."""
    BUILD = auto()
    """All machines that build kernels: the machine that orch runs on, and hosts that build."""
    SOME = auto()
    """Only some runs."""
    SOME_HOME = auto()
    """Only some runs, and only on the machine that orch runs on."""
    TEST = auto()
    """Only the tests of orch itself."""


@dataclass(frozen=True)
class Need:
    """One need: one of `programs`, and one of `files` if it names any.

    Debian's `package` has it, or pip's `pip`.  `use` is what needs it, in the plural.  `least` is the oldest version
    that works; `ask` are the arguments that make a program print its version.  `static` is whether it must be linked
    statically.
    """

    what: str
    role: Role
    use: str
    package: str
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    least: str = ""
    pip: str = ""
    ask: str = "--version"
    static: bool = False


LLVM = ("clang", "ld.lld", "llvm-ar")
"""The programs that must be there in one version for `compiler: clang-N`."""
LLVM_PACKAGES = ("clang-19", "lld-19", "llvm-19")
UPDATE_GRUB = "/usr/sbin/update-grub"
"""If it exists, a command can change the options that the host's kernel boots with."""
_BUILDS = "kernels that are built"
_DEBIAN = "kernels from Debian's archive"


def needs(arch: str) -> tuple[Need, ...]:
    """Return the needs of runs on a host of architecture `arch`, in report order."""
    return (*_qemus(arch), *_BOOTS, *_TOOLS, *_crosses(arch), *_SOURCES, *_TESTS)


def setup_needs(arch: str, *, everything: bool) -> tuple[Need, ...]:
    """Return the needs that the set-up installs on a machine of architecture `arch`.

    `everything` adds the needs of kernels of other architectures, of kernels that clang builds, and of the tests.
    """
    if everything:
        return (*needs(arch), *_LLVM)
    others = [need for need in (*_qemus(arch), *_crosses(arch), *_TESTS) if need.role is not Role.BOOT]
    return tuple(need for need in needs(arch) if need not in others)


def _qemus(arch: str) -> tuple[Need, ...]:
    return tuple(
        need
        for guest, known in sorted(ARCHES.items(), key=lambda pair: pair[0] != arch)
        for role, use in ((Role.BOOT, "all guests") if guest == arch else (Role.SOME, f"guests of {guest}"),)
        for need in (
            Need(known.qemu, role, use, known.qemu_package, (known.qemu,)),
            Need(_firmware(guest, arch), role, use, known.firmware_package, files=known.firmware),
        )
        if need.programs or need.files
    )


def _firmware(guest: str, arch: str) -> str:
    return "QEMU's firmware" if guest == arch else f"firmware for {guest}"


def _crosses(arch: str) -> tuple[Need, ...]:
    return tuple(
        need
        for guest, known in ARCHES.items()
        if guest != arch
        for compiler, linker, library in (known.cross_packages,)
        for need in (
            _cross(guest, f"{known.triple}-gcc", compiler, _OLDEST["gcc"]),
            _cross(guest, f"{known.triple}-ld", linker, _OLDEST["ld"]),
            Need(
                f"C library for {guest}",
                Role.SOME,
                f"kernels for {guest}",
                library,
                files=(f"/usr/{known.triple}/include/stdio.h",),
            ),
        )
    )


def _cross(guest: str, program: str, package: str, least: str) -> Need:
    return Need(program, Role.SOME, f"kernels for {guest}", package, (program,), least=least)


_OLDEST = {"gcc": "8.1", "ld": "2.30", "make": "4.0", "flex": "2.5.35", "bison": "2.0", "bc": "1.06.95"}
"""The requirements of Linux 7.3 (Documentation/process/changes.rst)."""
_ROMS = ("/usr/lib/ipxe/qemu/efi-e1000.rom", "/usr/share/qemu/efi-e1000.rom")

_BOOTS = (
    Need("network ROMs", Role.SOME, "emulated network cards", "ipxe-qemu", files=_ROMS),
    Need("tar", Role.BOOT, "all guests", "tar", ("tar",)),
    Need("virtme-ng", Role.HOME, "all guests", "", ("vng",), least="1.42", pip="virtme-ng>=1.42"),
    Need("file", Role.HOME, "guests with a stock kernel", "file", ("file",)),
    Need("busybox", Role.HOME, "all guests", "busybox-static", ("busybox",), ask="--help", static=True),
)


def _tool(program: str, package: str, role: Role = Role.BUILD, use: str = _BUILDS) -> Need:
    return Need(program, role, use, package, (program,), least=_OLDEST.get(program, ""))


_TOOLS = (
    _tool("gcc", "gcc"),
    _tool("ld", "binutils"),
    Need("C library", Role.BUILD, _BUILDS, "libc6-dev", files=("/usr/include/stdio.h",)),
    _tool("make", "make"),
    _tool("flex", "flex"),
    _tool("bison", "bison"),
    _tool("bc", "bc"),
    _tool("perl", "perl"),
    Need("libelf", Role.BUILD, _BUILDS, "libelf-dev", files=("/usr/include/libelf.h",)),
    Need("OpenSSL", Role.BUILD, _BUILDS, "libssl-dev", files=("/usr/include/openssl/ssl.h",)),
    _tool("xz", "xz-utils"),
    _tool("find", "findutils"),
    _tool("git", "git"),
    Need(
        "ccache",
        Role.SOME,
        "quick builds of what was compiled before",
        "ccache",
        ("ccache",),
        ("/usr/lib/ccache/gcc",),
    ),
    _tool("kmod", "kmod", Role.SOME, "kernels with modules, and passed-through devices"),
    Need("awk", Role.BUILD, _BUILDS, "mawk", ("awk",), ask="-Wversion"),
    _tool("cpio", "cpio"),
    _tool("mount", "mount", use="kernels that are built, and their file systems"),
    _tool("rsync", "rsync", Role.SOME, "the kernel's selftests"),
    Need("libuuid", Role.SOME, "the kernel's selftests of VFIO", "uuid-dev", files=("/usr/include/uuid/uuid.h",)),
)
_SOURCES = (
    _tool("apt-get", "apt", Role.SOME_HOME, _DEBIAN),
    _tool("dpkg-deb", "dpkg", Role.SOME_HOME, _DEBIAN),
    _tool("gpgv", "gpgv", Role.SOME_HOME, _DEBIAN),
    Need(
        "Debian's keyring",
        Role.SOME_HOME,
        _DEBIAN,
        "debian-archive-keyring",
        files=("/usr/share/keyrings/debian-archive-keyring.gpg",),
    ),
    _tool("curl", "curl", Role.SOME_HOME, "tarballs at an address"),
    _tool("zstd", "zstd", Role.SOME_HOME, "stock kernels that are packed with it"),
    Need("b4", Role.SOME_HOME, "patches by message id", "", ("b4",), least="0.16", pip="b4>=0.16"),
)
_OWN_TESTS = "orch's own tests"


def _for_tests(program: str, package: str, ask: str = "--version") -> Need:
    return Need(program, Role.TEST, _OWN_TESTS, package, (program,), ask=ask)


_TESTS = (
    Need("git send-email", Role.TEST, _OWN_TESTS, "git-email", files=("/usr/lib/git-core/git-send-email",)),
    _for_tests("ip", "iproute2", "-V"),
    Need("Mail::Address", Role.TEST, _OWN_TESTS, "libmailtools-perl", files=("/usr/share/perl5/Mail/Address.pm",)),
    _for_tests("mutt", "mutt", "-v"),
    _for_tests("ps", "procps"),
    # Only its file is looked for: starting a browser to ask its version takes longer than all other programs.
    Need("chromium", Role.TEST, _OWN_TESTS, "chromium", files=("/usr/bin/chromium",)),
    _for_tests("gdb", "gdb"),
    Need("ssh-keygen", Role.TEST, _OWN_TESTS, "openssh-client", files=("/usr/bin/ssh-keygen",)),
    Need("sshd", Role.TEST, _OWN_TESTS, "openssh-server", files=("/usr/sbin/sshd",)),
)
_LLVM = tuple(
    Need(f"{program}-19", Role.SOME, "kernels that clang builds", package, (f"{program}-19",))
    for program, package in zip(LLVM, LLVM_PACKAGES, strict=True)
)
