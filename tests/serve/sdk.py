"""What the scripts share that use AWS's SDKs: boto3's client for a server, forecasts and jobs by it, and requests as they
go over the wire, signed by botocore."""

import contextlib
import datetime as dt
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from unittest import mock

import boto3
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

import server
from server import BINARY, KEY, LIMIT, REGION, ROLE, SECRET, forecast_arn, wait_until

TESTDATA = pathlib.Path(__file__).parent.parent.parent / "testdata"
FORECAST = forecast_arn("sales")
JSON = "application/x-amz-json-1.1"


def environment(**more):
    """Nothing of AWS that is configured on this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**kept, **nowhere, **more}


def keys():
    return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION}


class Server(server.Server):
    """A server that may have a configuration, and that is looked at as its users see it."""

    def __init__(self, folder, *arguments, config=None, env=None):
        if config is not None:
            file = pathlib.Path(folder) / "serve.toml"
            file.write_text(config)
            arguments = ["--config", file, *arguments]
        super().__init__(folder, *arguments, env=env)

    def said(self):
        return self.log.read_text()

    def stop(self):
        """Ends it as a user does, and looks whether it ended as it should."""
        code, said = self.terminate(), self.said()
        assert code == 143, f"exit code {code}: {said}"
        assert "panicked" not in said and " ERROR " not in said, said

    def client(self, **more):
        return client(self.url, **more)

    def register(self, name, source, *arguments):
        command = [BINARY, "serve", "register", name, str(source), "--data", str(self.data), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=LIMIT)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self, prefix=""):
        """The names of what lies in a folder of the bucket, and below it."""
        root = self.exports / prefix
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@contextlib.contextmanager
def served(*arguments, forecasts=("sales",), folder=None, **more):
    """A server with these forecasts, each of the rows of `testdata/forecast`."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="serve.")))
        for name in forecasts:
            shutil.copytree(TESTDATA / "forecast", folder / "data" / name, dirs_exist_ok=True)
        with Server(folder, *arguments, **more) as one:
            yield one
            one.stop()


def client(url, key=KEY, secret=SECRET, token=None, region=REGION, service="forecast"):
    # Each request once: an error of the server must not be hidden by a second try.
    once = Config(retries={"total_max_attempts": 1, "mode": "standard"}, s3={"addressing_style": "path"})
    credentials = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}
    return boto3.session.Session().client(service, endpoint_url=url, region_name=region, config=once, **credentials)


def destination(path="s3://exports/x", role=ROLE, **more):
    return {"S3Config": {"Path": path, "RoleArn": role, **more}}


def create(client, name, path="s3://exports/x", forecast=FORECAST, **more):
    made = client.create_forecast_export_job(
        ForecastExportJobName=name, ForecastArn=forecast, Destination=destination(path), **more
    )
    return made["ForecastExportJobArn"]


def describe(client, arn):
    return client.describe_forecast_export_job(ForecastExportJobArn=arn)


def ended(client, arn, status="ACTIVE"):
    """Polls as the service's users do; there is no waiter."""

    def last():
        job = describe(client, arn)
        return None if job["Status"] in {"CREATE_PENDING", "CREATE_IN_PROGRESS", "CREATE_STOPPING"} else job

    job = wait_until(f"the end of {arn}", last)
    assert job["Status"] == status, f"{arn} is {job['Status']}, not {status}: {job.get('Message')}"
    return job


def done(client, name, path="s3://exports/x", forecast=FORECAST, **more):
    """The ARN of a job that was created and has ended well."""
    arn = create(client, name, path, forecast, **more)
    ended(client, arn)
    return arn


def refused(code, call, *arguments, says="", **members):
    """The message of an error that boto3 must recognize as one of the model."""
    try:
        answer = call(*arguments, **members)
    except ClientError as error:
        found, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        assert found == code, f"{found}, not {code}: {message}"
        assert message and says in message, f"{says!r} is not in {message!r}"
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert status == 400, f"HTTP status {status}"
        return error
    raise AssertionError(f"not refused with {code}, but answered: {answer}")


class Answer:
    """What came back over the wire."""

    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def members(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The error's name; `None` where it is none. Every answer has what clients need of it."""
        assert self.headers["content-type"] == JSON, self.headers
        assert len(self.headers["x-amzn-requestid"]) == 36, self.headers
        if self.status == 200:
            return None
        assert set(self.members) == {"__type", "Message"} and self.members["Message"], self.body
        return self.members["__type"]


def signed(
    url, operation, body=b"{}", *, secret=SECRET, key=KEY, token=None, region=REGION, service="forecast", at=None, **headers
):
    """The headers of a signed request, as botocore makes them. Headers that are given are signed; an underscore in
    their names stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    target = {} if operation is None else {"X-Amz-Target": f"AmazonForecast.{operation}"}
    request = AWSRequest("POST", url + "/", {"Content-Type": JSON, **target, **named}, body)
    signer = botocore.auth.SigV4Auth(Credentials(key, secret, token), service, region)
    now = (at or dt.datetime.now(dt.timezone.utc)).astimezone(dt.timezone.utc).replace(tzinfo=None)
    with mock.patch("botocore.auth.get_current_datetime", lambda: now):
        signer.add_auth(request)
    return dict(request.headers.items())


def send(url, headers, body=b"{}", method="POST", path="/"):
    """Sends exactly these headers and this body."""
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=LIMIT)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if "Content-Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def ask(url, operation, members, **how):
    """A signed request whose members may be anything that JSON can say, or bytes."""
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    return send(url, signed(url, operation, body, **how), body)
