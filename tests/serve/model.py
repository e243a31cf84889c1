"""What the service's model allows and forbids: tests/serve/model.py, run by .ci/run with the Python that .ci/serve.txt
pins.

The model is the one that botocore carries. For each operation of the server, each member of its request is left out,
null, of every wrong JSON type, too short, too long, off its pattern and off its values; and so that it just fits. The
answer must be the documented error, or one that shows that the member was taken. Requests are made and signed by hand,
since boto3 does not send all of these. One line per operation; exit code 1 where one failed.
"""

import copy
import json
import re
import sys
import unicodedata

import botocore.session

from sdk import FORECAST, ask, destination, served
from server import ACCOUNT, ROLE

from harness import check, finish

INVALID, SERIALIZATION = "InvalidInputException", "SerializationException"
UNREADY = FORECAST.replace("sales", "unready")
ABSENT = FORECAST.replace(":forecast/", ":forecast-export-job/") + "/absent"
# Requests that are valid and change nothing: the job's forecast is not ready, or there is no such job.
VALID = {
    "CreateForecastExportJob": {
        "ForecastExportJobName": "name",
        "ForecastArn": UNREADY,
        "Destination": destination("s3://exports/x", KMSKeyArn="arn:aws:kms:us-east-1:123456789012:key/1"),
        "Tags": [{"Key": "key", "Value": "value"}],
        "Format": "CSV",
    },
    "DescribeForecastExportJob": {"ForecastExportJobArn": ABSENT},
    "ListForecastExportJobs": {
        "NextToken": "token",
        "MaxResults": 50,
        "Filters": [{"Key": "Status", "Condition": "IS", "Value": "ACTIVE"}],
    },
    "DeleteForecastExportJob": {"ForecastExportJobArn": ABSENT},
    "StopResource": {"ResourceArn": ABSENT},
    "DeleteResourceTree": {"ResourceArn": ABSENT},
    "TagResource": {"ResourceArn": ABSENT, "Tags": [{"Key": "key", "Value": "value"}]},
    "UntagResource": {"ResourceArn": ABSENT, "TagKeys": ["key"]},
    "ListTagsForResource": {"ResourceArn": ABSENT},
    "DescribeForecast": {"ForecastArn": ABSENT},
    "ListForecasts": {
        "NextToken": "token",
        "MaxResults": 50,
        "Filters": [{"Key": "Status", "Condition": "IS", "Value": "ACTIVE"}],
    },
}
ABSENT_MEMBER = object()

# Where the model is not what the service does: a role's shape is that of Forecast's ARNs, which no role has; and so is
# that of a filter's value, which may be a status. Which keys a filter has stands in the guide only.
KEYS = {"ListForecastExportJobs": "ForecastArn|Status", "ListForecasts": "DatasetGroupArn|PredictorArn|Status"}
PATTERNS = {"RoleArn": rf"arn:[a-z0-9-]+:iam::{ACCOUNT}:role/.+", "Value of a filter": None}

TEXTS = [
    "", "a", "Z9_", "1a", "_", "-", "a-b", "a b", "a\n", "\na", "a\r", "a\t", "\u0000", "é", "日本", "٣", "𠮟", "😀", "a;b", "a|b", "a*",
    "a.b:c/d=e+f-g@h_", "\u00a0", "\u200b", "aws:x", "CSV", "csv", "CSVX", "XCSV", "PARQUET", "PARQUET\n", "IS", "IS_NOT", "is", "ISX",
    "Status", "ForecastArn", "PredictorArn", "DatasetGroupArn", "Name", "s3://", "s3://exports", "s3://exports/x", "s3://exports/é",
    "S3://exports/x", "s3://Exports", "s3:/exports/x", " s3://exports/x", "s3://exports/x\n", "https://exports/x",
    FORECAST, ABSENT, UNREADY, FORECAST + "\n", " " + FORECAST, "arn:aws:forecast:::x", "arn:aws:forecast:a:b:", "arn::forecast:a:b:c",
    "arn:aws-cn:forecast:é:日:x", "arn:aws\u0663:forecast:a:b:c", "arn:AWS:forecast:a:b:c", "arn:aws:s3:::x", "arn:aws:forecast:a:b",
    ROLE, ROLE + "\n", "arn:aws-cn:iam::123456789012:role/x", f"arn:aws:iam::{ACCOUNT}:user/x", f"arn:aws:iam::{ACCOUNT}:role/",
    "arn:aws:kms:r:a:key/x", "arn:aws:kms:::key/", "arn:aws:kms:r:a:alias/x", "arn:aws-cn:kms:r:a:key/x", "arn:aws:kms:r:a:key/\n",
]
OF_TYPE = {"string": "x", "integer": 1, "structure": {}, "list": [], "float": 1.5, "boolean": True}


def in_ranges(category):
    """The characters of a Unicode category, as Python's `re` can say them."""
    points = [i for i in range(sys.maxunicode + 1) if unicodedata.category(chr(i)).startswith(category)]
    starts = [point for before, point in zip([-2, *points], points) if point != before + 1]
    ends = [point for point, after in zip(points, [*points[1:], -2]) if after != point + 1]
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in zip(starts, ends))


def compiled(pattern):
    """A pattern of the model for a whole text. Its digits are those of ASCII, and stand in brackets."""
    pattern = pattern.removeprefix("^").removesuffix("$").replace(r"\d", "0-9")
    pattern = re.sub(r"\\p\{(.)}", lambda found: in_ranges(found[1]), pattern)
    return re.compile(f"(?:{pattern})")


class Rule:
    """What a text must be, by its shape and by the place where it stands."""

    compiled = {}

    def __init__(self, operation, path, shape):
        of_filter = "Filters" in path
        self.least, self.most = shape.metadata.get("min", 0), shape.metadata.get("max")
        pattern = shape.metadata.get("pattern")
        pattern = PATTERNS.get(f"{path[-1]} of a filter" if of_filter else path[-1], pattern)
        if of_filter and path[-1] == "Key":
            pattern = KEYS[operation]
        if shape.enum:
            pattern = "|".join(shape.enum)
        self.pattern = pattern
        self.is_tag_key = shape.name == "TagKey"

    def allows(self, text):
        if len(text) < self.least or (self.most is not None and len(text) > self.most):
            return False
        if self.is_tag_key and text.lower().startswith("aws:"):
            return False
        if self.pattern is None:
            return True
        known = Rule.compiled.setdefault(self.pattern, None) or compiled(self.pattern)
        Rule.compiled[self.pattern] = known
        return known.fullmatch(text) is not None

    def texts(self, valid):
        """Everything to try: what may be off the pattern, and every length that matters."""
        yield from TEXTS
        for character in ["x", "𠮟", "é"]:
            for length in {self.least - 1, self.least, self.most or 300, (self.most or 300) + 1}:
                if length >= len(valid):
                    yield valid + character * (length - len(valid))
                if length >= 0:
                    yield character * length
                    yield valid[:length]


def cases(operation, shape, valid, path=()):
    """Every way in which a value is altered, and what must come of it: an error, or `None` where the value is fine."""
    kind = shape.type_name
    for other, value in OF_TYPE.items():
        if other != kind:
            yield path, value, SERIALIZATION
    if kind == "structure":
        yield (*path, "Unknown"), [1, {"a": None}], None
        for name, member in shape.members.items():
            error = INVALID if name in shape.required_members else None
            yield (*path, name), None, error
            yield (*path, name), ABSENT_MEMBER, error
            yield from cases(operation, member, valid[name], (*path, name))
    elif kind == "list":
        yield path, [], None
        for value in OF_TYPE.values():
            if not isinstance(value, type(valid[0])):
                yield path, [value], SERIALIZATION
                yield path, [valid[0], value], SERIALIZATION
        most = shape.metadata.get("max")
        if most is not None:
            # Keys of tags are unique.
            many = [{**valid[0], "Key": f"k{i}"} if isinstance(valid[0], dict) else f"k{i}" for i in range(most + 1)]
            yield path, many, INVALID
            yield path, many[:most], None
        yield from cases(operation, shape.member, valid[0], (*path, 0))
    elif kind == "integer":
        least, most = shape.metadata["min"], shape.metadata["max"]
        for value, error in [(least, None), (most, None), (least - 1, INVALID), (most + 1, INVALID), (-(2**31), INVALID), (2**31, INVALID)]:
            yield path, value, error
    elif kind == "string":
        rule = Rule(operation, [name for name in path if name != 0], shape)
        assert rule.allows(valid), (path, valid)
        for text in rule.texts(valid):
            yield path, text, None if rule.allows(text) else INVALID
    else:
        raise AssertionError(f"a {kind} has no cases")


def altered(valid, path, value):
    request = copy.deepcopy(valid)
    if not path:
        return value
    place = request
    for name in path[:-1]:
        place = place[name]
    if value is ABSENT_MEMBER:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return request


def replay(url, operation):
    """Sends every case of an operation; returns how many there are."""
    valid = VALID[operation.name]
    # An error of AWS that the model does not list is one of the protocol.
    known = {shape.name for shape in operation.error_shapes} | {SERIALIZATION, None}
    wrong, count = [], 0
    assert valid.keys() == operation.input_shape.members.keys(), "a member has no valid value here"
    for path, value, expected in cases(operation.name, operation.input_shape, valid):
        count += 1
        found = ask(url, operation.name, altered(valid, path, value)).error
        is_right = found == expected if expected else found not in {INVALID, SERIALIZATION}
        if not is_right or found not in known:
            shown = json.dumps(value, default=str)[:80]
            wrong.append(f"{'.'.join(map(str, path)) or 'body'} = {shown}: {found}, not {expected or 'taken'}")
    assert not wrong, f"{len(wrong)} of {count}: " + "; ".join(wrong[:12])
    return count


def main():
    model = botocore.session.get_session().get_service_model("forecast")
    config = '[[forecasts]]\nname = "unready"\nsource = "nothing"\nstatus = "CREATE_IN_PROGRESS"\n'
    counts = []
    with served(config=config, forecasts=[]) as server:
        for name in VALID:
            check(name, lambda _, name=name: counts.append(replay(server.url, model.operation_model(name))))
        check("no job came of it", lambda _: no_job(server))
    print(f"{sum(counts)} requests")
    finish()


def no_job(server):
    jobs = server.client().list_forecast_export_jobs()["ForecastExportJobs"]
    assert (jobs, server.files()) == ([], []), (jobs, server.files())


if __name__ == "__main__":
    main()
