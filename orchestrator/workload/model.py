# SPDX-License-Identifier: GPL-2.0-only
"""The measurements of a workload."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One number that the workload measured in one test of one BAR.

    Names and units: `address` (bytes, of the measured mapping), `bar_address` (bytes, physical), `length` (bytes),
    `offset` (bytes, of the range in the BAR), `alignment` (bytes, of the distance between address and offset, the
    worst of several mmaps and at most 1 GiB, see workload/guest), `probe0_address` and following (bytes, of those
    mmaps), `entries_pte`, `entries_pmd`, `entries_pud` (entries, read from the page tables), `entries_contiguous` (the
    number of these with arm64's contiguous bit; on arm64 only), `entries_cached`, `entries_writable`,
    `entries_executable`, `entries_global`, `entries_kernel` (the number of these with the attribute, see
    `attributes`), `asked_writable` (1 if the mmap requested write access), `faults` (faults), `own_faults` (faults of
    a second pass, 0 unless something is wrong), `touch_time` (ns), `vmpte` (bytes of page tables), `dma_faults`
    (faults), `dma_time` (ns).  `entries_deduced` is 1 if the entries were not read (see `deduce`).
    Measurements with `exact` are equal in every run and with every accelerator; the others are times, or addresses
    under ASLR.
    """

    kernel: str
    workload: str
    device: str
    bar: int
    test: str
    name: str
    value: int
    unit: str
    exact: bool
    evidence: str = ""
    """The location of the number: a path relative to the run directory, with `:line`."""
