"""Each exception, made by what causes it: its class, its exit code, its fields and its text."""

from __future__ import annotations

import errno
import pathlib
import pickle
import socket
from collections.abc import Callable

import pytest
from conftest import RUN, run_command, write_parts

import forecast_export as fe


def raised(call: Callable[[], object]) -> fe.Error:
    with pytest.raises(fe.Error) as caught:
        call()
    return caught.value


def test_a_request_that_makes_no_sense_is_a_usage_error(folder: pathlib.Path) -> None:
    error = raised(lambda: fe.merge("testdata/forecast", folder / "sales"))
    assert type(error) is fe.UsageError and isinstance(error, ValueError)
    assert error.exit_code == 2
    assert str(error) == f"{folder}/sales has neither a CSV nor a Parquet extension; use to csv or to parquet"
    assert error.hint == "use to csv or to parquet"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pattern": "(?P<part>x)", "preset": "spark"}, "pattern and preset exclude each other"),
        ({"memory": 1}, "memory must be at least 16MB"),
        ({"memory": "lots"}, "lots"),
        ({"threads": 0}, "threads must be from 1 to 1024"),
        ({"threads": -1}, "threads must not be negative or too large, as -1 is"),
        ({"row_group_rows": 0}, "row_group_rows must be more than 0"),
        ({"types": {"p50": "text"}}, 'unknown type "text"'),
        ({"kind": "forecasts"}, "forecasts"),
        ({"compression": "zip"}, "zip"),
        ({"wait": True}, "wait needs the ARN of an export job, and testdata/forecast is not one"),
    ],
)
def test_options_are_checked_by_name(folder: pathlib.Path, options: dict[str, object], text: str) -> None:
    error = raised(lambda: fe.merge("testdata/forecast", folder / "sales.csv", **options))  # type: ignore[arg-type]
    assert type(error) is fe.UsageError and error.exit_code == 2
    assert text in str(error)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"run": 1}, "run must be a str, not int"),
        ({"overwrite": "yes"}, "overwrite must be a bool, not str"),
        ({"threads": 1.5}, "threads must be a whole number, not float"),
        ({"types": ["p50"]}, "types must be a dict of str to str, not list"),
        ({"null": 0}, "null must be a str, or several in a list, not int"),
        ({"memory": []}, 'memory must be a number of bytes or a str such as "64MB", not list'),
        ({"retry_timeout": []}, "retry_timeout must be a timedelta, a number of seconds or a str"),
        ({"retries": 3}, "retries"),
    ],
)
def test_an_argument_of_the_wrong_type_is_a_type_error(
    folder: pathlib.Path, options: dict[str, object], text: str
) -> None:
    with pytest.raises(TypeError, match=text.replace("(", r"\(")):
        fe.merge("testdata/forecast", folder / "sales.csv", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [None, 3, b"testdata", [1]])
def test_a_source_of_the_wrong_type_is_a_type_error(source: object) -> None:
    with pytest.raises(TypeError, match="source must be a str, a path, a list of these or a dict"):
        fe.read(source)  # type: ignore[arg-type]


def test_nothing_at_the_source_is_not_found(folder: pathlib.Path) -> None:
    error = raised(lambda: fe.read(folder / "nowhere"))
    assert isinstance(error, fe.NotFound) and isinstance(error, FileNotFoundError)
    assert (error.exit_code, error.source, error.errno) == (3, f"{folder}/nowhere", errno.ENOENT)
    assert str(error) == f"there is no file or folder {folder}/nowhere"
    error = raised(lambda: fe.read("testdata/forecast", run="2020-01-01T00-00-00Z"))
    assert isinstance(error, fe.NotFound) and error.source == "testdata/forecast"
    assert raised(lambda: fe.ls(folder)).exit_code == 3


def test_a_gap_names_the_missing_parts() -> None:
    error = raised(lambda: fe.read("testdata/bad_gap"))
    assert isinstance(error, fe.Incomplete) and type(error) is fe.Incomplete
    assert (error.exit_code, error.missing, error.duplicates, error.runs) == (4, [1], [], [])
    assert [(gap.first, gap.last, gap.before) for gap in error.gaps] == [(1, 1, f"sales_{RUN}_part2.csv")]
    assert error.hint == "allow_gaps merges without it"
    assert fe.read("testdata/bad_gap", allow_gaps=True).to_pyarrow().num_rows > 0


def test_a_huge_gap_does_not_make_a_huge_list(folder: pathlib.Path) -> None:
    source = write_parts(folder, "item_id\na\n")
    (source / f"sales_{RUN}_part900000000.csv").write_text("item_id\nb\n")
    error = raised(lambda: fe.read(source))
    assert isinstance(error, fe.Incomplete)
    assert len(error.missing) == 100_000 and error.gaps[0].last == 899_999_999


def test_duplicates_and_several_runs_are_named() -> None:
    error = raised(lambda: fe.read("testdata/bad_double"))
    assert isinstance(error, fe.Incomplete)
    assert error.duplicates == [f"sales_{RUN}_part0.csv", f"sales_{RUN}_part00.csv"]
    error = raised(lambda: fe.read("testdata/two_runs"))
    assert isinstance(error, fe.Incomplete)
    assert error.runs == ["2025-12-26T03-04-05Z", RUN]
    assert raised(lambda: fe.read("testdata/forecast", expect_parts=13)).exit_code == 4


def test_a_bad_cell_is_a_data_error_with_its_place(folder: pathlib.Path) -> None:
    error = raised(lambda: fe.merge("testdata/bad_cell", folder / "sales.parquet"))
    assert isinstance(error, fe.DataError)
    assert error.file == f"testdata/bad_cell/sales_{RUN}_part1.csv"
    assert (error.exit_code, error.line, error.row, error.column, error.value) == (5, 3, None, "p50", "n/a")
    assert error.problem == "not a number that fits a double"
    assert error.remedy == error.hint == "use types p50=string to keep the text, or null TEXT to read it as null"
    assert list(folder.iterdir()) == []
    # The remedy helps.
    fe.merge("testdata/bad_cell", folder / "sales.parquet", types={"p50": "string"})
    fe.merge("testdata/bad_cell", folder / "sales.parquet", null="n/a", overwrite=True)


def test_an_output_that_differs_is_not_verified(folder: pathlib.Path) -> None:
    text = pathlib.Path(f"testdata/two_runs/sales_{RUN}_part0.csv").read_text()
    (folder / "sales.csv").write_text(text)
    error = raised(lambda: fe.verify(folder / "sales.csv", against="testdata/two_runs", run="latest"))
    assert isinstance(error, fe.NotVerified) and error.exit_code == 6
    assert (error.difference.kind, error.difference.row) == ("row-missing", 2)
    assert error.difference.part == f"testdata/two_runs/sales_{RUN}_part1.csv"
    assert str(error).startswith("verification failed: row 2")


def test_an_output_that_exists_is_not_replaced(folder: pathlib.Path) -> None:
    (folder / "sales.csv").write_text("mine")
    error = raised(lambda: fe.merge("testdata/forecast", folder / "sales.csv"))
    assert isinstance(error, fe.OutputExists) and isinstance(error, FileExistsError)
    assert (error.exit_code, error.path, error.errno) == (7, f"{folder}/sales.csv", errno.EEXIST)
    assert error.reason == "exists" and error.hint == "use overwrite to replace it"
    assert (folder / "sales.csv").read_text() == "mine"


def test_a_store_that_keeps_failing_is_a_store_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        error = raised(
            lambda: fe.read(
                "s3://bucket/exports", endpoint_url=endpoint, region="us-east-1", no_sign_request=True, retry_timeout=0.1
            )
        )
    assert type(error) is fe.StoreError
    assert (error.exit_code, error.url, error.is_retryable) == (8, "s3://bucket/exports/", True)
    assert error.operation == "listing" and "Connection refused" in str(error)


def test_missing_credentials_are_access_denied() -> None:
    error = raised(lambda: fe.read("s3://bucket/exports", region="us-east-1"))
    assert isinstance(error, fe.AccessDenied) and isinstance(error, PermissionError)
    assert isinstance(error, fe.StoreError)
    assert (error.exit_code, error.is_retryable, error.errno) == (8, False, errno.EACCES)


def test_an_arn_of_something_else_is_a_usage_error() -> None:
    assert type(raised(lambda: fe.describe("arn:aws:s3:::bucket"))) is fe.UsageError
    assert type(raised(lambda: fe.describe({"source": "aws.s3"}))) is fe.UsageError


def test_a_file_that_cannot_be_written_is_a_file_error() -> None:
    error = raised(lambda: fe.merge("testdata/forecast", "/proc/sales.csv"))
    assert isinstance(error, fe.FileError) and isinstance(error, OSError)
    assert (error.exit_code, error.path, error.operation) == (1, "/proc/sales.csv", "writing")
    assert isinstance(error.__cause__, OSError)


def test_every_exception_is_an_error_of_the_package_with_its_exit_code() -> None:
    codes = {
        fe.UsageError: 2, fe.NotFound: 3, fe.Incomplete: 4, fe.JobNotActive: 4, fe.DataError: 5, fe.NotVerified: 6,
        fe.OutputExists: 7, fe.StoreError: 8, fe.AccessDenied: 8, fe.FileError: 1,
    }
    for kind, code in codes.items():
        assert issubclass(kind, fe.Error) and kind.exit_code == code
        assert (kind.__module__, getattr(fe, kind.__name__)) == ("forecast_export", kind)


@pytest.mark.parametrize(
    "call",
    [
        lambda folder: fe.read("testdata/forecast", threads=0),
        lambda folder: fe.read("testdata/nowhere"),
        lambda folder: fe.read("testdata/bad_gap"),
        lambda folder: fe.merge("testdata/bad_cell", folder / "sales.parquet"),
        lambda folder: fe.merge("testdata/forecast", "/proc/sales.csv"),
        lambda folder: fe.read("s3://bucket/exports", region="us-east-1"),
    ],
)
def test_exceptions_survive_pickling(folder: pathlib.Path, call: Callable[[pathlib.Path], object]) -> None:
    error = raised(lambda: call(folder))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
    known = {name: value for name, value in vars(error).items() if name != "_data"}
    assert {name: value for name, value in vars(again).items() if name != "_data"} == known
    assert again.to_dict() == error.to_dict()


def test_an_exception_as_data_is_what_the_command_prints() -> None:
    error = raised(lambda: fe.read("testdata/bad_gap"))
    data = error.to_dict()
    assert (data["code"], data["kind"], data["case"]) == (4, "incomplete", "gaps")
    assert data["message"] == str(error)
    usage = raised(lambda: fe.read("testdata/forecast", threads=0)).to_dict()
    assert (usage["code"], usage["kind"], usage["message"]) == (2, "usage", "threads must be from 1 to 1024")
    run_command("merge", "testdata/bad_gap", "-o", "/dev/null", code=error.exit_code)


def test_a_traceback_names_the_class_as_people_import_it() -> None:
    error = raised(lambda: fe.read("testdata/nowhere"))
    assert f"{type(error).__module__}.{type(error).__qualname__}" == "forecast_export.NotFound"
