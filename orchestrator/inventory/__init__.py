# SPDX-License-Identifier: GPL-2.0-only
"""The hosts that runs may use beside this machine: who they are, and how they are reached."""
