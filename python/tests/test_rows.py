"""Rows as other libraries take them: equal values everywhere, in order, once."""

from __future__ import annotations

import datetime as dt
import gc
import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import RUN, failing_half_way, run_python, threads_of_this_process, write_parts

import forecast_export as fe

UTC = dt.timezone.utc

SOURCES = ["testdata/forecast", "testdata/quoted", "testdata/ids", "testdata/doubles"]

#: Stubs of these do not know all of it.
Frame: Any = pandas.DataFrame
sql: Any = duckdb.sql

#: How each library gets the rows, and how its rows become a pyarrow table again.
TAKERS: dict[str, Callable[[fe.Rows], pa.Table]] = {
    "pyarrow.table": pa.table,
    "to_pyarrow": lambda rows: rows.to_pyarrow(),
    "RecordBatchReader": lambda rows: pa.RecordBatchReader.from_stream(rows).read_all(),
    "polars.DataFrame": lambda rows: polars.DataFrame(rows).to_arrow(),
    "to_polars": lambda rows: rows.to_polars().to_arrow(),
    "pandas.DataFrame.from_arrow": lambda rows: pa.Table.from_pandas(Frame.from_arrow(rows)),
    "to_pandas": lambda rows: pa.Table.from_pandas(rows.to_pandas()),
    "duckdb.sql": lambda rows: sql("select * from rows").to_arrow_table(),
    "to_duckdb": lambda rows: rows.to_duckdb().to_arrow_table(),
    "batches": lambda rows: pa.Table.from_batches([pa.record_batch(batch) for batch in rows]),
}


def as_rows(table: pa.Table, is_of_pandas: bool = False) -> list[dict[str, Any]]:
    """Values as Python has them, with points in time in UTC, and NaN as a text that is equal to itself."""
    def plain(value: Any) -> Any:
        if isinstance(value, dt.datetime) and value.tzinfo:
            return value.astimezone(UTC)
        if isinstance(value, float) and math.isnan(value):
            # pandas knows no difference between NaN and null in a column of floats.
            return None if is_of_pandas else "NaN"
        return value

    return [{name: plain(value) for name, value in row.items()} for row in table.to_pylist()]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("taker", TAKERS)
def test_every_library_gets_equal_values(source: str, taker: str, folder: pathlib.Path) -> None:
    fe.merge(source, folder / "merged.parquet", no_receipt=True)
    expected = as_rows(pq.read_table(folder / "merged.parquet"), "pandas" in taker)
    assert as_rows(TAKERS[taker](fe.read(source)), "pandas" in taker) == expected


def test_types_are_those_of_the_columns() -> None:
    schema = pa.schema(fe.read("testdata/forecast"))  # type: ignore[arg-type]
    assert [str(field.type) for field in schema] == ["string", "timestamp[us, tz=UTC]", "string"] + ["double"] * 3
    frame = fe.read("testdata/forecast").to_polars()
    assert frame.schema["date"] == polars.Datetime("us", "UTC") and frame.schema["item_id"] == polars.String
    assert str(fe.read("testdata/forecast").to_pandas().dtypes["date"]) == "datetime64[us, UTC]"


def test_columns_are_those_that_are_asked_for_in_that_order() -> None:
    assert fe.read("testdata/forecast", columns=["p50", "item_id"]).to_pyarrow().column_names == ["p50", "item_id"]
    assert fe.read("testdata/forecast", columns="p50").schema.names == ["p50"]
    whole = fe.read("testdata/forecast").to_pyarrow()
    assert fe.read("testdata/forecast", columns=["p90", "date"]).to_pyarrow().equals(whole.select(["p90", "date"]))
    assert sum(len(batch) for batch in fe.read("testdata/forecast", columns=[])) == 36
    with pytest.raises(fe.UsageError, match="nope"):
        fe.read("testdata/forecast", columns=["nope"])


def test_columns_without_a_header_have_the_names_that_are_given(folder: pathlib.Path) -> None:
    source = write_parts(folder, "a,1\n", "b,2\n")
    rows = fe.read(source, column_names=["item_id", "p50"], columns=["p50"])
    assert rows.to_pyarrow().to_pydict() == {"p50": [1.0, 2.0]}


def test_types_and_nulls_are_as_asked(folder: pathlib.Path) -> None:
    source = write_parts(folder, 'item_id,store\na,7\nb,\nc,-\nd,0012\n')
    table = fe.read(source, types={"store": "int64"}, null="-").to_pyarrow()
    assert table["store"].to_pylist() == [7, None, None, 12]
    assert fe.read(source).to_pyarrow()["store"].to_pylist() == ["7", None, "-", "0012"]


def test_rows_are_used_once() -> None:
    for use in (list, pa.table, polars.DataFrame, lambda rows: rows.to_pandas()):
        rows = fe.read("testdata/forecast")
        use(rows)
        assert repr(rows).endswith(", used>")
        for again in (list, pa.table, lambda rows: rows.to_polars()):
            with pytest.raises(ValueError, match="read once"):
                again(rows)


def test_with_closes_the_rows() -> None:
    with fe.read("testdata/forecast") as rows:
        assert next(iter(rows)).num_rows > 0
    with pytest.raises(ValueError):
        list(rows)
    with fe.read("testdata/forecast") as unread:
        pass
    with pytest.raises(ValueError):
        pa.table(unread)
    unread.close()
    # The schema is known for ever.
    assert len(unread.schema) == 6


def test_batches_say_what_they_are() -> None:
    [batch, *_] = fe.read("testdata/forecast")
    assert (batch.num_columns, batch.schema.names[0]) == (6, "item_id")
    assert batch.num_rows == len(batch) > 0 and batch.nbytes > 0
    assert repr(batch) == f"<Batch: {len(batch)} rows, 6 columns>"
    assert pa.record_batch(batch).num_rows == len(batch)
    assert polars.DataFrame(batch).height == len(batch)


def test_values_outlive_rows_and_batches() -> None:
    table = pa.Table.from_batches([pa.record_batch(batch) for batch in fe.read("testdata/forecast")])
    frame = fe.read("testdata/forecast").to_polars()
    gc.collect()
    assert table["item_id"][0].as_py() == frame["item_id"][0] == "item_001"


def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, method in (("polars", "to_polars"), ("pandas", "to_pandas"), ("pyarrow", "to_pyarrow")):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError, match=rf"pip install 'forecast-export\[{name}\]'"):
            getattr(fe.read("testdata/forecast"), method)()


def test_the_package_needs_no_library_to_iterate() -> None:
    program = """
import sys
for name in ("numpy", "pandas", "polars", "pyarrow", "duckdb", "boto3"): sys.modules[name] = None
import forecast_export as fe
print(sum(len(batch) for batch in fe.read("testdata/forecast")))
"""
    done = run_python(program)
    assert (done.stdout, done.stderr) == ("36\n", "")


def test_duckdb_reads_rows_of_a_connection_and_joins_them() -> None:
    connection = duckdb.connect()
    connection.sql("create table stores as select 'store_' || range as store, range as number from range(3)")
    relation = fe.read("testdata/forecast", columns=["store", "p50"]).to_duckdb(connection)
    relation.create_view("forecasts")
    found = connection.sql("select number, count(*) from forecasts join stores using (store) group by all order by 1")
    assert found.fetchall() == [(0, 12), (1, 12), (2, 12)]


# Streams that do not end as they should.


def text_of_the_failure(folder: pathlib.Path) -> str:
    return f"{folder}/sample_{RUN}_part7.csv, line 4, column p90: not a number that fits a double: \"oops\""


@pytest.mark.parametrize("taker", [name for name in TAKERS if name != "batches"])
def test_a_stream_that_fails_half_way_raises_our_text_in_every_library(folder: pathlib.Path, taker: str) -> None:
    failing_half_way(folder)
    with pytest.raises(Exception) as caught:
        TAKERS[taker](fe.read(folder, memory="16MB"))
    assert text_of_the_failure(folder) in str(caught.value)
    # Our own methods raise our exception, and keep what the library said.
    if taker in ("to_pyarrow", "to_pandas", "to_polars"):
        assert isinstance(caught.value, fe.DataError) and caught.value.value == "oops"
        assert caught.value.__cause__ is not None


def test_a_stream_that_fails_half_way_raises_a_data_error_where_batches_are_read(folder: pathlib.Path) -> None:
    failing_half_way(folder)
    rows = 0
    with pytest.raises(fe.DataError) as caught:
        for batch in fe.read(folder, memory="16MB"):
            rows += len(batch)
    assert 100_000 < rows < 200_000
    assert (caught.value.line, caught.value.column, caught.value.value) == (4, "p90", "oops")
    assert str(caught.value).startswith(text_of_the_failure(folder))


def test_a_failed_stream_has_ended(folder: pathlib.Path) -> None:
    batches = iter(fe.read(failing_half_way(folder, 20_000)))
    with pytest.raises(fe.DataError):
        list(batches)
    assert list(batches) == []


def settled(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within some seconds."""
    end = time.monotonic() + 15
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def open_files(folder: pathlib.Path) -> list[str]:
    found = []
    for file in pathlib.Path("/proc/self/fd").iterdir():
        try:
            target = str(file.readlink())
        except OSError:
            continue
        if target.startswith(str(folder)):
            found.append(target)
    return found


@pytest.mark.parametrize("how", ["dropped", "closed", "with", "capsule"])
def test_a_stream_that_is_left_half_read_ends_its_threads_and_files(large: pathlib.Path, how: str) -> None:
    for _ in range(3):
        rows = fe.read(large, memory="16MB")
        if how == "capsule":
            reader = pa.RecordBatchReader.from_stream(rows)
            reader.read_next_batch()
            del reader, rows
        else:
            batches = iter(rows)
            next(batches)
            if how == "closed":
                rows.close()
            if how == "with":
                with rows:
                    next(batches)
            del batches, rows
        gc.collect()
    assert settled(lambda: open_files(large) == [])
    # Two threads wait for what comes next.
    assert settled(lambda: len([name for name in threads_of_this_process() if name.startswith("forecast")]) <= 2)


def test_whoever_reads_closed_rows_gets_an_error(large: pathlib.Path) -> None:
    rows = fe.read(large)
    batches = iter(rows)
    next(batches)
    rows.close()
    with pytest.raises(ValueError, match="closed"):
        next(batches)
    rows = fe.read(large)
    reader = pa.RecordBatchReader.from_stream(rows)
    rows.close()
    with pytest.raises(pa.ArrowInvalid, match="closed before the last was read"):
        reader.read_all()


def test_two_hundred_reads_need_no_more_memory_and_threads_than_some(folder: pathlib.Path) -> None:
    program = """
import gc, pathlib, resource, sys
import forecast_export as fe

def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

source = sys.argv[1]
seen = []
for number in range(200):
    if number % 2:
        next(iter(fe.read(source)))
    else:
        assert sum(map(len, fe.read(source))) == 20_000
    if number % 20 == 19:
        gc.collect()
        threads = len(list(pathlib.Path("/proc/self/task").iterdir()))
        seen.append((resident(), threads, len(list(pathlib.Path("/proc/self/fd").iterdir()))))
print(*seen, sep="\\n")
memory, threads, files = zip(*seen)
assert max(memory[5:]) - max(memory[:5]) < 12_000_000
assert max(threads[5:]) <= max(threads[:5]) + 2
assert max(files) <= min(files) + 40
"""
    fe.sample(folder, items=200, steps=100, parts=4)
    done = run_python(program, folder)
    assert done.returncode == 0, done.stdout + done.stderr

