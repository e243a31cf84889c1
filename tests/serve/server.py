"""What the scripts of this folder share: a server that runs, and requests that are signed as AWS has it, by the standard
library alone."""

import hashlib
import hmac
import http.client
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time
import urllib.parse
from datetime import UTC, datetime, timedelta

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from harness import BINARY, run  # noqa: E402

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION, ACCOUNT = "us-east-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/exports"
# The debug binary on a busy machine.
LIMIT = 30


def forecast_arn(name):
    return f"arn:aws:forecast:{REGION}:{ACCOUNT}:forecast/{name}"


def job_arn(forecast, name):
    return f"arn:aws:forecast:{REGION}:{ACCOUNT}:forecast-export-job/{forecast}/{name}"


class Server:
    """A server on a data folder. Its log is appended to a file beside that folder. It knows one key pair, or those that
    its environment and its arguments say."""

    def __init__(self, folder, *arguments, listen="127.0.0.1:0", scheme="http", env=None):
        self.folder, self.arguments, self.listen, self.scheme = pathlib.Path(folder), arguments, listen, scheme
        self.env = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET} if env is None else env
        self.data, self.exports, self.log = (self.folder / name for name in ("data", "exports", "log"))
        self.data.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self):
        command = [BINARY, "serve", "--data", self.data, "--listen", self.listen]
        command += ["--bucket", f"exports={self.exports}", *self.arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RUST_"))}
        environment |= self.env
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                # Ten thousand connections, here and there.
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000)),
            )
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            raise AssertionError(f"the server did not start: {self.log.read_text()[-1000:]}")
        self.url = line.split()[-1]
        self.host, port = self.url.split("://")[1].rsplit(":", 1)
        self.port = int(port)
        # The same port again when it is started anew.
        self.listen = f"{self.host}:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def terminate(self):
        """Ends it as a service manager does, and returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(LIMIT)
        self.process.stdout.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()

    def memory(self):
        """Resident bytes."""
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def call(self, operation, members=None, **options):
        """One signed request on a connection of its own: status, and members or text."""
        with Client(self) as client:
            return client.call(operation, members, **options)


class Client:
    """A connection that is kept, as SDKs keep theirs."""

    def __init__(self, server, timeout=LIMIT):
        self.host, self.port = "127.0.0.1", server.port
        self.connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def call(self, operation, members=None, **options):
        body = json.dumps(members or {}).encode()
        headers = signed(operation, body, f"{self.host}:{self.port}", **options)
        return self.send("POST", "/", body, headers)

    def send(self, method, path, body=b"", headers=None):
        self.connection.request(method, path, body, headers or {})
        response = self.connection.getresponse()
        text = response.read()
        try:
            return response.status, json.loads(text) if text else None
        except ValueError:
            return response.status, text.decode(errors="replace")


def signed(operation, body, host, **options):
    """The headers of a request to the API."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"AmazonForecast.{operation}",
    }
    return sign("POST", "/", body, headers, host, **options)


def signed_for_s3(method, path, host, body=b"", **options):
    """The headers of a request to the mapped buckets. The path is as it is sent."""
    headers = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
    return sign(method, path, body, headers, host, service="s3", **options)


def sign(method, path, body, headers, host, *, service="forecast", region=REGION, key=KEY, secret=SECRET, age=0):
    """The headers, with those of Signature Version 4 added. `age` is in seconds."""
    now = (datetime.now(UTC) - timedelta(seconds=age)).strftime("%Y%m%dT%H%M%SZ")
    headers = {"Host": host, "X-Amz-Date": now} | headers
    path, _, query = path.partition("?")
    lower = {name.lower(): value for name, value in headers.items()}
    names = ";".join(sorted(lower))
    lines = "".join(f"{name}:{lower[name]}\n" for name in sorted(lower))
    query = "&".join(sorted(query.split("&"))) if query else ""
    canonical = "\n".join([method, path, query, lines, names, hashlib.sha256(body).hexdigest()])
    scope = f"{now[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    secret = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        secret = hmac.digest(secret, part.encode(), "sha256")
    credential = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={secret.hex()}"
    return headers | {"Authorization": credential}


def quoted(key):
    """A key as clients put it into a path."""
    return urllib.parse.quote(key, safe="/~")


def creation(name, path, forecast="sales", **more):
    """The members of CreateForecastExportJob."""
    return {
        "ForecastExportJobName": name,
        "ForecastArn": forecast_arn(forecast),
        "Destination": {"S3Config": {"Path": path, "RoleArn": ROLE}},
    } | more


def sample(folder, items, **options):
    """A forecast; a hundred items have about 6 kB a step."""
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    run("sample", folder, "--items", items, *words)


def wait_until(what, condition, limit=LIMIT):
    """The first value that is true; fails if there is none in time."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {limit} s: {what}")


def ended(server, arn, limit=LIMIT):
    """The description of a job, once it has ended."""

    def done():
        status, job = server.call("DescribeForecastExportJob", {"ForecastExportJobArn": arn})
        assert status == 200, job
        return job["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS", "CREATE_STOPPING") and job

    return wait_until(f"the end of {arn}", done, limit)
