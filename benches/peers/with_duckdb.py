"""One job done by DuckDB: types given, nothing guessed, order kept; see task.py for the arguments."""

import duckdb

from task import COLUMNS, THREADS, TIME_FORMAT, ZSTD_LEVEL, arguments

TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ", "double": "DOUBLE"}

source, target, codec, output, parts = arguments()
connection = duckdb.connect()
connection.execute(f"SET threads = {THREADS}; SET preserve_insertion_order = true; SET TimeZone = 'UTC'")

if source == "csv":
    # Text that becomes text needs no types.
    columns = {name: "VARCHAR" if target == "csv" else TYPES[kind] for name, kind in COLUMNS.items()}
    rows = (
        f"read_csv({parts!r}, columns = {columns!r}, auto_detect = false, header = true, delim = ',', quote = '\"', "
        f"escape = '\"', new_line = '\\n', timestampformat = '{TIME_FORMAT}')"
    )
else:
    rows = f"read_parquet({parts!r})"

if target == "csv":
    options = f"FORMAT csv, HEADER, TIMESTAMPFORMAT '{TIME_FORMAT}'"
else:
    options = f"FORMAT parquet, COMPRESSION {codec}" + (f", COMPRESSION_LEVEL {ZSTD_LEVEL}" if codec == "zstd" else "")
connection.execute(f"COPY (FROM {rows}) TO '{output}' ({options})")
