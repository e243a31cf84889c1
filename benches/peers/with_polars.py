"""One job done by Polars' streaming engine: types and date format given, order kept; see task.py for the arguments."""

import os

from task import COLUMNS, THREADS, TIME_FORMAT, ZSTD_LEVEL, arguments

os.environ["POLARS_MAX_THREADS"] = str(THREADS)

import polars as pl

source, target, codec, output, parts = arguments()
if source == "parquet":
    rows = pl.scan_parquet(parts)
elif target == "csv":
    # Text that becomes text needs no types.
    rows = pl.scan_csv(parts, schema=dict.fromkeys(COLUMNS, pl.String))
else:
    # A date parsed by its format takes half the time of a column of pl.Datetime, whose format is guessed.
    types = {"string": pl.String, "timestamp": pl.String, "double": pl.Float64}
    dates = [name for name, kind in COLUMNS.items() if kind == "timestamp"]
    rows = pl.scan_csv(parts, schema={name: types[kind] for name, kind in COLUMNS.items()}).with_columns(
        pl.col(dates).str.to_datetime(TIME_FORMAT, time_unit="us").dt.replace_time_zone("UTC")
    )

if target == "csv":
    rows.sink_csv(output, datetime_format=TIME_FORMAT, maintain_order=True)
else:
    level = ZSTD_LEVEL if codec == "zstd" else None
    rows.sink_parquet(output, compression=codec, compression_level=level, maintain_order=True)
