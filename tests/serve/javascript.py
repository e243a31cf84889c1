"""The server by AWS's SDK for JavaScript: tests/serve/javascript.py FOLDER, run by .ci/run with the Python that
.ci/serve.txt pins. FOLDER is where .ci/npm has installed the SDK; client.mjs does the rest."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from sdk import FORECAST, environment, keys, served
from server import ROLE


def main(installed):
    with tempfile.TemporaryDirectory(prefix="serve.") as work, served() as server:
        # A module finds others beside itself.
        (pathlib.Path(work) / "node_modules").symlink_to(pathlib.Path(installed).resolve() / "node_modules")
        shutil.copy(pathlib.Path(__file__).parent / "client.mjs", work)
        # Which versions of node the SDK will support is not what is tested.
        known = environment(**keys(), AWS_REGION="us-east-1", NODE_NO_WARNINGS="1")
        command = ["node", "client.mjs", server.url, FORECAST, ROLE]
        done = subprocess.run(command, cwd=work, env=known, timeout=60)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main(sys.argv[1])
