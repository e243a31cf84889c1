"""Whether a file holds exactly the rows of some parts, in order: compare.py FORMAT FILE FORMAT PART...

Both are read by pyarrow, a batch at a time. Names, types (string, timestamp in microseconds and UTC, double) and every
bit of every value are compared. Exit code 1, and a line that says where they part, if they do.
"""

import sys

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from task import COLUMNS

TYPES = {"string": pa.string(), "timestamp": pa.timestamp("us", "UTC"), "double": pa.float64()}
SCHEMA = pa.schema([(name, TYPES[kind]) for name, kind in COLUMNS.items()])


def batches(kind, files):
    for file in files:
        if kind == "parquet":
            with pq.ParquetFile(file) as opened:
                check_types(file, opened.schema_arrow)
                for batch in opened.iter_batches(batch_size=65_536):
                    yield batch.cast(SCHEMA)
        else:
            options = pa.csv.ConvertOptions(
                column_types=SCHEMA, timestamp_parsers=[pa.csv.ISO8601], null_values=["", "\\N"], strings_can_be_null=True
            )
            with pa.csv.open_csv(file, convert_options=options) as opened:
                check_types(file, opened.schema)
                yield from opened


def check_types(file, schema):
    plain = pa.schema([(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type) for f in schema])
    if plain != SCHEMA:
        sys.exit(f"{file} has the columns\n{schema}\nnot\n{SCHEMA}")


def bits(column):
    return column.view(pa.int64()) if pa.types.is_floating(column.type) else column


def compare(left, right):
    left, right = (batch for batch in left if batch.num_rows), (batch for batch in right if batch.num_rows)
    row, a, b = 0, next(left, None), next(right, None)
    while a is not None and b is not None:
        rows = min(a.num_rows, b.num_rows)
        for name, x, y in zip(SCHEMA.names, a.columns, b.columns):
            if not bits(x.slice(0, rows)).equals(bits(y.slice(0, rows))):
                at = next(i for i in range(rows) if not bits(x.slice(i, 1)).equals(bits(y.slice(i, 1))))
                sys.exit(f"row {row + at}, {name}: {x[at]} is not {y[at]}")
        row += rows
        a = a.slice(rows) if rows < a.num_rows else next(left, None)
        b = b.slice(rows) if rows < b.num_rows else next(right, None)
    if a is not None or b is not None:
        sys.exit(f"one has more rows than the other: they are equal up to row {row}")
    return row


kind, file, source, *parts = sys.argv[1:]
rows = compare(batches(kind, [file]), batches(source, parts))
if rows == 0:
    sys.exit("there are no rows")
print(rows)
