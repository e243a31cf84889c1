"""AWS Step Functions: the state machine of examples/cluster, run by moto's interpreter, which calls the function here.

The template is checked as data: no service that creates stacks is at hand.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from harness import Work, check, is_clean, is_same, passed
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend

import forecast_export as fe

EXAMPLE = Path(__file__).parents[3] / "examples" / "cluster"
ROLE = "arn:aws:iam::123456789012:role/run"


def load_handler() -> Any:
    spec = importlib.util.spec_from_file_location("handler", EXAMPLE / "handler.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


class Function:
    """The function as Lambda calls it: an exception becomes an answer with its name."""

    def __init__(self) -> None:
        self.handler = load_handler()
        self.calls: list[str] = []
        #: Pieces that fail over their store this many times.
        self.flaky: dict[int, int] = {}

    def __call__(self, backend: Any, name: str, qualifier: Any, body: Any, headers: Any, answer: Any) -> bytes:
        event = json.loads(body)
        self.calls.append(event["action"])
        try:
            if self.flaky.get(event.get("index"), 0):
                self.flaky[event["index"]] -= 1
                raise fe.StoreError("the service failed")
            return json.dumps(self.handler(event, None)).encode()
        except Exception as error:
            answer["x-amz-function-error"] = "Unhandled"
            return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}).encode()


def execute(machine: str, given: dict[str, Any]) -> dict[str, Any]:
    client = boto3.client("stepfunctions", region_name="us-east-1")
    started = client.start_execution(stateMachineArn=machine, name=f"run{time.time_ns()}", input=json.dumps(given))
    for _ in range(1200):
        found: dict[str, Any] = client.describe_execution(executionArn=started["executionArn"])
        if found["status"] != "RUNNING":
            return found
        time.sleep(0.1)
    raise SystemExit("the execution does not end")


def template_is_sound() -> None:
    template = json.loads((EXAMPLE / "template.json").read_text())
    text = json.dumps(template)
    known = set(template["Parameters"]) | set(template["Resources"])
    refs = {part["Ref"] for part in objects(template) if set(part) == {"Ref"}}
    gets = {part["Fn::GetAtt"][0] for part in objects(template) if set(part) == {"Fn::GetAtt"}}
    check(refs | gets <= known, f"the template refers only to what it has: {sorted((refs | gets) - known)}")
    used = set(template["Parameters"]) - {name for name in template["Parameters"] if name not in text.replace(f'"{name}": {{"Type"', "")}
    check(used == set(template["Parameters"]), "every parameter is used")
    actions = {action for part in objects(template) for action in listed(part.get("Action")) if ":" in action}
    for action in ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"):
        check(action in actions, f"workers may {action}")
    retries = template["Resources"]["Job"]["Properties"]["RetryStrategy"]["EvaluateOnExit"]
    codes = [one.get("OnExitCode") for one in retries if one["Action"] == "RETRY"]
    check(codes == ["8", "137", "143", None], "what a store failed in, or what was killed or ended, is tried again")
    check(retries[-1] == {"OnReason": "*", "Action": "EXIT"} and len(retries) <= 5, "all else is not")


def objects(value: Any) -> Any:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value if isinstance(value, list) else []


def main() -> None:
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
    template_is_sound()
    work = Work()
    os.environ["PLANS"] = str(work.folder / "plans")
    function = Function()
    LambdaSimpleBackend.invoke = lambda *args: function(*args)  # type: ignore[method-assign, assignment]
    with mock_aws(config={"lambda": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}):
        boto3.client("iam").create_role(RoleName="run", AssumeRolePolicyDocument="{}")
        made = boto3.client("lambda", region_name="us-east-1").create_function(
            FunctionName="merge", Runtime="python3.13", Role=ROLE, Handler="handler.handler", Code={"ZipFile": b"x"}
        )
        definition = (EXAMPLE / "state-machine.json").read_text().replace("${FUNCTION_ARN}", made["FunctionArn"])
        # The interpreter waits for real between tries.
        definition = definition.replace('"IntervalSeconds": 5', '"IntervalSeconds": 1')
        machine = boto3.client("stepfunctions", region_name="us-east-1").create_state_machine(
            name="merge", definition=definition, roleArn=ROLE
        )["stateMachineArn"]
        for source in work.sources:
            for to in ("csv", "parquet"):
                output = work.folder / "out" / f"{source}.{to}"
                size = sum(part.bytes for part in fe.ls(work.sources[source])[0].parts) // 6
                given = {"source": str(work.sources[source]), "output": str(output), "piece_bytes": size}
                ended = execute(machine, given)
                check(ended["status"] == "SUCCEEDED", f"{source} to {to}: {ended.get('cause')}")
                check(is_same(work.one(source, to), output) and is_clean(output), f"{source} to {to} is as on one machine")
        check(function.calls.count("piece") > 20, "the map has many items")

        # A store that fails twice is tried again.
        output = work.folder / "out" / "flaky.csv"
        function.flaky = {2: 2}
        given = {"source": str(work.sources["csv24"]), "output": str(output), "piece_bytes": "1MB"}
        check(execute(machine, given)["status"] == "SUCCEEDED", "what may go away is tried again")
        check(is_same(work.one("csv24", "csv"), output), "and the output is as on one machine")

        # A wrong row ends the execution with its file and line.
        part = sorted(work.sources["csv24"].glob("*_part17.csv"))[0]
        lines = part.read_text().splitlines(keepends=True)
        lines[1000] = lines[1000].replace(",", "", 1)
        part.write_text("".join(lines))
        given = {"source": str(work.sources["csv24"]), "output": str(work.folder / "out" / "bad.csv"), "piece_bytes": "1MB"}
        ended = execute(machine, given)
        check(ended["status"] == "FAILED" and ended["error"].startswith("exit code 5"), f"it fails: {ended.get('error')}")
        check(f"{part}, line 1001:" in ended["cause"], f"with file and line: {ended['cause']}")
    work.close()
    passed("Step Functions")


if __name__ == "__main__":
    sys.exit(main())
