# SPDX-License-Identifier: GPL-2.0-only
"""What the user needs to know to start gdb on a guest's kernel."""

from __future__ import annotations

import shlex
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.kernel.model import KernelBuild

_ELF = b"\x7fELF\x02\x01"
"""The beginning of a 64-bit little-endian ELF file (elf(5))."""
_HEADER = struct.Struct("<40xQ10xHH")
"""The header's e_shoff, e_shentsize and e_shnum."""
_TYPE = struct.Struct("<I")
_SYMTAB = 2


def gdb_lines(
    place: Path | int | str, build: KernelBuild, config: Mapping[str, str], source: Path | None, *, stopped: bool
) -> Iterator[str]:
    """Yield the exact command, and what gdb knows of this kernel.

    `place` is a socket, or a port of this machine.  `config` is the final configuration, `source` the source without
    its patches; None for a kernel that was not built here.
    """
    target = f"target remote {f'127.0.0.1:{place}' if isinstance(place, int) else place}"
    symbols = _with_symbols(build.image)
    yield "gdb: " + shlex.join(["gdb", "-ex", target, *([str(symbols)] if symbols else [])])
    if stopped:
        yield "The machine is stopped before its first instruction; gdb's 'continue' starts it."
    else:
        yield "The machine runs; gdb stops it when it connects, and 'detach' lets it run on."
    if symbols is None:
        yield f"gdb has no symbols: the cache has only {build.image}, which has none."
    elif config.get("DEBUG_INFO") != "y":
        yield "gdb has the names of functions and variables, but no lines and types; for those, the kernel needs"
        yield "  options: {DEBUG_INFO: y, DEBUG_INFO_NONE: n, DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT: y}"
    if source is not None:
        yield f"The source, without patches: {source}"


def _with_symbols(image: Path) -> Path | None:
    """Return `image` if it is an ELF file with symbols.

    On x86, the kernel that boots is vmlinux itself; that of a package was unpacked from a compressed one, and has none.
    """
    with image.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(_ELF):
            return None
        start, size, count = _HEADER.unpack(header)[-3:]
        file.seek(start)
        table = file.read(size * count)
    types = (_TYPE.unpack_from(table, at + 4)[0] for at in range(0, len(table) - 8, size or 1))
    return image if _SYMTAB in types else None
