# SPDX-License-Identifier: GPL-2.0-only
"""A host on which b4 starts at once.

Each of its programs is a fork of a process that has imported b4.  Importing b4 takes longer than all that it does for a
mailbox.  The programs, their arguments, environment, directory and input are the real ones.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from orchestrator.host.base import Command, Completed
from orchestrator.host.local import LocalHost
from orchestrator.kernel.patch import b4

_CHOOSE = str(Path(b4.__file__).with_name("b4_choose.py"))
_SERVER = """
import json, os, runpy, sys, traceback
import b4.command
def run(wanted):
    output = os.memfd_create("output")
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            os.environ.update(wanted["env"])
            os.chdir(wanted["cwd"])
            stdin = os.memfd_create("stdin")
            os.write(stdin, wanted["stdin"].encode())
            os.lseek(stdin, 0, os.SEEK_SET)
            for there, here in ((stdin, 0), (output, 1), (output, 2)):
                os.dup2(there, here)
            sys.stdin = open(0, encoding="utf-8", closefd=False)
            sys.argv = wanted["argv"]
            if sys.argv[0] == "-m":
                del sys.argv[0]
                b4.command.cmd()
            else:
                runpy.run_path(sys.argv[0], run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1 if end.code else 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    size = os.fstat(output).st_size
    text = os.pread(output, size, 0).decode(errors="replace")
    os.close(output)
    return {"status": status, "output": text}
for line in iter(sys.stdin.readline, ""):
    print(json.dumps(run(json.loads(line))), flush=True)
"""


class ForkedB4(LocalHost):
    """This machine, with b4 in a process that is started once."""

    def __init__(self) -> None:
        super().__init__()
        argv, pipe = (sys.executable, "-P", "-c", _SERVER), subprocess.PIPE
        self._server = subprocess.Popen(argv, cwd="/", stdin=pipe, stdout=pipe, text=True, encoding="utf-8")

    def __enter__(self) -> ForkedB4:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.communicate()

    def run(self, command: Command) -> Completed:
        """See `Host.run`; a timeout does not end b4."""
        python, argv = command.argv[:2], command.argv[2:]
        if python != (sys.executable, "-P") or not (argv == (_CHOOSE,) or argv[:2] == ("-m", "b4.command")):
            return super().run(command)
        wanted = {"argv": argv, "cwd": str(command.cwd), "env": dict(command.env), "stdin": command.stdin}
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(wanted) + "\n")
        self._server.stdin.flush()
        done = json.loads(self._server.stdout.readline())
        return Completed(command.argv, done["status"], done["output"], 0.0, False)
