"""What every engine has to show: the same output as one machine, whatever happens to its workers.

A script for an engine starts it with processes of its own, and hands its ``merge`` and ``convert`` to these checks.
"""

from __future__ import annotations

import filecmp
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

import forecast_export as fe

Call = Callable[..., fe.Report]
_checks = 0


def check(is_right: bool, what: str) -> None:
    """Counts a check, and ends the script if it fails."""
    global _checks
    if not is_right:
        raise SystemExit(f"FAILED: {what}")
    _checks += 1


def passed(engine: str) -> None:
    print(f"{engine}: {_checks} checks passed")


class Work:
    """Exports, and what one machine makes of them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="engines-"))
        self.sources: dict[str, Path] = {}
        for name, options in {
            "csv24": {"items": 1200, "parts": 24},
            "csv1": {"items": 1200, "parts": 1},
            "parquet24": {"items": 1200, "parts": 24, "to": "parquet"},
            "parquet1": {"items": 3000, "parts": 1, "to": "parquet"},
        }.items():
            self.sources[name] = self.folder / "sources" / name
            fe.sample(self.sources[name], steps=50, seed=7, **options)

    def one(self, source: str, to: str) -> Path:
        """The output of one machine."""
        output = self.folder / "one" / f"{source}.{to}"
        if not output.exists():
            fe.merge(self.sources[source], output)
        return output

    def large(self) -> Path:
        """An export whose pieces take a while."""
        source = self.folder / "sources" / "large"
        if not source.exists():
            fe.sample(source, items=40_000, steps=50, parts=6, seed=3)
        return source

    def close(self) -> None:
        shutil.rmtree(self.folder)


def is_clean(output: Path) -> bool:
    """Nothing stays staged beside an output. An attempt that was cancelled may still be at its end."""
    for _ in range(100):
        if not (output.parent / ".forecast-export").exists():
            return True
        time.sleep(0.1)
    return False


def forget(output: Path) -> None:
    """Removes what stays staged of a job that failed, when its last attempts are at their end."""
    for _ in range(100):
        shutil.rmtree(output.parent / ".forecast-export", ignore_errors=True)
        time.sleep(0.1)
        if not (output.parent / ".forecast-export").exists():
            return


def is_same(one: Path, output: Path) -> bool:
    """CSV byte for byte, Parquet row for row."""
    if output.suffix == ".csv":
        return filecmp.cmp(one, output, shallow=False)
    return fe.verify(output, against=one).equal


def equality(work: Work, merge: Call, convert: Call, engine: Any) -> None:
    """Every kind of source and output, as on one machine."""
    for source in work.sources:
        for to in ("csv", "parquet"):
            output = work.folder / "out" / f"{source}.{to}"
            report = merge(engine, work.sources[source], output, pieces=6)
            one = work.one(source, to)
            check(is_same(one, output), f"{source} to {to} is as on one machine")
            check(report.parts == len(fe.ls(work.sources[source])[0].parts), f"{source} to {to} has all parts")
            check(fe.merge(work.sources[source], output).up_to_date, f"{source} to {to} is up to date for one machine")
            check(is_clean(output), f"{source} to {to} leaves nothing staged")
    folder = work.folder / "converted"
    convert(engine, work.sources["csv24"], folder, to="parquet", pieces=5)
    check(len(list(folder.glob("*.parquet"))) == 24, "a conversion has a file for each part")
    check(fe.verify(folder, against=work.sources["csv24"]).equal, "a conversion has all rows")
    check(is_clean(folder / "x"), "a conversion leaves nothing staged")


#: S3's server of the tests, if it runs: .ci/servers.
SERVER = os.environ.get("FORECAST_EXPORT_TEST_SEAWEEDFS")


def use_server() -> None:
    """Gives the keys of S3's server to this process and to all workers; called before an engine starts."""
    if SERVER:
        keys = {name: os.environ[f"FORECAST_EXPORT_TEST_SEAWEEDFS_{name}"] for name in ("KEY", "SECRET")}
        os.environ.update(AWS_ACCESS_KEY_ID=keys["KEY"], AWS_SECRET_ACCESS_KEY=keys["SECRET"], AWS_REGION="us-east-1")


def on_s3(work: Work, merge: Call, engine: Any) -> None:
    """The same on S3, where the output is put together by copies as far as it is large enough."""
    if not SERVER:
        print("note: FORECAST_EXPORT_TEST_SEAWEEDFS names no server, so S3 was not tried")
        return
    client = boto3.client("s3", endpoint_url=SERVER, region_name="us-east-1")
    bucket = f"engines-{os.getpid()}-{time.time_ns()}"
    client.create_bucket(Bucket=bucket)
    for source, options in {
        "csv24": {"items": 1200, "parts": 24},
        "csv1": {"items": 1200, "parts": 1},
        "parquet24": {"items": 1200, "parts": 24, "to": "parquet"},
    }.items():
        place = f"s3://{bucket}/{source}"
        # The same seed gives the same bytes as on disk.
        fe.sample(place, steps=50, seed=7, endpoint_url=SERVER, **options)
        for to in ("csv", "parquet"):
            key = f"out/{source}.{to}"
            merge(engine, place, f"s3://{bucket}/{key}", pieces=5, endpoint_url=SERVER)
            if to == "csv":
                body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
                check(body == work.one(source, to).read_bytes(), f"{source} to {to} in S3 is as on one machine")
            else:
                proof = fe.verify(f"s3://{bucket}/{key}", against=place, endpoint_url=SERVER)
                check(proof.equal, f"{source} to {to} in S3 has all rows")
    keys = [one["Key"] for one in client.list_objects_v2(Bucket=bucket)["Contents"]]
    check(not [key for key in keys if ".forecast-export" in key], "nothing is staged in S3")


def bad_cell(work: Work, merge: Call, engine: Any) -> None:
    """A wrong row ends the job at once, with its file and line."""
    source = work.folder / "bad"
    shutil.copytree(work.sources["csv24"], source)
    part = sorted(source.glob("*_part17.csv"))[0]
    lines = part.read_text().splitlines(keepends=True)
    wrong = len(lines) * 2 // 3
    lines[wrong] = lines[wrong].replace(",", "", 1)
    part.write_text("".join(lines))
    output = work.folder / "out" / "bad.parquet"
    began = time.monotonic()
    try:
        merge(engine, source, output, pieces=12, deadline="5m")
        check(False, "a wrong row is an error")
    except fe.DataError as error:
        check((error.exit_code, error.file, error.line) == (5, str(part), wrong + 1), f"it names file and line: {error}")
    check(time.monotonic() - began < 120, "a wrong row ends the job at once")
    check(not output.exists(), "a wrong row leaves no output")
    forget(output)


def no_hang(work: Work, merge: Call, engine: Any) -> None:
    """A deadline ends the job."""
    output = work.folder / "out" / "late.parquet"
    try:
        merge(engine, work.sources["csv24"], output, pieces=24, deadline=0.01)
        check(False, "a deadline that has passed is an error")
    except fe.StoreError as error:
        check("is not done after" in str(error) and error.is_retryable, f"it says so: {error}")
    merge(engine, work.sources["csv24"], output, pieces=24)
    check(is_same(work.one("csv24", "parquet"), output) and is_clean(output), "the same call goes on from there")


def as_driver(merge: Call, engine: Any) -> None:
    """What a process does that `driver_killed` starts: a merge, on the engine that its script has found."""
    merge(engine, sys.argv[-2], sys.argv[-1], pieces=24, deadline="5m")


def driver_killed(work: Work, driver: list[str], merge: Call, engine: Callable[[], Any]) -> None:
    """The process that made the call is killed, and the same call does what is missing."""
    source = work.large()
    for to in ("csv", "parquet"):
        output = work.folder / "out" / f"driver.{to}"
        process = subprocess.Popen([sys.executable, *driver, str(source), str(output)])
        receipts = output.parent / ".forecast-export"
        while len(done := list(receipts.glob("*/receipt-*.json"))) < 3:
            if process.poll() is not None:
                raise SystemExit("FAILED: the driver has ended by itself")
            time.sleep(0.02)
        process.kill()
        process.wait()
        check(not output.exists(), "a driver that is killed half-way leaves no output")
        told: list[fe.Event] = []
        merge(engine(), source, output, pieces=24, deadline="5m", progress=told.append)
        check(told[0].bytes > told[0].total_bytes * len(done) // 24, "the same call does not do again what was done")
        check(fe.verify(output, against=source).equal, f"what a second driver makes of it is exact, {to}")
        check(is_clean(output), "and leaves nothing staged")
        output.unlink()


def kills(work: Work, merge: Call, engine: Any, runs: int, strike: Callable[[], None], most: float) -> None:
    """Workers are struck at random moments, and the output is exact all the same."""
    source = work.large()
    one = work.folder / "one" / "large.csv"
    fe.merge(source, one)
    for number in range(runs):
        to = ("csv", "parquet")[number % 2]
        output = work.folder / "out" / f"struck{number}.{to}"
        timer = threading.Timer(random.Random(number).uniform(0.05, most), strike)
        timer.start()
        merge(engine, source, output, pieces=24, deadline="5m")
        timer.join()
        same = filecmp.cmp(one, output, shallow=False) if to == "csv" else fe.verify(output, against=source).equal
        check(same, f"run {number}, whose worker was struck, is exact")
        check(is_clean(output), f"run {number} leaves nothing staged")
        output.unlink()
