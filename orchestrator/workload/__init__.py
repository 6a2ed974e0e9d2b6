# SPDX-License-Identifier: GPL-2.0-only
"""What runs in the guest, and the protocol in which it answers."""
