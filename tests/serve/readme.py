#!/usr/bin/env python3
"""Runs what the README says about `serve`, word for word, in a folder of its own: tests/serve/readme.py

FORECAST_EXPORT_BIN is the program, by default that of target/debug. Port 9400 must be free.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = pathlib.Path(os.environ.get("FORECAST_EXPORT_BIN", ROOT / "target/debug/forecast-export")).resolve()


def main() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    about = readme[readme.index("**Without AWS**") : readme.index("**Other exporters**")]
    (start,) = re.findall(r"```bash\n(.*?)```", about, re.DOTALL)
    (create,) = re.findall(r"```python\n(.*?)```", about, re.DOTALL)
    (merge,) = re.findall(r"`(forecast-export merge [^`]+)`", about)
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        shutil.copytree(ROOT / "testdata/forecast", folder / "testdata/forecast")
        (folder / "bin").mkdir()
        (folder / "bin/forecast-export").symlink_to(PROGRAM)
        (folder / "create.py").write_text(create, encoding="utf-8")
        arn = "arn:aws:forecast:us-east-1:123456789012:forecast-export-job/sales/nightly"
        script = f"""set -eu
{start}
for _ in $(seq 100); do if (exec 3<>/dev/tcp/127.0.0.1/9400) 2>/dev/null; then break; fi; sleep 0.1; done
"{sys.executable}" create.py
{merge.replace("ARN", arn)}
"""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"PATH": f"{folder / 'bin'}:{environment['PATH']}", "HOME": work, "NO_PROXY": "127.0.0.1"}
        with socket.socket() as port:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind(("127.0.0.1", 9400))
        shell = subprocess.Popen(["bash", "-c", script], cwd=folder, env=environment, start_new_session=True)
        try:
            if shell.wait(timeout=120) != 0:
                sys.exit(f"error: the README's commands end with exit code {shell.returncode}")
        finally:
            # The server that the shell left behind.
            os.killpg(shell.pid, signal.SIGTERM)
            time.sleep(0.5)
        verified = subprocess.run(
            [PROGRAM, "verify", "nightly.parquet", "--against", "testdata/forecast"], cwd=folder, check=False
        )
        if verified.returncode != 0:
            sys.exit("error: the merge of the job does not hold the forecast's rows")
        written = sorted(path.name for path in (folder / "exports/sales").iterdir())
        if len(written) != 3 or written[:2] != ["_CHECK", "_SUCCESS"]:
            sys.exit(f"error: the job left {written}")
    print("the README's example of serve runs")


if __name__ == "__main__":
    main()
