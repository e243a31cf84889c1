"""Makes the export, compares what every way reads, measures, and prints Markdown; see run."""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

import ways
from ways import OURS, WAYS

HERE = pathlib.Path(__file__).parent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", default="", help="only jobs such as 'csv into Polars frame' that match")
    options = parser.parse_args()
    folders = {"csv": options.work / "csv", "parquet": options.work / "parquet"}
    make(folders, 10_000 if options.quick else 100_000)
    jobs = [(source, target) for source in folders for target in WAYS]
    jobs = [job for job in jobs if re.search(options.jobs, " into ".join(job))]
    for source, target in jobs:
        compare(source, target, folders[source])
    print("All read the same.\n")
    print("| job | engine | wall s | CPU s | peak MB | of which imports | times ours |\n|---|---|--:|--:|--:|--:|--:|")
    for source, target in jobs:
        report(source, target, measured(source, target, folders[source], options.rounds))
    print_overhead(options.work / "small")


def make(folders, items):
    import forecast_export as fe

    for to, folder in folders.items():
        made = fe.sample(folder, items=items, steps=100, parts=24, to=to)
        print(f"{to}: {made.rows:,} rows, {made.bytes / 1e6:.0f} MB in {made.parts} parts")


def compare(source, target, folder):
    """Fails if a way does not read what ours reads: names, types, values and order."""
    import pyarrow as pa

    kinds = ways.schema()

    def as_table(result):
        if isinstance(result, pa.Table):
            table = result
        elif target == "pandas frame":
            table = pa.Table.from_pandas(result, preserve_index=False)
        else:
            table = result.to_arrow()
        return table.cast(kinds).replace_schema_metadata(None)

    def is_same(found, expected):
        if target == "DuckDB aggregate":
            return len(found) == len(expected) and all(map(near, found, expected))
        return as_table(found).equals(as_table(expected))

    expected = WAYS[target][OURS](str(folder), source)
    for engine, read in WAYS[target].items():
        if engine != OURS and not is_same(read(str(folder), source), expected):
            sys.exit(f"{engine} reads {source} into a {target} differently")


def near(one, other):
    """Whether two rows are equal. A sum of doubles depends on the order in which they are added."""
    return all(a == b or (isinstance(a, float) and abs(a - b) <= 1e-9 * abs(b)) for a, b in zip(one, other, strict=True))


def measured(source, target, folder, rounds):
    """What each engine takes, in turn, each time in a new process."""
    found = {engine: [] for engine in WAYS[target]}
    for _ in range(rounds):
        for engine, usages in found.items():
            command = [sys.executable, "-B", str(HERE / "ways.py"), source, target, engine, str(folder)]
            usages.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return found


def report(source, target, found):
    def median(engine, what):
        return statistics.median(usage[what] for usage in found[engine])

    ours = median(OURS, "wall")
    for engine in found:
        figures = f"{median(engine, 'wall'):.2f} | {median(engine, 'cpu'):.2f} | {median(engine, 'peak'):.0f}"
        print(f"| {source} into {target} | {engine} | {figures} | {median(engine, 'base'):.0f} | {median(engine, 'wall') / ours:.1f} |", flush=True)


def print_overhead(folder):
    """The time of a call for an export of one part of 1 KB."""
    import forecast_export as fe

    size = fe.sample(folder, items=1, steps=10, parts=1).bytes
    print(f"\nOne part of {size} bytes, medians of 300 calls:\n")
    calls = {
        "read, all batches": lambda _: sum(map(len, fe.read(folder))),
        "read, to_pyarrow": lambda _: fe.read(folder).to_pyarrow(),
        "ls": lambda _: fe.ls(folder),
        "schema": lambda _: fe.schema(folder),
        "merge to CSV": lambda number: fe.merge(folder, folder.parent / f"out{number}.csv"),
    }
    for name, call in calls.items():
        times = []
        for number in range(310):
            began = time.perf_counter()
            call(number)
            times.append(time.perf_counter() - began)
        print(f"- {name}: {statistics.median(times[10:]) * 1000:.2f} ms")


if __name__ == "__main__":
    main()
