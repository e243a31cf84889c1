"""S3 on loopback: SeaweedFS, with its data on the memory file system, and plain transfers of the same bytes by curl."""

import os
import subprocess

from jobs import Contender, ours

BUCKET = "peers"

# Runs in the Python that .ci/localstack.txt pins, which has boto3: prints signed URLs, one a line.
SIGN = """
import sys, boto3, botocore
endpoint, key, secret, bucket, action, *names = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
    region_name="us-east-1", config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"}))
if action == "create":
    s3.create_bucket(Bucket=bucket)
elif action == "delete":
    for name in names: s3.delete_object(Bucket=bucket, Key=name)
elif action == "fetch":
    s3.download_file(bucket, *names)
else:
    for name in names: print(s3.generate_presigned_url(action, Params={"Bucket": bucket, "Key": name}, ExpiresIn=86400))
"""


class S3:
    def __init__(self, data, repository):
        self.data = data
        self.servers = repository / ".ci" / "servers"
        self.folder = data.folder / "servers"
        self.is_started = False

    def start(self):
        if self.is_started:
            return
        self.is_started = True
        print("starting the S3 server", flush=True)
        subprocess.run([self.servers, "start", self.folder], check=True, stdout=subprocess.DEVNULL)
        text = "set -a; . '%s/env'; env -0" % self.folder
        env = subprocess.run(["bash", "-c", text], check=True, capture_output=True, text=True).stdout
        env = dict(line.split("=", 1) for line in env.split("\0") if line)
        prefix = "FORECAST_EXPORT_TEST_SEAWEEDFS"
        self.endpoint, key, secret = env[prefix], env[prefix + "_KEY"], env[prefix + "_SECRET"]
        self.python = subprocess.run(
            [self.servers.parent / "venv", "localstack"], check=True, capture_output=True, text=True
        ).stdout.strip()
        self.access = [self.endpoint, key, secret, BUCKET]
        self.environment = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1"}
        self.ask("create")
        parts = self.data.parts("csv")
        self.names = [f"csv/{os.path.basename(part)}" for part in parts]
        self.transfer("upload", self.ask("put_object", *self.names), parts)

    def stop(self):
        if self.is_started:
            subprocess.run([self.servers, "stop", self.folder], check=True)

    def ask(self, action, *names):
        command = [f"{self.python}/bin/python", "-c", SIGN, *self.access, action, *names]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    def config(self, name, urls, files=None):
        """A file that tells curl what to transfer."""
        path = self.data.folder / f"{name}.curl"
        with open(path, "w") as config:
            for i, url in enumerate(urls):
                config.write(f'url = "{url}"\n' + (f'upload-file = "{files[i]}"\n' if files else 'output = "/dev/null"\n'))
        return ["curl", "-sS", "--fail", "--noproxy", "*", "-K", str(path)]

    def transfer(self, name, urls, files=None):
        subprocess.run([*self.config(name, urls, files), "--parallel"], check=True, stdout=subprocess.DEVNULL)

    def contenders(self, target):
        self.start()
        data = self.data
        # The bytes that ours writes, as a file to be put.
        plain = data.folder / f"plain.{target}"
        command = ours(data, "csv", target, output=plain).command
        subprocess.run(command, check=True)
        size = plain.stat().st_size
        output = f"s3://{BUCKET}/out.{target}"
        source = f"s3://{BUCKET}/csv/"
        yield ours(data, "csv", target, "--endpoint-url", self.endpoint, output=output, source=source)
        gets, put = self.ask("get_object", *self.names), self.ask("put_object", f"plain.{target}")
        read = data.bytes("csv")
        for at_once in (1, 4):
            get = [*self.config("get", gets), "--parallel", "--parallel-max", str(at_once)]
            yield Contender(f"plain GET, {at_once} at once", get, bytes=read)
        yield Contender("plain PUT", self.config("put", put, [plain]), bytes=size)

    def fetch(self, target):
        """What ours wrote, as a file."""
        path = self.data.folder / f"fetched.{target}"
        self.ask("fetch", f"out.{target}", str(path))
        return path

    def clear(self, target):
        self.ask("delete", f"out.{target}", f"plain.{target}")
        for name in ("plain", "fetched"):
            (self.data.folder / f"{name}.{target}").unlink(missing_ok=True)
