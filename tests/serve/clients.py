"""What the server of Amazon Forecast's API does, by boto3: tests/serve/clients.py, run by .ci/run with the Python that
.ci/serve.txt pins.

Every operation, error and rule of the service that boto3 can be made to send; then what only a hand-made request can:
the wire, and signatures that are wrong. One line per check; exit code 1 where one failed.
"""

import concurrent.futures
import contextlib
import datetime as dt
import hashlib
import json
import re
import socket
import threading
import time

from sdk import (
    FORECAST, JSON, TESTDATA, Server, ask, create, describe, destination, done, ended, refused, send, served, signed,
)
from server import ACCOUNT, REGION, ROLE, SECRET, wait_until

from harness import check, finish

UTC = dt.timezone.utc
JOB = FORECAST.replace(":forecast/", ":forecast-export-job/")
INVALID, IN_USE, NOT_FOUND = "InvalidInputException", "ResourceInUseException", "ResourceNotFoundException"
EXISTS, LIMIT, BAD_TOKEN = "ResourceAlreadyExistsException", "LimitExceededException", "InvalidNextTokenException"
SIGNATURE, INCOMPLETE = "InvalidSignatureException", "IncompleteSignatureException"
UNKNOWN_KEY, UNSIGNED = "UnrecognizedClientException", "MissingAuthenticationTokenException"
SERIALIZATION, UNKNOWN = "SerializationException", "UnknownOperationException"


@contextlib.contextmanager
def endless():
    """A server whose forecast `endless` lies in an S3 that takes connections and never answers: its jobs go on until
    they are stopped."""
    silent = socket.create_server(("127.0.0.1", 0))
    taken = []

    def take():
        with contextlib.suppress(OSError):
            while True:
                taken.append(silent.accept()[0])

    threading.Thread(target=take, daemon=True).start()
    try:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config = '[[forecasts]]\nname = "endless"\nsource = "s3://elsewhere/endless"\n'
        with served("--endpoint-url", endpoint, config=config) as server:
            yield server
    finally:
        silent.close()
        for connection in taken:
            connection.close()


ENDLESS = FORECAST.replace("sales", "endless")


# Operations, on one server. Names are those of the checks, so that none meets another's jobs.


def a_job_is_described_by_every_member(server, client):
    before = dt.datetime.now(UTC) - dt.timedelta(milliseconds=1)
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    made = client.create_forecast_export_job(
        ForecastExportJobName="described",
        ForecastArn=FORECAST,
        Destination=destination("s3://exports/described", KMSKeyArn=key),
        Format="PARQUET",
    )
    assert made.keys() == {"ForecastExportJobArn", "ResponseMetadata"}, made
    arn = made["ForecastExportJobArn"]
    assert arn == f"{JOB}/described", arn
    job = ended(client, arn)
    created, changed = job.pop("CreationTime"), job.pop("LastModificationTime")
    assert before <= created <= changed <= dt.datetime.now(UTC), (before, created, changed)
    del job["ResponseMetadata"]
    assert job == {
        "ForecastExportJobArn": arn,
        "ForecastExportJobName": "described",
        "ForecastArn": FORECAST,
        "Destination": {"S3Config": {"Path": "s3://exports/described", "RoleArn": ROLE, "KMSKeyArn": key}},
        "Status": "ACTIVE",
        "Format": "PARQUET",
    }, job
    # Frozen.
    time.sleep(0.05)
    again = describe(client, arn)
    assert (again["CreationTime"], again["LastModificationTime"]) == (created, changed), again


def without_a_format_it_is_csv(server, client):
    job = describe(client, done(client, "plain", "s3://exports/plain"))
    assert job["Format"] == "CSV" and "KMSKeyArn" not in job["Destination"]["S3Config"], job
    (part,) = (name for name in server.files("plain") if "part" in name)
    assert re.fullmatch(r"plain_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ_part0\.csv", part), part


def a_list_has_the_members_of_the_model(server, client):
    arn = done(client, "summed", "s3://exports/summed")
    jobs = client.list_forecast_export_jobs()["ForecastExportJobs"]
    (job,) = (job for job in jobs if job["ForecastExportJobArn"] == arn)
    described = describe(client, arn)
    for name in ["ForecastArn", "Format", "ResponseMetadata"]:
        del described[name]
    assert job == described, (job, described)


def the_newest_job_is_listed_first(server, client):
    for name in ["older", "newer"]:
        done(client, name)
    names = [job["ForecastExportJobName"] for job in client.list_forecast_export_jobs()["ForecastExportJobs"]]
    assert names.index("newer") < names.index("older"), names


def a_name_is_taken_until_its_job_is_deleted(server, client):
    arn = done(client, "again", "s3://exports/again", Tags=[{"Key": "a", "Value": "1"}])
    files = server.files("again")
    refused(EXISTS, create, client, "again", "s3://exports/elsewhere", says=arn)
    # Names are unique within a forecast only.
    other = done(client, "again", forecast=FORECAST.replace("sales", "other"))
    assert other == arn.replace("/sales/", "/other/"), other
    client.delete_forecast_export_job(ForecastExportJobArn=arn)
    refused(NOT_FOUND, describe, client, arn, says=arn)
    refused(NOT_FOUND, client.list_tags_for_resource, ResourceArn=arn)
    refused(NOT_FOUND, client.delete_forecast_export_job, ForecastExportJobArn=arn)
    assert server.files("again") == files, "files stay"
    assert describe(client, other)["Status"] == "ACTIVE"
    # In the same second, mostly.
    assert done(client, "again", "s3://exports/again") == arn
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == []
    both = server.files("again")
    assert set(files) < set(both) and len(both) == 4, f"not the files of both runs: {both}"


def what_is_not_there_is_not_found(server, client):
    for arn in [f"{JOB}/nothing", FORECAST + "x", f"arn:aws:forecast:{REGION}:{ACCOUNT}:predictor/x"]:
        for call in [client.tag_resource, client.untag_resource, client.list_tags_for_resource, client.stop_resource,
                     client.delete_resource_tree]:
            more = {client.tag_resource: {"Tags": []}, client.untag_resource: {"TagKeys": []}}.get(call, {})
            refused(NOT_FOUND, call, ResourceArn=arn, says=arn, **more)
        refused(NOT_FOUND, describe, client, arn, says=arn)
        refused(NOT_FOUND, client.describe_forecast, ForecastArn=arn, says=arn)
        refused(NOT_FOUND, create, client, "orphan", forecast=arn, says=arn)
    # A job is not a forecast, and a forecast is not a job.
    refused(NOT_FOUND, describe, client, FORECAST)
    refused(NOT_FOUND, client.delete_forecast_export_job, ForecastExportJobArn=FORECAST)


def forecasts_are_described_and_listed(server, client):
    forecast = client.describe_forecast(ForecastArn=FORECAST)
    assert forecast["ForecastTypes"] == ["0.1", "0.5", "0.9"], forecast
    assert forecast["ForecastName"] == "sales" and forecast["ForecastArn"] == FORECAST, forecast
    assert forecast["Status"] == "ACTIVE" and "Message" not in forecast, forecast
    unready = client.describe_forecast(ForecastArn=FORECAST.replace("sales", "unready"))
    assert unready["ForecastTypes"] == ["0.05", "mean"] and unready["Status"] == "CREATE_FAILED", unready
    assert unready["Message"] == "Too few items", unready
    listed = client.list_forecasts()
    assert "NextToken" not in listed, listed
    listed = {one["ForecastName"]: one for one in listed["Forecasts"]}
    assert listed.keys() == {"broken", "foreign", "other", "sales", "unready"}, listed
    summary = {name: forecast[name] for name in listed["sales"]}
    assert listed["sales"] == summary and "ForecastTypes" not in summary, (listed, summary)

    def filtered(condition, value, key="Status"):
        found = client.list_forecasts(Filters=[{"Key": key, "Condition": condition, "Value": value}])
        return [one["ForecastName"] for one in found["Forecasts"]]

    assert filtered("IS", "CREATE_FAILED") == ["unready"]
    assert filtered("IS_NOT", "ACTIVE") == ["unready"]
    assert filtered("IS", FORECAST, "PredictorArn") == []
    refused(INVALID, client.list_forecasts, Filters=[{"Key": "ForecastArn", "Condition": "IS", "Value": FORECAST}])
    pages = client.get_paginator("list_forecasts").paginate(PaginationConfig={"PageSize": 2})
    found = [[one["ForecastName"] for one in page["Forecasts"]] for page in pages]
    assert [len(page) for page in found] == [2, 2, 1] and sorted(sum(found, [])) == sorted(listed), found


def a_forecast_that_is_not_active_is_in_use(server, client):
    unready = FORECAST.replace("sales", "unready")
    refused(IN_USE, create, client, "early", forecast=unready, says="CREATE_FAILED")


def a_source_that_cannot_be_read_fails_with_a_message(server, client):
    broken = FORECAST.replace("sales", "broken")
    arn = create(client, "failing", "s3://exports/failing", broken)
    job = ended(client, arn, "CREATE_FAILED")
    assert "header" in job["Message"] or "column" in job["Message"], job["Message"]
    assert server.files("failing") == ["_CHECK"], server.files("failing")
    jobs = client.list_forecast_export_jobs()["ForecastExportJobs"]
    (listed,) = (job for job in jobs if job["ForecastExportJobArn"] == arn)
    assert listed["Message"] == job["Message"], listed
    # What is mended in the meantime does not change how it ended.
    client.stop_resource(ResourceArn=arn)
    assert describe(client, arn)["Status"] == "CREATE_FAILED"
    client.delete_forecast_export_job(ForecastExportJobArn=arn)


# Rules.


def names_are_checked(server, client):
    for name in ["a" * 63, "Z_9"]:
        assert create(client, name).endswith(f"/{name}")
    for name in ["a" * 64, "1a", "_a", "a-b", "a b", "a.b", "é", "a\n", "٣a", "a٣"]:
        refused(INVALID, create, client, name, says="forecastExportJobName")


def arns_are_checked(server, client):
    long = FORECAST + "x" * (256 - len(FORECAST))
    refused(NOT_FOUND, create, client, "x", forecast=long)
    for arn in ["sales", "arn:aws:forecast:r:a:", "arn:aws:s3:::bucket", FORECAST + "\n", f" {FORECAST}", long + "x",
                "arn:AWS:forecast:r:a:forecast/x", "arn:aws\u0663:forecast:r:a:forecast/x", ""]:
        refused(INVALID, create, client, "x", forecast=arn, says="forecastArn")
        refused(INVALID, client.describe_forecast, ForecastArn=arn)
        refused(INVALID, describe, client, arn)
        refused(INVALID, client.delete_forecast_export_job, ForecastExportJobArn=arn)
        for call in [client.list_tags_for_resource, client.stop_resource, client.delete_resource_tree]:
            refused(INVALID, call, ResourceArn=arn, says="resourceArn")


def a_role_is_one_of_iam_and_of_the_forecasts_account(server, client):
    def of(role, forecast=FORECAST, name="role"):
        return lambda: client.create_forecast_export_job(
            ForecastExportJobName=name, ForecastArn=forecast, Destination=destination(role=role)
        )

    of(f"arn:aws:iam::{ACCOUNT}:role/service-role/X", name="role1")()
    of(f"arn:aws:iam::{ACCOUNT}:role/a+=,.@-b", name="role2")()
    # A forecast keeps the account that its configured ARN has.
    foreign = "arn:aws:forecast:eu-west-1:999999999999:forecast/foreign"
    of("arn:aws:iam::999999999999:role/x", foreign, "role3")()
    refused(INVALID, of(ROLE, foreign), says="account")
    refused(INVALID, of("arn:aws:iam::999999999999:role/x"), says="account")
    for role in ["role/x", FORECAST, f"arn:aws:iam::{ACCOUNT}:user/x", "arn:aws:iam::1:role/x", f"{ROLE}\n", ROLE + "x" * 256,
                 f"arn:aws:sts::{ACCOUNT}:assumed-role/x/y", f"arn:aws:iam::{ACCOUNT}:role/"]:
        refused(INVALID, of(role))


def paths_and_keys_are_checked(server, client):
    def of(path, **more):
        return lambda: client.create_forecast_export_job(
            ForecastExportJobName="placed", ForecastArn=FORECAST, Destination=destination(path, **more)
        )

    for path in ["exports/x", "S3://exports/x", "https://exports/x", "s3://Exports/x", "s3:///x", "s3://exports/x\n",
                 "s3://exports/" + "x" * 4096, "s3://exports/../x", "s3://exports/a/../../x", "s3://exports//etc", "file:///tmp/x"]:
        refused(INVALID, of(path))
    for key in ["1", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/x", "arn:aws-cn:kms:r:a:key/x", f"arn:aws:kms:r:a:key/{'x' * 256}"]:
        refused(INVALID, of("s3://exports/x", KMSKeyArn=key), says="kMSKeyArn")


def a_format_is_one_of_two(server, client):
    for format in ["CSVX", "csv", "parquet", "PARQUETS", "XPARQUET", "CSV\n", "", "JSON", "CSV|PARQUET", "^CSV"]:
        refused(INVALID, create, client, "formed", Format=format, says="[CSV, PARQUET]")


def tags_are_merged_overwritten_and_removed(server, client):
    arn = done(client, "tagged", Tags=[{"Key": "team", "Value": "supply"}, {"Key": "Team", "Value": ""}])

    def tags():
        return {tag["Key"]: tag["Value"] for tag in client.list_tags_for_resource(ResourceArn=arn)["Tags"]}

    assert tags() == {"team": "supply", "Team": ""}, "case is told apart"
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "demand"}, {"Key": "é 日本/+=:@.-_", "Value": "aws:x"}])
    assert tags() == {"team": "demand", "Team": "", "é 日本/+=:@.-_": "aws:x"}, tags()
    client.untag_resource(ResourceArn=arn, TagKeys=["Team", "absent"])
    client.tag_resource(ResourceArn=arn, Tags=[])
    client.untag_resource(ResourceArn=arn, TagKeys=[])
    assert tags() == {"team": "demand", "é 日本/+=:@.-_": "aws:x"}, tags()
    # Forecasts can be tagged as well.
    client.tag_resource(ResourceArn=FORECAST, Tags=[{"Key": "a", "Value": "b"}])
    assert client.list_tags_for_resource(ResourceArn=FORECAST)["Tags"] == [{"Key": "a", "Value": "b"}]


def tag_rules_hold_on_create_add_and_remove(server, client):
    arn = done(client, "ruled", Tags=[{"Key": "kept", "Value": "1"}])

    def refuses(tags, says=""):
        refused(INVALID, create, client, "unmade", Tags=tags, says=says)
        refused(INVALID, client.tag_resource, ResourceArn=arn, Tags=tags, says=says)

    for key in ["aws:x", "AWS:x", "aWs:", "Aws:kept"]:
        refuses([{"Key": key, "Value": ""}], "aws:")
        refused(INVALID, client.untag_resource, ResourceArn=arn, TagKeys=[key], says="aws:")
    for key in ["k" * 129, "a;b", "a\n", "a\tb", "😀", "a*", "\u0000"]:
        refuses([{"Key": key, "Value": ""}])
        refused(INVALID, client.untag_resource, ResourceArn=arn, TagKeys=[key])
    for value in ["v" * 257, "a;b", "a\n", "(x)", "#"]:
        refuses([{"Key": "k", "Value": value}])
    refuses([{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}], "k")
    refuses([{"Key": f"k{i}", "Value": ""} for i in range(201)], "200")
    refused(INVALID, client.untag_resource, ResourceArn=arn, TagKeys=[f"k{i}" for i in range(201)], says="200")
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "kept", "Value": "1"}]
    refused(NOT_FOUND, describe, client, f"{JOB}/unmade")
    # What only looks alike is fine, and lengths count characters, not bytes or UTF-16.
    fine = ["awsome", "aws", "aws.x", "x" * 128, "𠮟" * 128]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": key, "Value": "𠮟" * 256} for key in fine])
    client.untag_resource(ResourceArn=arn, TagKeys=fine)


def the_fifty_first_tag_is_refused(server, client):
    fifty = [{"Key": f"k{i}", "Value": "v"} for i in range(50)]
    arn = done(client, "fifty", Tags=fifty)
    refused(LIMIT, client.tag_resource, ResourceArn=arn, Tags=[{"Key": "k50", "Value": ""}], says="50")
    # What is refused changes nothing, not even the tags that could be.
    refused(LIMIT, client.tag_resource, ResourceArn=arn, Tags=[{"Key": "k0", "Value": "w"}, {"Key": "k50", "Value": ""}])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == sorted(fifty, key=lambda tag: tag["Key"])
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "k0", "Value": "w"}])
    client.untag_resource(ResourceArn=arn, TagKeys=["k1"])
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "k50", "Value": ""}])
    refused(LIMIT, create, client, "more", Tags=[*fifty, {"Key": "k50", "Value": ""}])
    refused(NOT_FOUND, describe, client, f"{JOB}/more")


def filters_are_anded(server, client):
    other, broken = FORECAST.replace("sales", "other"), FORECAST.replace("sales", "broken")
    done(client, "f1")
    done(client, "f2", forecast=other)
    ended(client, create(client, "f3", forecast=broken), "CREATE_FAILED")

    def listed(*filters):
        filters = [dict(zip(["Key", "Condition", "Value"], one)) for one in filters]
        pages = client.get_paginator("list_forecast_export_jobs").paginate(Filters=filters)
        names = {job["ForecastExportJobName"] for page in pages for job in page["ForecastExportJobs"]}
        return names & {"f1", "f2", "f3"}

    assert listed() == {"f1", "f2", "f3"}
    assert listed(("ForecastArn", "IS", FORECAST)) == {"f1"}
    assert listed(("ForecastArn", "IS_NOT", FORECAST)) == {"f2", "f3"}
    assert listed(("Status", "IS", "ACTIVE")) == {"f1", "f2"}
    assert listed(("Status", "IS_NOT", "ACTIVE")) == {"f3"}
    assert listed(("Status", "IS", "ACTIVE"), ("ForecastArn", "IS_NOT", other)) == {"f1"}
    assert listed(("ForecastArn", "IS", other), ("ForecastArn", "IS", FORECAST)) == set()
    assert listed(("Status", "IS", "NOTHING OF THE KIND")) == set()
    for filter in [("Name", "IS", "f1"), ("status", "IS", "ACTIVE"), ("Status", "is", "ACTIVE"), ("Status", "IS_NOTX", "ACTIVE"),
                   ("Status", "IS", "x" * 257), ("", "IS", "x")]:
        refused(INVALID, listed, filter)


def what_is_unsigned_beside_is_ignored(server, client):
    # As every SDK sends them.
    headers = signed(server.url, "ListForecasts")
    beside = {"amz-sdk-invocation-id": "0", "amz-sdk-request": "attempt=1", "User-Agent": "x", "X-Amzn-Trace-Id": "Root=1"}
    assert send(server.url, {**headers, **beside}).error is None


# A server of its own for each of these.


def pages_follow_each_other_without_gap_or_double(_):
    with served() as server:
        client = server.client()
        made = [create(client, f"j{i}", f"s3://exports/{i}") for i in range(6)][::-1]

        def pages(size, **more):
            paginator = client.get_paginator("list_forecast_export_jobs")
            return [
                [job["ForecastExportJobArn"] for job in page["ForecastExportJobs"]]
                for page in paginator.paginate(PaginationConfig={"PageSize": size}, **more)
            ]

        for size in range(1, 8):
            assert pages(size) == [made[i : i + size] for i in range(0, 6, size)], size
        assert "NextToken" not in client.list_forecast_export_jobs(MaxResults=6), "the last page has no token"
        list_jobs = client.list_forecast_export_jobs
        token = list_jobs(MaxResults=2)["NextToken"]
        # The size of a page may change; what is asked for may not.
        assert [job["ForecastExportJobArn"] for job in list_jobs(MaxResults=1, NextToken=token)["ForecastExportJobs"]] == [made[2]]
        only = [{"Key": "Status", "Condition": "IS_NOT", "Value": "CREATE_STOPPED"}]
        assert pages(4, Filters=only) == [made[:4], made[4:]]
        refused(BAD_TOKEN, list_jobs, NextToken=token, Filters=only)
        refused(BAD_TOKEN, client.list_forecasts, NextToken=token)
        for bad in ["x", token + "x", token[:-1], "é", "x" * 3000, client.list_forecasts(MaxResults=1).get("NextToken", "=")]:
            refused(BAD_TOKEN, list_jobs, NextToken=bad)
        refused(INVALID, list_jobs, NextToken="x" * 3001)
        refused(INVALID, list_jobs, MaxResults=101)
        # A job that is deleted or made meanwhile moves no other.
        for arn in made:
            ended(client, arn)
        client.delete_forecast_export_job(ForecastExportJobArn=made[1])
        done(client, "late")
        assert [job["ForecastExportJobArn"] for job in list_jobs(NextToken=token)["ForecastExportJobs"]] == made[2:]


def there_are_as_many_jobs_as_the_limit_allows(_):
    with served("--max-jobs", "5", forecasts=["sales", "other"]) as server:
        client = server.client()
        made = [done(client, f"j{i}") for i in range(4)]
        done(client, "j4", forecast=FORECAST.replace("sales", "other"))
        refused(LIMIT, create, client, "j5", says="5")
        # A name that is taken is reported first.
        refused(EXISTS, create, client, "j0")
        client.delete_forecast_export_job(ForecastExportJobArn=made[0])
        done(client, "j5")
        refused(LIMIT, create, client, "j6")


def of_many_that_create_one_name_at_once_one_does(_):
    with served() as server:
        client = server.client()

        def made(_):
            try:
                return create(client, "one")
            except client.exceptions.ResourceAlreadyExistsException:
                return None

        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            arns = [arn for arn in pool.map(made, range(10)) if arn]
        assert arns == [f"{JOB}/one"], arns
        ended(client, arns[0])


def a_job_is_in_progress_until_it_is_stopped(_):
    with endless() as server:
        client = server.client()
        before = time.time()
        arns = [create(client, f"j{i}", f"s3://exports/{i}", ENDLESS) for i in range(4)]

        def statuses():
            return [describe(client, arn)["Status"] for arn in arns]

        running = ["CREATE_IN_PROGRESS"] * 3
        wait_until("three jobs at once", lambda: statuses() == [*running, "CREATE_PENDING"])
        pending = describe(client, arns[3])
        assert pending["CreationTime"] == pending["LastModificationTime"], pending
        assert "Message" not in pending, pending
        first, _, second = describe(client, arns[0]), time.sleep(0.05), describe(client, arns[0])
        changes = [first["CreationTime"], first["LastModificationTime"], second["LastModificationTime"]]
        assert before - 0.001 <= changes[0].timestamp() < changes[1].timestamp() < changes[2].timestamp() <= time.time(), changes
        for arn in [arns[0], arns[3]]:
            refused(IN_USE, client.delete_forecast_export_job, ForecastExportJobArn=arn, says=arn)
            refused(IN_USE, client.delete_resource_tree, ResourceArn=arn)
            refused(EXISTS, create, client, arn.rsplit("/")[-1], forecast=ENDLESS)
        refused(IN_USE, client.delete_resource_tree, ResourceArn=ENDLESS)
        assert statuses() == [*running, "CREATE_PENDING"]
        # The one that waits never begins; the one that runs ends within a second.
        client.stop_resource(ResourceArn=arns[3])
        assert describe(client, arns[3])["Status"] == "CREATE_STOPPED"
        began = time.monotonic()
        client.stop_resource(ResourceArn=arns[0])
        assert describe(client, arns[0])["Status"] in {"CREATE_STOPPING", "CREATE_STOPPED"}
        stopped = ended(client, arns[0], "CREATE_STOPPED")
        assert time.monotonic() - began < 1, time.monotonic() - began
        assert "Message" not in stopped, stopped
        assert server.files("0") == ["_CHECK"] and server.files("3") == [], (server.files("0"), server.files("3"))
        client.stop_resource(ResourceArn=arns[0])
        time.sleep(0.05)
        assert describe(client, arns[0])["LastModificationTime"] == stopped["LastModificationTime"], "frozen"
        # Nor does a destination that does not answer keep a job from ending.
        hung = create(client, "hung", "s3://elsewhere/hung")
        wait_until("a job at work", lambda: describe(client, hung)["Status"] == "CREATE_IN_PROGRESS")
        client.stop_resource(ResourceArn=hung)
        # Its columns cannot be read, which must not keep a caller waiting.
        began = time.monotonic()
        assert client.describe_forecast(ForecastArn=ENDLESS).get("ForecastTypes", []) == []
        assert time.monotonic() - began < 10, time.monotonic() - began
        ended(client, hung, "CREATE_STOPPED")
        assert time.monotonic() - began < 15, time.monotonic() - began
        # A place is free again.
        assert done(client, "next").endswith("/next")
        client.delete_forecast_export_job(ForecastExportJobArn=arns[0])
        client.delete_resource_tree(ResourceArn=arns[3])
        for arn in arns[1:3]:
            client.stop_resource(ResourceArn=arn)
            ended(client, arn, "CREATE_STOPPED")


def a_tree_goes_as_a_whole(_):
    with served(forecasts=["sales", "other"]) as server:
        client = server.client()
        kept = done(client, "kept", forecast=FORECAST.replace("sales", "other"))
        made = [done(client, name, "s3://exports/tree", Tags=[{"Key": "a", "Value": ""}]) for name in ["a", "b"]]
        files = server.files("tree")
        client.delete_resource_tree(ResourceArn=FORECAST)
        jobs = client.list_forecast_export_jobs()["ForecastExportJobs"]
        assert [job["ForecastExportJobArn"] for job in jobs] == [kept], jobs
        refused(NOT_FOUND, client.list_tags_for_resource, ResourceArn=made[0])
        assert server.files("tree") == files and len(files) == 4, files
        client.delete_resource_tree(ResourceArn=FORECAST)
        client.delete_resource_tree(ResourceArn=kept)
        assert client.list_forecast_export_jobs()["ForecastExportJobs"] == []


def session_keys_need_their_token(_):
    token = "AQoDYXdzEPT//////////wEXAMPLE+token=="
    config = f'''
region = "eu-central-1"
account = "000000000001"
[[keys]]
access_key_id = "ASIATEMPORARY"
secret_access_key = "{SECRET}"
session_token = "{token}"
[[keys]]
access_key_id = "AKIALASTING"
secret_access_key = "other/secret"
'''
    with served(config=config, env={}) as server:
        where = {"region": "eu-central-1"}
        temporary = {"key": "ASIATEMPORARY", "secret": SECRET, **where}
        found = server.client(**temporary, token=token).list_forecasts()["Forecasts"]
        arn = "arn:aws:forecast:eu-central-1:000000000001:forecast/sales"
        assert [one["ForecastArn"] for one in found] == [arn], found
        server.client(key="AKIALASTING", secret="other/secret", **where).list_forecasts()
        for keys in [temporary, {**temporary, "token": token + "x"}, {**temporary, "secret": "other/secret", "token": token},
                     {"key": "AKIALASTING", "secret": "other/secret", "token": token, **where}]:
            known = keys.get("token") == token and keys["key"] == "ASIATEMPORARY"
            refused(SIGNATURE if known else UNKNOWN_KEY, server.client(**keys).list_forecasts)


def without_keys_everything_is_answered_only_if_it_is_asked_for(folder):
    try:
        Server(folder, env={})
    except AssertionError as error:
        assert "--insecure-no-auth" in str(error), error
    else:
        raise AssertionError("it started without keys")
    with served("--insecure-no-auth", env={}) as server:
        assert "--insecure-no-auth" in wait_until("a warning", server.said)
        headers = {"X-Amz-Target": "AmazonForecast.ListForecasts"}
        assert send(server.url, headers).error is None
        server.client(key="anything", secret="else").list_forecasts()


# The wire.


def answers_have_the_form_that_clients_expect(server, client):
    arn = done(client, "wired")
    answer = ask(server.url, "DescribeForecastExportJob", {"ForecastExportJobArn": arn})
    assert answer.error is None
    job = answer.members
    for name in ["CreationTime", "LastModificationTime"]:
        assert isinstance(job[name], float) and abs(job[name] - time.time()) < 60, job
        assert round(job[name], 3) == job[name], f"milliseconds: {job[name]}"
    other = ask(server.url, "DescribeForecastExportJob", {"ForecastExportJobArn": arn})
    assert answer.headers["x-amzn-requestid"] != other.headers["x-amzn-requestid"]
    tree, tag = done(client, "wired2"), {"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]}
    for operation, members, body in [
        ("TagResource", tag, b"{}"),
        ("UntagResource", {"ResourceArn": arn, "TagKeys": ["a"]}, b"{}"),
        ("ListTagsForResource", {"ResourceArn": arn}, b'{"Tags":[]}'),
        ("StopResource", {"ResourceArn": arn}, b""),
        ("DeleteForecastExportJob", {"ForecastExportJobArn": arn}, b""),
        ("DeleteResourceTree", {"ResourceArn": tree}, b""),
    ]:
        answer = ask(server.url, operation, members)
        assert (answer.error, answer.body) == (None, body), (operation, answer.body)
        assert answer.headers["content-length"] == str(len(body)), answer.headers
    answer = ask(server.url, "StopResource", {"ResourceArn": arn})
    assert answer.status == 400 and answer.error == NOT_FOUND


def protocol_errors_come_before_authentication(server, client):
    def unsigned(target, body=b"{}", **more):
        headers = {} if target is None else {"X-Amz-Target": target}
        return send(server.url, {"Content-Type": JSON, **headers, **more}, body).error

    known = "AmazonForecast.ListForecasts"
    for target in [None, "", "ListForecasts", "AmazonForecast.", "AmazonForecast.Nothing", "AmazonForecast.listForecasts",
                   "amazonforecast.ListForecasts", "AmazonForecastQuery.ListForecasts", "AmazonForecast.ListForecasts2",
                   "AmazonForecast.CreatePredictor"]:
        assert unsigned(target) == UNKNOWN, target
        assert unsigned(target, b"{") == UNKNOWN, target
    for body in [b"{", b"[]", b"1", b'"x"', b"null", b"{}{}", b"{} x", b"{'a': 1}", b'{"a": }', b"\xff\xfe{}", b'{"MaxResults": "1"}',
                 b'{"NextToken": "\xff"}', b'{"NextToken": "\\ud800"}', b"[" * 100_000]:
        assert unsigned(known, body) == SERIALIZATION, body[:40]
        assert send(server.url, signed(server.url, "ListForecasts", body), body).error == SERIALIZATION, body[:40]
    # Values are nobody's business who did not sign.
    for body in [b"", b"{}", b" ", b'{"MaxResults": 0}', b'{"NextToken": null}', b'{"Unknown": [1, {"a": null}]}']:
        assert unsigned(known, body) == UNSIGNED, body


def an_empty_body_null_and_unknown_members_are_fine(server, client):
    for body in [b"", b" \r\n", b"{}", b'{"NextToken": null, "Filters": null, "MaxResults": null}', b'{"Unknown": [1, {"a": null}]}',
                 b' {"Filters": []} ']:
        answer = ask(server.url, "ListForecasts", body)
        assert answer.error is None and len(answer.members["Forecasts"]) == 5, (body, answer.body)


def text_is_utf_8_or_escaped(server, client):
    arn = done(client, "texts")
    value = "ñ日本𠮟 ي"
    for ascii in [True, False]:
        key = f"key{ascii}"
        body = json.dumps({"ResourceArn": arn, "Tags": [{"Key": key, "Value": value}]}, ensure_ascii=ascii).encode()
        assert body.isascii() == ascii
        assert ask(server.url, "TagResource", body).error is None
    tags = ask(server.url, "ListTagsForResource", {"ResourceArn": arn}).members["Tags"]
    assert tags == [{"Key": "keyFalse", "Value": value}, {"Key": "keyTrue", "Value": value}], tags


def the_largest_request_is_taken_and_a_larger_one_refused(server, client):
    def tags(count):
        return [{"Key": f"{i:03}" + "𠮟" * 125, "Value": "𠮟" * 256} for i in range(count)]

    arn = done(client, "large", "s3://exports/" + "/".join(["x" * 100] * 30), Tags=tags(50))
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == tags(50)
    body = json.dumps({"ResourceArn": arn, "Tags": tags(200)}).encode()
    assert len(body) > 900_000 and ask(server.url, "TagResource", body).error == LIMIT
    # It is not even read.
    headers = {**signed(server.url, "ListForecasts"), "Content-Length": str((1 << 20) + 1)}
    answer = send(server.url, headers, b"")
    assert answer.status == 413 and answer.error == "RequestEntityTooLargeException", answer.body


def the_api_has_one_path_and_one_method(server, client):
    headers = signed(server.url, "ListForecasts")
    answer = send(server.url, headers, path="/other")
    assert (answer.status, answer.error) == (400, UNKNOWN), answer.body
    for method in ["PUT", "DELETE", "PATCH"]:
        assert send(server.url, headers, method=method).status in {400, 403, 404, 405}, method


# Signatures.


def a_wrong_signature_is_refused(server, client):
    url, list_forecasts = server.url, "ListForecasts"
    now = dt.datetime.now(UTC)
    minutes = lambda count: now + dt.timedelta(minutes=count)  # noqa: E731
    for what, code, how in [
        ("another secret", SIGNATURE, {"secret": SECRET + "x"}),
        ("no secret", SIGNATURE, {"secret": ""}),
        ("another region", SIGNATURE, {"region": "us-east-2"}),
        ("another service", SIGNATURE, {"service": "s3"}),
        ("the service of queries", SIGNATURE, {"service": "forecastquery"}),
        ("stale", SIGNATURE, {"at": minutes(-16)}),
        ("of yesterday", SIGNATURE, {"at": minutes(-24 * 60)}),
        ("of the future", SIGNATURE, {"at": minutes(16)}),
        ("unknown key", UNKNOWN_KEY, {"key": "AKIDOTHER"}),
        ("empty key", INCOMPLETE, {"key": ""}),
        ("a token that nobody gave", UNKNOWN_KEY, {"token": "x"}),
    ]:
        answer = send(url, signed(url, list_forecasts, **how))
        assert (answer.status, answer.error) == (400, code), (what, answer.body)
    for what, how in [("slow clock", {"at": minutes(-14)}), ("fast clock", {"at": minutes(14)})]:
        assert send(url, signed(url, list_forecasts, **how)).error is None, what


def what_was_altered_is_refused(server, client):
    url, body = server.url, b'{"MaxResults": 1}'
    headers = signed(url, "ListForecasts", body)
    assert send(url, headers, body).error is None
    assert send(url, headers, b'{"MaxResults": 2}').error == SIGNATURE
    assert send(url, headers, b'{"MaxResults": 1} ').error == SIGNATURE
    later = (dt.datetime.now(UTC) + dt.timedelta(minutes=1)).strftime("%Y%m%dT%H%M%SZ")
    for name, value in [("X-Amz-Target", "AmazonForecast.ListForecastExportJobs"), ("Content-Type", "application/json"),
                        ("X-Amz-Date", later), ("Host", "localhost:1")]:
        assert send(url, {**headers, name: value}, body).error == SIGNATURE, name
    assert send(url, headers, body, path="/?a=b").error == SIGNATURE
    # A header that was signed is gone.
    extra = signed(url, "ListForecasts", body, x_amz_extra="1")
    assert send(url, extra, body).error is None
    del extra["x-amz-extra"]
    assert send(url, extra, body).error == SIGNATURE
    # What decides is signed, or does not count.
    name = "X-Amz-Target"
    unsigned = {**signed(url, None, body), name: "AmazonForecast.ListForecasts"}
    assert send(url, unsigned, body).error == SIGNATURE


def the_header_is_taken_apart_with_care(server, client):
    url = server.url
    headers = signed(url, "ListForecasts")
    whole = headers["Authorization"]
    scheme, credential, names, signature = re.fullmatch(r"(\S+) (\S+), (\S+), (\S+)", whole).groups()
    day = headers["X-Amz-Date"][:8]
    for what, code, text in [
        ("nothing", INCOMPLETE, ""),
        ("another scheme", INCOMPLETE, "Bearer x"),
        ("another algorithm", INCOMPLETE, whole.replace("HMAC-SHA256", "HMAC-SHA1")),
        ("asymmetric", INCOMPLETE, whole.replace("HMAC-SHA256", "ECDSA-P256-SHA256")),
        ("only the scheme", INCOMPLETE, scheme),
        ("no credential", INCOMPLETE, f"{scheme} {names}, {signature}"),
        ("no names", INCOMPLETE, f"{scheme} {credential}, {signature}"),
        ("no signature", INCOMPLETE, f"{scheme} {credential}, {names}"),
        ("an empty signature", INCOMPLETE, f"{scheme} {credential}, {names}, Signature="),
        ("twice", INCOMPLETE, f"{whole}, {signature}"),
        ("a short credential", INCOMPLETE, whole.replace("/aws4_request", "")),
        ("an empty scope", INCOMPLETE, whole.replace(f"/{REGION}/", "//")),
        ("names in capitals", INCOMPLETE, whole.replace("host;", "Host;")),
        ("without the host", SIGNATURE, whole.replace("host;", "")),
        ("without the target", SIGNATURE, whole.replace(";x-amz-target", "")),
        ("without the date", SIGNATURE, whole.replace("x-amz-date;", "")),
        ("a header that is not there", SIGNATURE, whole.replace("host;", "host;x-absent;")),
        ("another terminator", SIGNATURE, whole.replace("aws4_request", "aws4_answer")),
        ("another day", SIGNATURE, whole.replace(f"/{day}/", "/20200101/")),
        ("a short signature", SIGNATURE, whole[:-2]),
        ("a signature in capitals", None, f"{scheme} {credential}, {names}, Signature={signature.split('=')[1].upper()}"),
        ("no hex", SIGNATURE, f"{scheme} {credential}, {names}, Signature={'g' * 64}"),
        ("without spaces", None, f"{scheme} {credential},{names},{signature}"),
        ("in another order", None, f"{scheme} {signature}, {credential}, {names}"),
    ]:
        answer = send(url, {**headers, "Authorization": text})
        assert answer.error == code, (what, text, answer.body)
    for date in ["", "yesterday", "2026-01-02T03:04:05Z", "20260231T000000Z"]:
        answer = send(url, {**headers, "X-Amz-Date": date})
        assert answer.error == INCOMPLETE, (date, answer.body)
    del headers["X-Amz-Date"]
    assert send(url, headers).error == INCOMPLETE
    # The date may stand in HTTP's own header.
    assert send(url, signed(url, "ListForecasts", Date="x")).error is None


def spaces_are_folded(server, client):
    url = server.url
    headers = signed(url, "ListForecasts", x_amz_note="a b c")
    for text in ["a b c", "  a   b c  ", "a b    c"]:
        assert send(url, {**headers, "x-amz-note": text}).error is None, text
    for text in ["a bc", "a  b  d"]:
        assert send(url, {**headers, "x-amz-note": text}).error == SIGNATURE, text


def a_hash_that_is_sent_is_the_bodys(server, client):
    url, body = server.url, b'{"MaxResults": 1}'
    right, wrong = (hashlib.sha256(text).hexdigest() for text in [body, b"{}"])
    assert send(url, signed(url, "ListForecasts", body, X_Amz_Content_SHA256=right), body).error is None
    answer = send(url, signed(url, "ListForecasts", body, X_Amz_Content_SHA256=wrong), body)
    assert answer.error == SIGNATURE, answer.body
    unsigned = signed(url, "ListForecasts", body, X_Amz_Content_SHA256="UNSIGNED-PAYLOAD")
    assert send(url, unsigned, body).error is None
    # Beside a signed request it changes nothing.
    headers = signed(url, "ListForecasts", body)
    assert send(url, {**headers, "X-Amz-Content-SHA256": right}, body).error is None
    assert send(url, {**headers, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, body).error == SIGNATURE


CONFIG = f"""
[[forecasts]]
name = "unready"
source = "nothing"
status = "CREATE_FAILED"
message = "Too few items"
quantiles = ["0.05", "mean"]
[[forecasts]]
name = "broken"
source = "{TESTDATA}/bad_header"
[[forecasts]]
arn = "arn:aws:forecast:eu-west-1:999999999999:forecast/foreign"
source = "{TESTDATA}/forecast"
"""
SHARED = [
    a_job_is_described_by_every_member,
    without_a_format_it_is_csv,
    a_list_has_the_members_of_the_model,
    the_newest_job_is_listed_first,
    a_name_is_taken_until_its_job_is_deleted,
    what_is_not_there_is_not_found,
    forecasts_are_described_and_listed,
    a_forecast_that_is_not_active_is_in_use,
    a_source_that_cannot_be_read_fails_with_a_message,
    names_are_checked,
    arns_are_checked,
    a_role_is_one_of_iam_and_of_the_forecasts_account,
    paths_and_keys_are_checked,
    a_format_is_one_of_two,
    tags_are_merged_overwritten_and_removed,
    tag_rules_hold_on_create_add_and_remove,
    the_fifty_first_tag_is_refused,
    filters_are_anded,
    what_is_unsigned_beside_is_ignored,
    answers_have_the_form_that_clients_expect,
    protocol_errors_come_before_authentication,
    an_empty_body_null_and_unknown_members_are_fine,
    text_is_utf_8_or_escaped,
    the_largest_request_is_taken_and_a_larger_one_refused,
    the_api_has_one_path_and_one_method,
    a_wrong_signature_is_refused,
    what_was_altered_is_refused,
    the_header_is_taken_apart_with_care,
    spaces_are_folded,
    a_hash_that_is_sent_is_the_bodys,
]
ALONE = [
    pages_follow_each_other_without_gap_or_double,
    there_are_as_many_jobs_as_the_limit_allows,
    of_many_that_create_one_name_at_once_one_does,
    a_job_is_in_progress_until_it_is_stopped,
    a_tree_goes_as_a_whole,
    session_keys_need_their_token,
    without_keys_everything_is_answered_only_if_it_is_asked_for,
]


def main():
    with served(config=CONFIG, forecasts=["sales", "other"]) as server:
        client = server.client()
        for test in SHARED:
            check(test.__name__.replace("_", " "), lambda _, test=test: test(server, client))
        check("the server is well and ends as it should", lambda _: server.client().list_forecasts())
    for test in ALONE:
        check(test.__name__.replace("_", " "), test)
    finish()


if __name__ == "__main__":
    main()
