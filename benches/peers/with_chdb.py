"""One job done by chDB, which is ClickHouse; see task.py for the arguments.

It keeps the order of files only where one thread reads them; parsing and encoding may still take more.
"""

import os

from chdb import session

from task import COLUMNS, ROW_GROUP_ROWS, THREADS, ZSTD_LEVEL, arguments

TYPES = {"string": "Nullable(String)", "timestamp": "Nullable(DateTime64(6, ''UTC''))", "double": "Nullable(Float64)"}
FORMATS = {"csv": "CSVWithNames", "parquet": "Parquet"}

source, target, codec, output, parts = arguments()
# The parts as one name, of which only the number varies: /folder/part{0,1,2}.csv is read in this order.
prefix, suffix = os.path.commonprefix(parts), os.path.commonprefix([part[::-1] for part in parts])[::-1]
if len(parts) == 1:
    files = parts[0]
else:
    files = prefix + "{" + ",".join(part[len(prefix) : -len(suffix)] for part in parts) + "}" + suffix

selected = "*"
structure = ""
if source == "csv":
    # Text that becomes text needs no types.
    kinds = {name: "Nullable(String)" if target == "csv" else TYPES[kind] for name, kind in COLUMNS.items()}
    structure = ", '" + ", ".join(f"{name} {kind}" for name, kind in kinds.items()) + "'"
elif target == "csv":
    # A DateTime is printed without a fraction of the second.
    selected = ", ".join(
        f"toDateTime({name}, 'UTC') AS {name}" if kind == "timestamp" else name for name, kind in COLUMNS.items()
    )
settings = {
    "max_threads": 1,
    "max_parsing_threads": THREADS,
    "input_format_parquet_preserve_order": 1,
    "output_format_parquet_compression_method": f"'{codec}'",
    "output_format_parquet_row_group_size": ROW_GROUP_ROWS,
    "output_format_compression_level": ZSTD_LEVEL,
    "date_time_input_format": "'best_effort'",
    "date_time_output_format": "'iso'",
    "session_timezone": "'UTC'",
}
session.Session().query(
    f"INSERT INTO FUNCTION file('{output}', '{FORMATS[target]}') "
    f"SELECT {selected} FROM file('{files}', '{FORMATS[source]}'{structure}) "
    "SETTINGS " + ", ".join(f"{name} = {value}" for name, value in settings.items())
)
