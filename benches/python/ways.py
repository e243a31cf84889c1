"""Every way to read an export that is measured: one of them, by `ways.py SOURCE TARGET ENGINE FOLDER`, prints what it took as
JSON."""

import json
import os
import pathlib
import resource
import sys
import time

THREADS = 2
# Before they are imported.
os.environ["POLARS_MAX_THREADS"] = str(THREADS)
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
TEXTS, DATE, NUMBERS = ["item_id", "store"], "date", ["p10", "p50", "p90"]
NAMES = ["item_id", "date", "store", "p10", "p50", "p90"]
# What DuckDB counts and sums.
SUMMARY = "select store, count(*), sum(p50), max(p90), epoch_us(min(date)) from {} group by store order by store"
NEEDED = ["store", "p50", "p90", "date"]


def parts(folder):
    found = pathlib.Path(folder).glob("*_part*")
    return [str(path) for path in sorted(found, key=lambda path: int(path.stem.rpartition("_part")[2]))]


def by_package(folder, **options):
    import forecast_export as fe

    return fe.read(folder, threads=THREADS, **options)


def by_polars(folder, source):
    import polars as pl

    if source == "parquet":
        return pl.scan_parquet(parts(folder)).collect()
    kinds = {name: pl.Float64 if name in NUMBERS else pl.String for name in NAMES}
    # A date parsed by its format takes half the time of a column of pl.Datetime, whose format is guessed.
    date = pl.col(DATE).str.to_datetime(TIME_FORMAT, time_unit="us").dt.replace_time_zone("UTC")
    return pl.scan_csv(parts(folder), schema=kinds).with_columns(date).collect()


def schema():
    import pyarrow as pa

    kinds = {DATE: pa.timestamp("us", "UTC"), **dict.fromkeys(TEXTS, pa.string()), **dict.fromkeys(NUMBERS, pa.float64())}
    return pa.schema([(name, kinds[name]) for name in NAMES])


def csv_options():
    import pyarrow.csv

    return pyarrow.csv.ConvertOptions(
        column_types=schema(), timestamp_parsers=[pyarrow.csv.ISO8601], null_values=[""], strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def by_pyarrow(folder, source):
    import pyarrow as pa
    import pyarrow.csv

    pa.set_cpu_count(THREADS)
    if source == "csv":
        return pa.concat_tables(pyarrow.csv.read_csv(part, convert_options=csv_options()) for part in parts(folder))
    return by_dataset(folder, source)


def by_dataset(folder, source):
    import pyarrow as pa
    import pyarrow.dataset as ds

    pa.set_cpu_count(THREADS)
    form = ds.CsvFileFormat(convert_options=csv_options()) if source == "csv" else "parquet"
    return ds.dataset(parts(folder), format=form, schema=schema()).to_table()


def by_pandas(folder, source):
    import pandas as pd
    import pyarrow as pa

    pa.set_cpu_count(THREADS)
    if source == "parquet":
        return pd.read_parquet(parts(folder))
    # The pyarrow engine reads one file at a time.
    types = {**dict.fromkeys(TEXTS, "str"), **dict.fromkeys(NUMBERS, "float64")}
    frames = [
        # Else an item whose id is "nan" has none.
        pd.read_csv(
            part, engine="pyarrow", dtype=types, parse_dates=[DATE], date_format=TIME_FORMAT, keep_default_na=False,
            na_values=[""],
        )
        for part in parts(folder)
    ]
    frame = pd.concat(frames, ignore_index=True)
    frame[DATE] = frame[DATE].dt.as_unit("us")
    return frame


def duckdb_rows(folder, source):
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}; SET preserve_insertion_order = true; SET TimeZone = 'UTC'")
    if source == "parquet":
        return connection, f"read_parquet({parts(folder)!r})"
    kinds = {name: "DOUBLE" if name in NUMBERS else "TIMESTAMPTZ" if name == DATE else "VARCHAR" for name in NAMES}
    rows = (
        f"read_csv({parts(folder)!r}, columns = {kinds!r}, auto_detect = false, header = true, delim = ',', quote = '\"', "
        f"escape = '\"', new_line = '\\n', timestampformat = '{TIME_FORMAT}')"
    )
    return connection, rows


def by_duckdb(folder, source):
    connection, rows = duckdb_rows(folder, source)
    return connection.sql(f"from {rows}")


def summary_by_duckdb(folder, source):
    connection, rows = duckdb_rows(folder, source)
    return connection.sql(SUMMARY.format(rows)).fetchall()


def summary_by_package(folder, _):
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}; SET TimeZone = 'UTC'")
    rows = by_package(folder, columns=NEEDED)
    return connection.sql(SUMMARY.format("rows")).fetchall()


def into_polars(table):
    import polars as pl

    return pl.from_arrow(table)


OURS = "forecast-export"
WAYS = {
    "Polars frame": {
        OURS: lambda folder, _: by_package(folder).to_polars(),
        "Polars": by_polars,
        "pyarrow": lambda folder, source: into_polars(by_pyarrow(folder, source)),
        "DuckDB": lambda folder, source: by_duckdb(folder, source).pl(),
    },
    "pyarrow table": {
        OURS: lambda folder, _: by_package(folder).to_pyarrow(),
        "pyarrow": by_pyarrow,
        "pyarrow dataset": by_dataset,
        "Polars": lambda folder, source: by_polars(folder, source).to_arrow(),
        "DuckDB": lambda folder, source: by_duckdb(folder, source).to_arrow_table(),
    },
    "pandas frame": {
        OURS: lambda folder, _: by_package(folder).to_pandas(),
        "pandas": by_pandas,
    },
    "DuckDB aggregate": {OURS: summary_by_package, "DuckDB": summary_by_duckdb},
}


def imported(target, engine):
    """Imports are not what is measured. pyarrow's are of use to all that is in Arrow's memory."""
    if engine == OURS:
        import forecast_export  # noqa: F401
    if "DuckDB" in (target.partition(" ")[0], engine):
        import duckdb  # noqa: F401
    if "Polars" in (target.partition(" ")[0], engine):
        import polars  # noqa: F401
    if "pyarrow" in target + engine or engine == "DuckDB" and target != "DuckDB aggregate":
        import pyarrow.csv
        import pyarrow.dataset  # noqa: F401
    if target == "pandas frame":
        import pandas  # noqa: F401


def peak():
    """The most memory that this process had, in MB; that of the process that started it is not in it."""
    status = pathlib.Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e6


def main():
    source, target, engine, folder = sys.argv[1:]
    imported(target, engine)
    base, before = peak(), resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    result = WAYS[target][engine](folder, source)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak(), "base": base, "rows": len(result)}))


if __name__ == "__main__":
    main()
