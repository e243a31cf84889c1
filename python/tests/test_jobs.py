"""Export jobs by ARN and by event, against the package's own `forecast-export serve`."""

from __future__ import annotations

import asyncio
import datetime as dt
import pathlib
import shutil
import time

import pytest
from conftest import Service, run_json

import forecast_export as fe


def event(arn: str, status: str = "ACTIVE") -> dict[str, object]:
    """What EventBridge hands to a Lambda function when a job's state changes."""
    return {
        "version": "0", "id": "3ac2f4a4-6c0f-11f0-8de9-0242ac120002", "source": "aws.forecast",
        "detail-type": "Forecast Forecast Export Job State Change", "account": Service.ACCOUNT,
        "time": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc), "region": Service.REGION,
        "resources": [arn], "detail": {"Arn": arn, "Status": status},
    }


def test_describe_tells_what_the_service_says(arn: str) -> None:
    job = fe.describe(arn)
    assert (job.arn, job.name, job.status, job.message) == (arn, "nightly", "ACTIVE", None)
    assert (job.destination, job.kind, job.format) == ("s3://exports/sales", "forecast-export", "csv")
    assert job.created is not None and job.modified is not None
    assert repr(job) == "<Job: nightly is ACTIVE: s3://exports/sales>"
    assert job == fe.describe(event(arn))


def test_describe_and_wait_are_what_the_command_prints(arn: str) -> None:
    assert fe.describe(arn).to_dict() == fe.wait(arn).to_dict() == run_json("wait", arn)


def test_an_arn_is_a_source(arn: str, folder: pathlib.Path) -> None:
    assert fe.merge(arn, folder / "sales.parquet").rows == 36
    assert fe.read(arn).to_pyarrow().equals(fe.read("testdata/forecast").to_pyarrow())
    assert fe.schema(arn).names[0] == "item_id"
    assert fe.verify(folder / "sales.parquet", against=arn).rows == 36
    assert [one.job for one in fe.ls(arn)] == ["nightly"]


def test_an_event_is_a_source(arn: str, folder: pathlib.Path) -> None:
    assert fe.merge(event(arn), folder / "sales.parquet").rows == 36
    assert fe.read(event(arn)).to_pyarrow().num_rows == 36


def test_a_job_that_is_not_done_is_waited_for(in_service: Service, folder: pathlib.Path) -> None:
    fe.sample(folder / "big", items=8000, steps=100)
    source = in_service.exports.parent / "data" / "big"
    (folder / "big").rename(source)
    arn = in_service.create("slow", "s3://exports/slow", forecast="big")
    with pytest.raises(fe.JobNotActive) as caught:
        fe.read(arn)
    assert caught.value.exit_code == 4 and caught.value.status in ("CREATE_PENDING", "CREATE_IN_PROGRESS")
    with pytest.raises(fe.JobNotActive) as caught:
        fe.wait(arn, timeout=0.3, poll=0.1)
    assert caught.value.status in ("CREATE_PENDING", "CREATE_IN_PROGRESS")
    report = fe.merge(arn, folder / "slow.csv", wait=dt.timedelta(minutes=2), poll="100ms")
    assert report.rows == 800_000
    assert fe.wait(arn, timeout="1m").status == "ACTIVE"


def test_a_job_that_failed_says_why(in_service: Service) -> None:
    shutil.copytree("testdata/bad_gap", in_service.exports.parent / "data" / "broken")
    arn = in_service.create("failing", "s3://exports/failing", forecast="broken")
    for call in (lambda: fe.wait(arn, poll=0.1), lambda: fe.read(arn)):
        with pytest.raises(fe.JobNotActive) as caught:
            call()
        assert caught.value.status == "CREATE_FAILED"
        assert caught.value.message is not None and "part 1 of 3 is missing" in caught.value.message


def test_a_job_that_does_not_exist_is_not_active(in_service: Service) -> None:
    arn = f"arn:aws:forecast:us-east-1:{Service.ACCOUNT}:forecast-export-job/sales/nobody"
    with pytest.raises(fe.JobNotActive, match="nobody") as caught:
        fe.describe(arn)
    assert caught.value.status is None


def test_an_event_about_a_failed_job_is_an_error(arn: str) -> None:
    with pytest.raises(fe.JobNotActive):
        fe.read(event(arn, "CREATE_FAILED"))


def test_a_wait_ends_when_its_task_is_cancelled(in_service: Service, folder: pathlib.Path) -> None:
    fe.sample(folder / "long", items=3000, steps=100)
    (folder / "long").rename(in_service.exports.parent / "data" / "long")
    arn = in_service.create("long", "s3://exports/long", forecast="long")

    async def main() -> float:
        task = asyncio.ensure_future(fe.aio.wait(arn, timeout="10m", poll="1m"))
        await asyncio.sleep(0.2)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - started

    assert asyncio.run(main()) < 1
    fe.wait(arn, poll=0.1)


def test_jobs_write_to_a_bucket_that_is_read_by_its_url(arn: str, folder: pathlib.Path) -> None:
    assert fe.merge("s3://exports/sales", folder / "sales.csv", job="nightly").rows == 36
