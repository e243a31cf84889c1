"""Writes the rows of one Parquet file by DuckDB, Polars and pyarrow: write.py CODEC SOURCE DUCKDB POLARS PYARROW"""

import sys

import duckdb
import polars
import pyarrow.parquet as pq

codec, source, by_duckdb, by_polars, by_pyarrow = sys.argv[1:]
# The level of ours, where there are levels.
level = 3 if codec == "zstd" else None
leveled = ", compression_level 3" if level else ""
duckdb.sql("set preserve_insertion_order = true")
duckdb.sql(f"copy (from '{source}') to '{by_duckdb}' (format parquet, compression {codec}{leveled})")
polars.read_parquet(source).write_parquet(by_polars, compression=codec, compression_level=level)
pq.write_table(pq.read_table(source), by_pyarrow, compression=codec, compression_level=level)
