# SPDX-License-Identifier: GPL-2.0-only
"""Kernels built on a host of the inventory: the source goes there, the artifact comes back and is looked at."""
