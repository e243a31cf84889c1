"""Asks the same of every file: read.py ENGINE, with files, items and rounds as JSON on standard input."""

import json
import resource
import sys


def queries_of_duckdb(items):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set threads = 1")

    def ask(query):
        return lambda file: connection.execute(query.replace("FILE", f"'{file}'")).fetchall()

    return {
        "one item": ask(f"from FILE where item_id = 'item_{items // 2:06}'"),
        "numbers that are nowhere": ask("select count(*) from FILE where p50 > 1e12"),
        "sums": ask("select sum(p10), sum(p50), sum(p90) from FILE"),
        "lengths of texts": ask("select max(length(item_id)), max(length(store)) from FILE"),
        "rows by item": ask("select item_id, count(*) from FILE group by 1"),
        "rows by date": ask("select date, count(*) from FILE group by 1"),
        "means by store": ask("select store, avg(p50) from FILE group by 1"),
        "last date by store": ask("select store, max(date) from FILE group by 1"),
    }


def queries_of_polars(items):
    import polars as pl

    return {
        "one item": lambda f: pl.scan_parquet(f).filter(pl.col("item_id") == f"item_{items // 2:06}").collect(),
        "numbers that are nowhere": lambda f: pl.scan_parquet(f).filter(pl.col("p50") > 1e12).collect(),
        "sums": lambda f: pl.scan_parquet(f).select(pl.col("p10", "p50", "p90").sum()).collect(),
        "rows by date": lambda f: pl.scan_parquet(f).group_by("date").len().collect(),
        "means by store": lambda f: pl.scan_parquet(f).group_by("store").agg(pl.col("p50").mean()).collect(),
        "all rows": pl.read_parquet,
    }


def queries_of_pyarrow(items):
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    def where(condition):
        return lambda file: ds.dataset(file).to_table(filter=condition, use_threads=False)

    return {
        "one item": where(ds.field("item_id") == f"item_{items // 2:06}"),
        "numbers that are nowhere": where(ds.field("p50") > 1e12),
        "keys": lambda file: pq.read_table(file, columns=["item_id", "date", "store"], use_threads=False),
        "all rows": lambda file: pq.read_table(file, use_threads=False),
    }


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


asked = json.load(sys.stdin)
files = asked["files"]
found = {}
queries = {"duckdb": queries_of_duckdb, "polars": queries_of_polars, "pyarrow": queries_of_pyarrow}[sys.argv[1]]
for name, query in queries(asked["items"]).items():
    runs = {writer: [] for writer in files}
    for copies in files.values():
        query(copies[0])
    for i in range(asked["rounds"]):
        writers = list(files)
        # Nobody is always the first.
        first = i % len(writers)
        for writer in writers[first:] + writers[:first]:
            before = cpu()
            query(files[writer][i % len(files[writer])])
            runs[writer].append(cpu() - before)
    found[name] = runs
json.dump(found, sys.stdout)
