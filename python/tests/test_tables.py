"""Tables that Hypothesis makes, cut into parts at random: `read` equals what pyarrow reads, and what was written.

In CSV, as exports have it, an empty cell without quotes is null and `""` is the empty string. So texts are written in
quotes here, and pyarrow is told the same."""

from __future__ import annotations

import datetime as dt
import io
import math
import os
import pathlib
import shutil
import tempfile
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from conftest import RUN, write_parts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import forecast_export as fe

UTC = dt.timezone.utc
EXAMPLES = int(os.environ.get("FORECAST_EXPORT_EXAMPLES", "150"))

#: The types of columns, by the name that `types` gives them.
TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "double": pa.float64(),
    "int64": pa.int64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}

# Commas, quotes and line ends are as frequent as anything else.
TEXTS = st.text(st.one_of(st.sampled_from(',"\n\r \té½𝄞'), st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=12)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "double": st.floats(),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "date": st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31)),
    "timestamp": st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(UTC)),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    kinds = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=2, max_size=5))
    rows = draw(st.integers(0, 12))
    columns = {}
    for number, kind in enumerate(kinds):
        values = draw(st.lists(st.none() | VALUES[kind], min_size=rows, max_size=rows))
        columns[f"{kind}_{number}"] = pa.array(values, TYPES[kind])
    return pa.table(columns)


@st.composite
def cut(draw: st.DrawFn, table: pa.Table) -> list[pa.Table]:
    """The table in parts, some of which may have no rows."""
    cuts = sorted(draw(st.lists(st.integers(0, table.num_rows), max_size=4)))
    return [table.slice(start, end - start) for start, end in zip([0, *cuts], [*cuts, table.num_rows])]


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else repr(value).replace("inf", "Infinity")
    return str(value)


def csv(table: pa.Table) -> str:
    lines = [",".join(table.column_names)]
    lines += [",".join(cell(value) for value in row.values()) for row in table.to_pylist()]
    return "\n".join(lines) + "\n"


def csv_by_pyarrow(text: str, schema: pa.Schema) -> pa.Table:
    return pacsv.read_csv(
        io.BytesIO(text.encode()),
        pacsv.ReadOptions(use_threads=False),
        pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pacsv.ConvertOptions(
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def same(found: pa.Table, expected: pa.Table) -> None:
    """Equal names, types and values, every bit of a number included; NaN is NaN."""
    assert found.schema.equals(expected.schema), (found.schema, expected.schema)
    for name in expected.column_names:
        assert [bits(value) for value in found[name].to_pylist()] == [bits(value) for value in expected[name].to_pylist()]


def bits(value: Any) -> Any:
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value.hex()
    return value


def types_of(table: pa.Table) -> dict[str, str]:
    return {name: name.rpartition("_")[0] for name in table.column_names}


many = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(st.data())
def test_csv_reads_as_pyarrow_reads_it(data: st.DataObject) -> None:
    table = data.draw(tables())
    parts = [csv(part) for part in data.draw(cut(table))]
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        write_parts(folder, *parts)
        found = fe.read(folder, types=types_of(table)).to_pyarrow()
        whole = "".join([parts[0], *(part.partition("\n")[2] for part in parts[1:])])
        expected = csv_by_pyarrow(whole, table.schema) if table.num_rows else table
        same(found, expected)
        same(found, table)
        # Some of the columns are the same columns.
        some = data.draw(st.lists(st.sampled_from(table.column_names), min_size=1, unique=True))
        same(fe.read(folder, types=types_of(table), columns=some).to_pyarrow(), table.select(some))
    finally:
        shutil.rmtree(folder)


@many
@given(st.data())
def test_parquet_reads_as_pyarrow_reads_it(data: st.DataObject) -> None:
    table = data.draw(tables())
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        for number, part in enumerate(data.draw(cut(table))):
            pq.write_table(
                part, folder / f"sales_{RUN}_part{number}.parquet",
                row_group_size=data.draw(st.integers(1, 8)), use_dictionary=data.draw(st.booleans()),
                data_page_version=data.draw(st.sampled_from(["1.0", "2.0"])),
                compression=data.draw(st.sampled_from(["none", "snappy", "zstd", "gzip"])),
            )
        files = sorted(folder.iterdir())
        expected = pa.concat_tables(pq.read_table(file, partitioning=None) for file in files)
        found = fe.read(folder).to_pyarrow()
        same(found, expected)
        same(found, table)
        some = data.draw(st.lists(st.sampled_from(table.column_names), min_size=1, unique=True))
        same(fe.read(folder, columns=some).to_pyarrow(), table.select(some))
    finally:
        shutil.rmtree(folder)


@settings(parent=many, max_examples=EXAMPLES // 4)
@given(st.data())
def test_what_is_merged_and_read_is_the_same_table(data: st.DataObject) -> None:
    table = data.draw(tables())
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        write_parts(folder / "in", *(csv(part) for part in data.draw(cut(table))))
        fe.merge(folder / "in", folder / "out.parquet", types=types_of(table), verify=True)
        same(fe.read(folder / "out.parquet").to_pyarrow(), table)
        same(pq.read_table(folder / "out.parquet").replace_schema_metadata(None), table)
    finally:
        shutil.rmtree(folder)
