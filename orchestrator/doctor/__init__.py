# SPDX-License-Identifier: GPL-2.0-only
"""What a run needs of a host, what the host has of it, and the commands that mend the rest."""
