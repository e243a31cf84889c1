"""The command ``forecast-export``, the same program as the binary."""

import signal
import sys

from . import _native


def main() -> int:
    """Runs the command with this process's arguments."""
    # The program has its own way to end on Ctrl-C. Python's would add a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    again = [sys.executable, "-m", "forecast_export"]
    return _native.command_line(["forecast-export", *sys.argv[1:]], again)
