# SPDX-License-Identifier: GPL-2.0-only
"""Read a kernel image file: its architecture, its release, and its fastest form for QEMU.

A bzImage carries, as a compressed payload, the ELF image that orch boots from its own builds.  It is unpacked here
once, because unpacking in the guest takes seconds under emulation.  Formats: Documentation/arch/x86/boot.rst,
Documentation/arch/arm64/booting.rst, drivers/firmware/efi/libstub/zboot-header.S, scripts/extract-ikconfig.
"""

from __future__ import annotations

import bz2
import lzma
import re
import shutil
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.arch import X86_64
from orchestrator.errors import InfrastructureError
from orchestrator.host.base import Command, Host, check

_ELF = b"\x7fELF"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BANNER = re.compile(rb"Linux version (\S+) ")
_PVH_NOTES = tuple(struct.pack("<III4s", 4, size, 18, b"Xen\0") for size in (4, 8))
"""The head of the ELF note XEN_ELFNOTE_PHYS32_ENTRY, from which QEMU reads the entry point of a vmlinux."""
_EMBEDDED_CONFIG = re.compile(rb"IKCFG_ST(.*?)IKCFG_ED", re.DOTALL)


@dataclass(frozen=True)
class KernelImage:
    """One kernel image.

    `release` is the output of ``uname -r``; `name` is the file's name in an artifact, which depends on its form.
    """

    arch: str
    release: str
    name: str
    content: bytes

    @property
    def config(self) -> str | None:
        """The configuration in the image (CONFIG_IKCONFIG), or None."""
        found = _EMBEDDED_CONFIG.search(self.content)
        return zlib.decompressobj(31).decompress(found[1]).decode() if found else None


def read_image(host: Host, path: Path) -> KernelImage | None:
    """Read the kernel image at `path`; return None if orch cannot boot it.

    Raises OSError if the file cannot be read, InfrastructureError if a program to unpack it is missing.
    """
    with suppress(struct.error):  # the file is shorter than its header
        return _of_any(host, path.read_bytes())
    return None


def _of_any(host: Host, data: bytes) -> KernelImage | None:
    if data[0x202:0x206] == b"HdrS":
        return _of_bzimage(host, data)
    if data[:2] == _GZIP:
        data = _unpack(host, data) or b""
    elif data[:2] == b"MZ" and data[4:8] == b"zimg":
        at, length = struct.unpack_from("<II", data, 8)
        data = _unpack(host, data[at : at + length]) or b""
    if data[56:60] == b"ARM\x64":
        return _named("arm64", "Image", data)
    return _of_elf(data)


def _of_elf(data: bytes) -> KernelImage | None:
    if data[:4] != _ELF or struct.unpack_from("<H", data, 18)[0] != X86_64.elf_machine:
        return None
    return _named("x86_64", "vmlinux", data) if any(note in data for note in _PVH_NOTES) else None


def _named(arch: str, name: str, data: bytes) -> KernelImage | None:
    banner = _BANNER.search(data)
    return KernelImage(arch, banner[1].decode(errors="replace"), name, data) if banner else None


def _of_bzimage(host: Host, data: bytes) -> KernelImage | None:
    """Return the payload if QEMU can start it as an ELF image, else the bzImage."""
    sectors = data[0x1F1] or 4
    start, length = struct.unpack_from("<II", data, 0x248)
    payload = (sectors + 1) * 512 + start
    inner = _of_elf(_unpack(host, data[payload : payload + length]) or b"")
    if inner:
        return inner
    at = struct.unpack_from("<H", data, 0x20E)[0] + 0x200
    version = data[at : at + 256].partition(b"\0")[0].decode(errors="replace").split()
    return KernelImage("x86_64", version[0], "vmlinuz", data) if version else None


def _unpack(host: Host, data: bytes) -> bytes | None:
    """Return the content of a compressed payload, ignoring any data after it.

    Returns None if the format is unknown or the payload is damaged.
    """
    with suppress(zlib.error, lzma.LZMAError, OSError, EOFError):
        if data[:2] == _GZIP:
            return zlib.decompressobj(31).decompress(data)
        if data[:6] == b"\xfd7zXZ\0" or data[:3] == b"\x5d\0\0":
            return lzma.LZMADecompressor().decompress(data)
        if data[:3] == b"BZh":
            return bz2.BZ2Decompressor().decompress(data)
        if data[:4] == _ZSTD:
            return _unpack_zstd(host, data)
        return data if data[:4] == _ELF else None
    return None


def _unpack_zstd(host: Host, data: bytes) -> bytes:
    """Unpack a zstd payload.

    Kbuild appends the unpacked size to it (scripts/Makefile.lib, size_append), which zstd would refuse.
    """
    if shutil.which("zstd") is None:
        raise InfrastructureError(
            "zstd is not installed, and a kernel image is packed with it; install the package zstd"
        )
    with TemporaryDirectory(prefix="orch-image-") as name:
        packed, plain = Path(name, "packed.zst"), Path(name, "plain")
        packed.write_bytes(data[:-4])
        check(
            host.run(Command(("zstd", "-d", "-q", str(packed), "-o", str(plain)), timeout=300)),
            "unpacking a kernel image",
        )
        return plain.read_bytes()
