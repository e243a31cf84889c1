"""What all tests share: the clone's test data, the installed command, and an export that takes a while."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

import forecast_export as fe

# What Hypothesis keeps between runs would lie in the clone.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(pathlib.Path(tempfile.gettempdir()) / "hypothesis"))

CLONE = pathlib.Path(__file__).parent.parent.parent
RUN = "2026-01-02T03-04-05Z"
#: Nothing here takes as long, on the slowest machine.
LIMIT = 120


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts in the clone, and with nothing of AWS that is configured on this machine."""
    monkeypatch.chdir(CLONE)
    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path


#: The command that the package installed.
COMMAND = pathlib.Path(sys.executable).parent / "forecast-export"

Command = Callable[..., Any]


def run_command(*words: object, code: int = 0) -> str:
    """What the command prints to standard output."""
    done = subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == code, done.stderr
    return done.stdout


def run_json(*words: object, code: int = 0) -> Any:
    """The document that the command prints with `--json`."""
    return json.loads(run_command(*words, "--json", code=code))


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A CSV export of 600,000 rows, 58 MB in 24 parts."""
    path = tmp_path_factory.mktemp("large")
    fe.sample(path, items=6000, steps=100, parts=24)
    return path


def run_python(program: str, *args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program in a Python of its own."""
    command = [sys.executable, "-c", program, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=CLONE, **options)


def write_parts(folder: pathlib.Path, *texts: str | bytes, job: str = "sales", ending: str = "csv") -> pathlib.Path:
    """An export whose parts are these texts."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts):
        data = text.encode() if isinstance(text, str) else text
        (folder / f"{job}_{RUN}_part{number}.{ending}").write_bytes(data)
    return folder


def files_in(folder: pathlib.Path) -> list[str]:
    """The names of everything below a folder, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def failing_half_way(folder: pathlib.Path, rows: int = 200_000) -> pathlib.Path:
    """An export whose last part has a cell in line 4 that is no number."""
    fe.sample(folder, items=rows // 100, steps=100, parts=8)
    last = folder / f"sample_{RUN}_part7.csv"
    lines = last.read_text().split("\n")
    lines[3] = lines[3].rpartition(",")[0] + ",oops"
    last.write_text("\n".join(lines))
    return folder


def threads_of_this_process() -> list[str]:
    """The names of the threads, the runtime's idle ones included."""
    names = []
    for task in pathlib.Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except OSError:
            pass  # it has just ended
    return names


class Service:
    """`forecast-export serve`, as the API of Amazon Forecast and as S3 for what its jobs write."""

    REGION, ACCOUNT, KEY, SECRET = "us-east-1", "123456789012", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    ROLE = f"arn:aws:iam::{ACCOUNT}:role/exports"

    def __init__(self, folder: pathlib.Path) -> None:
        shutil.copytree(CLONE / "testdata" / "forecast", folder / "data" / "sales")
        self.exports = folder / "exports"
        command = [str(COMMAND), "serve", "--data", str(folder / "data"), "--listen", "127.0.0.1:0"]
        command += ["--bucket", f"exports={self.exports}"]
        keys = {"AWS_ACCESS_KEY_ID": self.KEY, "AWS_SECRET_ACCESS_KEY": self.SECRET}
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env={**without_aws(), **keys}
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), (folder / "log").read_text()
        self.url = line.split()[-1]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(LIMIT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()

    def session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=self.KEY, aws_secret_access_key=self.SECRET, region_name=self.REGION
        )

    def create(self, name: str, path: str = "s3://exports/sales", forecast: str = "sales") -> str:
        """Creates an export job, and returns its ARN."""
        client = self.session().client("forecast", endpoint_url=self.url)
        made = client.create_forecast_export_job(
            ForecastExportJobName=name,
            ForecastArn=f"arn:aws:forecast:{self.REGION}:{self.ACCOUNT}:forecast/{forecast}",
            Destination={"S3Config": {"Path": path, "RoleArn": self.ROLE}},
        )
        arn: str = made["ForecastExportJobArn"]
        return arn


def without_aws() -> dict[str, str]:
    """The environment with nothing of AWS that is configured on this machine."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_"))}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service"))
    yield running
    running.stop()


@pytest.fixture
def in_service(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service, which this process uses in place of AWS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", service.KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", service.SECRET)
    monkeypatch.setenv("AWS_REGION", service.REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
    return service


@pytest.fixture
def arn(in_service: Service) -> str:
    """The ARN of a job that wrote to s3://exports/sales."""
    arn = f"arn:aws:forecast:{Service.REGION}:{Service.ACCOUNT}:forecast-export-job/sales/nightly"
    try:
        fe.describe(arn)
    except fe.JobNotActive:
        assert in_service.create("nightly") == arn
    fe.wait(arn, poll=0.1)
    return arn
