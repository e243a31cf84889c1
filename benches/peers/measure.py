"""Runs a command and says what it took."""

import dataclasses
import os
import subprocess
import time


@dataclasses.dataclass
class Usage:
    wall: float  # seconds
    cpu: float  # seconds, user and system
    peak: float  # resident memory in MB; never below that of this process, which the child has until it is replaced


def measure(command, *, stdout="/dev/null", environment=None):
    """Standard output goes to a file; a command that fails ends everything, with what it said."""
    errors = os.memfd_create("stderr")
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_DUP2, errors, 2),
    ]
    began = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ | (environment or {}), file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    code = os.waitstatus_to_exitcode(status)
    said = os.pread(errors, 2000, 0).decode(errors="replace")
    os.close(errors)
    if code != 0:
        raise subprocess.CalledProcessError(code, command[:8], stderr=said)
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)
