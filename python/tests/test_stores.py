"""Stores, on the servers that `.ci/servers` starts: S3, with credentials of every kind, and Azure."""

from __future__ import annotations

import datetime as dt
import gc
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.credentials
import botocore.session
import pyarrow.parquet as pq
import pytest
from botocore.config import Config
from conftest import Service

import forecast_export as fe


@dataclass
class Bucket:
    """A bucket on a server, and the keys for it."""

    name: str
    endpoint: str
    key: str
    secret: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def session(self, **more: Any) -> boto3.Session:
        keys = {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret}
        return boto3.Session(**{**keys, "region_name": "us-east-1", **more})

    def client(self) -> Any:
        return self.session().client("s3", endpoint_url=self.endpoint, config=Config(s3={"addressing_style": "path"}))


@pytest.fixture(params=["seaweedfs", "localstack"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    variable = f"FORECAST_EXPORT_TEST_{request.param.upper()}"
    if variable not in os.environ:
        pytest.skip(f"{variable} names no server; .ci/servers starts one")
    name = f"python-{uuid.uuid4().hex[:12]}"
    made = Bucket(name, os.environ[variable], os.environ[f"{variable}_KEY"], os.environ[f"{variable}_SECRET"])
    made.client().create_bucket(Bucket=name)
    return made


def test_every_call_works_on_s3_with_a_session(bucket: Bucket) -> None:
    store: Any = {"session": bucket.session(), "endpoint_url": bucket.endpoint}
    written = fe.sample(f"{bucket.url}/in", items=10, steps=5, parts=3, **store)
    assert written.rows == 50
    assert [len(one.parts) for one in fe.ls(f"{bucket.url}/in", **store)] == [3]
    assert fe.schema(f"{bucket.url}/in", **store).names[0] == "item_id"
    assert fe.read(f"{bucket.url}/in", **store).to_pyarrow().num_rows == 50
    for name, on_server in (("a.csv", "auto"), ("b.csv", "never"), ("c.parquet", None)):
        fe.merge(f"{bucket.url}/in", f"{bucket.url}/out/{name}", on_server=on_server, tag={"team": "sales"}, **store)
        assert fe.verify(f"{bucket.url}/out/{name}", against=f"{bucket.url}/in", **store).rows == 50
    assert fe.convert(f"{bucket.url}/in", f"{bucket.url}/parts/", **store).rows == 50
    with pytest.raises(fe.OutputExists):
        fe.merge(f"{bucket.url}/in", f"{bucket.url}/out/a.csv", types={"p10": "string"}, to="parquet", **store)
    tags = bucket.client().get_object_tagging(Bucket=bucket.name, Key="out/c.parquet")["TagSet"]
    assert tags == [{"Key": "team", "Value": "sales"}]


def test_the_usual_chain_of_credentials_is_used(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.secret)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    assert fe.sample(f"{bucket.url}/in", items=2, steps=2).rows == 4
    assert fe.read(f"{bucket.url}/in").to_pyarrow().num_rows == 4


def test_a_botocore_session_and_credentials_work_as_a_session(bucket: Bucket) -> None:
    plain = botocore.session.get_session()
    plain.set_credentials(bucket.key, bucket.secret)
    credentials = botocore.credentials.Credentials(bucket.key, bucket.secret)
    for number, session in enumerate((plain, credentials)):
        place = f"{bucket.url}/{number}"
        store: Any = {"session": session, "endpoint_url": bucket.endpoint, "region": "us-east-1"}
        assert fe.sample(place, items=2, steps=2, **store).rows == 4
        assert fe.read(place, **store).to_pyarrow().num_rows == 4


def refreshable(bucket: Bucket, seconds: float, asked: list[str]) -> botocore.credentials.RefreshableCredentials:
    """Credentials that are valid for some seconds, and write down who asks for new ones."""

    def renewed() -> dict[str, str]:
        asked.append(threading.current_thread().name)
        expires = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=seconds)
        return {
            "access_key": bucket.key, "secret_key": bucket.secret, "token": None,  # type: ignore[dict-item]
            "expiry_time": expires.isoformat(),
        }

    return botocore.credentials.RefreshableCredentials.create_from_metadata(
        metadata=renewed(), refresh_using=renewed, method="test"
    )


def test_credentials_are_asked_for_again_when_they_expire(bucket: Bucket) -> None:
    asked: list[str] = []
    # botocore renews what is valid for less than ten minutes.
    credentials = refreshable(bucket, 1, asked)
    store: Any = {"session": credentials, "endpoint_url": bucket.endpoint, "region": "us-east-1"}
    fe.sample(f"{bucket.url}/in", items=100, steps=10, parts=10, **store)
    assert fe.read(f"{bucket.url}/in", **store).to_pyarrow().num_rows == 1000
    expiring = len(asked)
    assert expiring > 10
    asked.clear()
    credentials = refreshable(bucket, 3600, asked)
    store["session"] = credentials
    assert fe.read(f"{bucket.url}/in", **store).to_pyarrow().num_rows == 1000
    assert len(asked) == 1


def test_a_session_that_fails_ends_the_call_with_its_reason(bucket: Bucket) -> None:
    calls = 0

    def renewed() -> dict[str, str]:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise RuntimeError("the single sign-on has ended")
        return {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": "2020-01-01T00:00:00+00:00"}

    credentials = botocore.credentials.RefreshableCredentials.create_from_metadata(
        metadata=renewed(), refresh_using=renewed, method="test"
    )
    with pytest.raises(fe.StoreError, match="the single sign-on has ended|expired"):
        fe.ls(bucket.url, session=credentials, endpoint_url=bucket.endpoint, region="us-east-1", retry_timeout=1)


@pytest.mark.parametrize("bucket", ["seaweedfs"], indirect=True)
def test_wrong_keys_are_access_denied(bucket: Bucket) -> None:
    session = bucket.session(aws_secret_access_key="wrong")
    with pytest.raises(fe.AccessDenied) as caught:
        fe.ls(f"{bucket.url}/in", session=session, endpoint_url=bucket.endpoint)
    assert caught.value.url.startswith(bucket.url) and not caught.value.is_retryable
    assert "wrong" not in str(caught.value)


def test_a_bucket_and_a_prefix_that_do_not_exist_are_not_found(bucket: Bucket) -> None:
    store: Any = {"session": bucket.session(), "endpoint_url": bucket.endpoint}
    for place in (f"{bucket.url}/nowhere", "s3://no-such-bucket-here/x"):
        with pytest.raises(fe.NotFound) as caught:
            fe.read(place, **store)
        assert caught.value.source


@pytest.mark.parametrize(
    ("session", "text"),
    [
        (object(), "session must be a boto3.Session, a botocore session or botocore credentials"),
        (lambda: boto3.Session(), "session has no credentials"),
    ],
)
def test_a_session_without_credentials_is_refused(session: Any, text: str) -> None:
    with pytest.raises(fe.UsageError, match=text):
        fe.ls("s3://bucket/x", session=session() if callable(session) else session, region="us-east-1")


def test_a_stream_of_a_session_may_be_dropped_at_any_time(bucket: Bucket) -> None:
    """Its threads ask the session, which needs the GIL, while the one that drops it has the GIL."""
    asked: list[str] = []
    store: Any = {"session": refreshable(bucket, 1, asked), "endpoint_url": bucket.endpoint, "region": "us-east-1"}
    fe.sample(f"{bucket.url}/in", items=400, steps=100, parts=40, **store)
    for read in range(1, 9):
        rows = iter(fe.read(f"{bucket.url}/in", memory="16MB", **store))
        for _ in range(read % 3):
            next(rows)
        del rows
        gc.collect()


# What is fetched.


@pytest.fixture
def fetched(service: Service) -> Iterator[Callable[[], int]]:
    """Counts the bytes that this process reads from sockets, by a relay before the server."""
    import socket

    listening = socket.create_server(("127.0.0.1", 0))
    host, port = service.url.removeprefix("http://").split(":")
    counted = 0

    def pipe(source: socket.socket, target: socket.socket, counts: bool) -> None:
        nonlocal counted
        try:
            while data := source.recv(65536):
                if counts:
                    counted += len(data)
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def serve() -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = socket.create_connection((host, int(port)))
            threading.Thread(target=pipe, args=(near, far, False), daemon=True).start()
            threading.Thread(target=pipe, args=(far, near, True), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()

    def count() -> int:
        nonlocal counted
        now, counted = counted, 0
        return now

    count.url = f"http://127.0.0.1:{listening.getsockname()[1]}"  # type: ignore[attr-defined]
    yield count
    listening.close()


def test_of_parquet_only_the_columns_that_are_asked_for_are_fetched(service: Service, fetched: Any) -> None:
    inside = service.exports / "columns"
    fe.sample(inside, items=3000, steps=100, parts=2, to="parquet", compression="none")
    store: Any = {"session": service.session(), "endpoint_url": fetched.url}
    fetched()
    table = fe.read("s3://exports/columns", **store).to_pyarrow()
    whole = fetched()
    column = fe.read("s3://exports/columns", columns=["p90"], **store).to_pyarrow()
    one = fetched()
    assert column.equals(table.select(["p90"]))
    size = 0
    for file in inside.glob("*.parquet"):
        metadata = pq.ParquetFile(file).metadata
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            [at] = [i for i in range(row_group.num_columns) if row_group.column(i).path_in_schema == "p90"]
            size += row_group.column(at).total_compressed_size
    # Footers, listings and heads come on top.
    assert size <= one < size + 200_000
    assert whole > 2 * one


# Azure.


def test_every_call_works_on_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    if "FORECAST_EXPORT_TEST_AZURITE" not in os.environ:
        pytest.skip("FORECAST_EXPORT_TEST_AZURITE names no server; .ci/servers starts one")
    account = os.environ["FORECAST_EXPORT_TEST_AZURITE_ACCOUNT"]
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", account)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", os.environ["FORECAST_EXPORT_TEST_AZURITE_KEY"])
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"{os.environ['FORECAST_EXPORT_TEST_AZURITE']}/{account}")
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    place = f"az://tests/python-{uuid.uuid4().hex[:12]}"
    assert fe.sample(f"{place}/in", items=10, steps=5, parts=3).rows == 50
    assert fe.read(f"{place}/in", columns=["p50"]).to_polars().height == 50
    assert fe.merge(f"{place}/in", f"{place}/out.parquet", verify=True).rows == 50
    assert fe.verify(f"{place}/out.parquet", against=f"{place}/in").rows == 50
    assert fe.convert(f"{place}/in", f"{place}/parts/").rows == 50
    with pytest.raises(fe.NotFound):
        fe.ls(f"{place}/nowhere")
