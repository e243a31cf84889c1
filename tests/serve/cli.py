"""The server by the aws cli, version 1: tests/serve/cli.py, run by .ci/run with the Python that .ci/serve.txt pins.

Every operation once, as one types it, and the same by JSON from a file. One line per check; exit code 1 where one failed.
"""

import json
import pathlib
import subprocess
import sys
import time

from sdk import FORECAST, destination, environment, keys, served
from server import LIMIT, ROLE

from harness import check, finish

AWS = pathlib.Path(sys.executable).parent / "aws"
JOB = FORECAST.replace(":forecast/", ":forecast-export-job/")


def aws(server, operation, *arguments, code=0, **members):
    """Runs one command; gives its output as JSON, or what it said where it fails."""
    flags = [part for name, value in members.items() for part in ["--" + name.replace("_", "-"), as_flag(value)]]
    command = [AWS, "--endpoint-url", server.url, "forecast", operation, *flags, *arguments]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment(**keys()), timeout=LIMIT)
    assert run.returncode == code, f"exit code {run.returncode}: {run.stdout}{run.stderr}"
    if code:
        return run.stderr
    return json.loads(run.stdout) if run.stdout.strip() else None


def as_flag(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def ended(server, arn):
    until = time.monotonic() + LIMIT
    while (job := aws(server, "describe-forecast-export-job", forecast_export_job_arn=arn))["Status"].startswith("CREATE_"):
        assert time.monotonic() < until, job
    return job


def every_operation(server, folder):
    forecast = aws(server, "describe-forecast", forecast_arn=FORECAST)
    assert forecast["ForecastTypes"] == ["0.1", "0.5", "0.9"], forecast
    assert [one["ForecastArn"] for one in aws(server, "list-forecasts")["Forecasts"]] == [FORECAST]
    made = aws(
        server,
        "create-forecast-export-job",
        "--tags",
        "Key=team,Value=需要予測",
        "Key=empty,Value=",
        forecast_export_job_name="typed",
        forecast_arn=FORECAST,
        destination=f"S3Config={{Path=s3://exports/typed,RoleArn={ROLE}}}",
        format="PARQUET",
    )
    arn = made["ForecastExportJobArn"]
    assert made == {"ForecastExportJobArn": f"{JOB}/typed"}, made
    job = ended(server, arn)
    assert job["Status"] == "ACTIVE" and job["Format"] == "PARQUET", job
    assert job["Destination"] == destination("s3://exports/typed"), job
    (listed,) = aws(
        server,
        "list-forecast-export-jobs",
        "--filters",
        "Key=Status,Condition=IS,Value=ACTIVE",
        f"Key=ForecastArn,Condition=IS,Value={FORECAST}",
    )["ForecastExportJobs"]
    assert listed["ForecastExportJobArn"] == arn, listed
    aws(server, "tag-resource", "--tags", "Key=team,Value=a b", "Key=more,Value=aws:x", resource_arn=arn)
    aws(server, "untag-resource", "--tag-keys", "empty", "absent", resource_arn=arn)
    tags = aws(server, "list-tags-for-resource", resource_arn=arn)["Tags"]
    assert tags == [{"Key": "more", "Value": "aws:x"}, {"Key": "team", "Value": "a b"}], tags
    assert aws(server, "stop-resource", resource_arn=arn) is None
    assert aws(server, "delete-forecast-export-job", forecast_export_job_arn=arn) is None
    said = aws(server, "describe-forecast-export-job", forecast_export_job_arn=arn, code=255)
    assert "(ResourceNotFoundException)" in said and arn in said, said
    assert aws(server, "delete-resource-tree", resource_arn=FORECAST) is None


def members_from_a_file(server, folder):
    file = folder / "create.json"
    members = {
        "ForecastExportJobName": "from_file",
        "ForecastArn": FORECAST,
        "Destination": destination("s3://exports/from_file"),
        "Tags": [{"Key": "é", "Value": "日本"}],
    }
    file.write_text(json.dumps(members, ensure_ascii=False))
    arn = aws(server, "create-forecast-export-job", cli_input_json=f"file://{file}")["ForecastExportJobArn"]
    # A flag takes precedence over the file.
    other = aws(server, "create-forecast-export-job", cli_input_json=f"file://{file}", forecast_export_job_name="flag")
    assert (arn, other["ForecastExportJobArn"]) == (f"{JOB}/from_file", f"{JOB}/flag")
    assert aws(server, "list-tags-for-resource", resource_arn=arn)["Tags"] == members["Tags"]
    assert ended(server, arn)["Status"] == "ACTIVE"


def pages_that_the_cli_turns(server, folder):
    names = aws(server, "list-forecast-export-jobs", "--page-size", "1", "--query", "ForecastExportJobs[].ForecastExportJobName")
    assert names == ["flag", "from_file"], names
    said = aws(server, "create-forecast-export-job", forecast_export_job_name="from_file", forecast_arn=FORECAST,
               destination=destination(), code=255)
    assert "(ResourceAlreadyExistsException)" in said, said


def buckets_are_listed_and_read(server, folder):
    def s3(*arguments):
        command = [AWS, "--endpoint-url", server.url, "s3", *arguments]
        run = subprocess.run(command, capture_output=True, text=True, env=environment(**keys()), timeout=LIMIT)
        assert run.returncode == 0, run.stderr
        return run.stdout

    assert s3("ls").split()[-1] == "exports"
    assert "PRE from_file/" in s3("ls", "s3://exports/")
    s3("cp", "--recursive", "--quiet", "s3://exports/from_file", str(folder))
    assert sorted(path.name for path in folder.iterdir()) == server.files("from_file")


def main():
    with served() as server:
        for test in [every_operation, members_from_a_file, pages_that_the_cli_turns, buckets_are_listed_and_read]:
            check(test.__name__.replace("_", " "), lambda folder, test=test: test(server, folder))
    finish()


if __name__ == "__main__":
    main()
