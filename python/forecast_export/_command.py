"""The command ``forecast-export``, the same program as the binary."""

import sys

from . import _native


def main() -> int:
    """Runs the command with this process's arguments."""
    return _native.command_line(["forecast-export", *sys.argv[1:]])
