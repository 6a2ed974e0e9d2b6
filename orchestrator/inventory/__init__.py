# SPDX-License-Identifier: GPL-2.0-only
"""The inventory of hosts that runs may use beside this machine, and their addresses."""
