# SPDX-License-Identifier: GPL-2.0-only
"""Programs that run on a host, this machine or one behind SSH, where nothing of orch is installed.

They are sent there with each call (`host/program.py`).  Standard library only, nothing newer than Python 3.8, and no
import of any other room.  They read and change the host, and judge nothing: that is done where orch runs.

    stdin   JSON, the request; its `root` is the directory with sys, proc, dev and run: "/" but in tests
    stdout  JSON
"""
