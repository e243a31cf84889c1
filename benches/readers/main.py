"""Has other engines read our Parquet and their own; benches/readers/run calls it, and says what it does."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
OURS, PEERS = "forecast-export", ("DuckDB", "Polars")
ENGINES = ("duckdb", "polars", "pyarrow")
# Where a file lies in memory changes what reading it costs by up to a quarter: rounds take one copy after the other.
COPIES = 3
CODECS = {"snappy": "snappy", "zstd": "zstd:3"}


def options():
    parser = argparse.ArgumentParser(prog="benches/readers/run", description="Measures how others read our Parquet.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows: to try it out")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="rounds, of which medians are taken (default 9)")
    parser.add_argument("--codec", choices=CODECS, default="snappy", help="compression of every file (default snappy)")
    parser.add_argument("--dir", default="/dev/shm", help="where files go: a memory file system (default /dev/shm)")
    return parser.parse_args()


def write(folder, items, codec):
    """The same rows written by everyone; returns copies of their files by the writers."""
    binary = os.environ["FORECAST_EXPORT_BIN"]
    parts, ours = folder / "parts", folder / "ours.parquet"
    subprocess.run([binary, "sample", parts, "--items", str(items), "--steps", "100", "--parts", "12", "-q"], check=True)
    subprocess.run([binary, "merge", parts, "-o", ours, "--compression", CODECS[codec], "-q"], check=True)
    shutil.rmtree(parts)
    files = {OURS: ours} | {name: folder / f"{name}.parquet" for name in ("DuckDB", "Polars", "pyarrow")}
    command = [sys.executable, "-B", HERE / "write.py", codec, *files.values()]
    subprocess.run(command, check=True)
    copies = {name: [file] for name, file in files.items()}
    for number in range(1, COPIES):
        for name, file in files.items():
            copies[name].append(shutil.copyfile(file, file.with_suffix(f".{number}.parquet")))
    return copies


def read(engine, files, items, rounds):
    """Query -> writer -> CPU seconds of every round."""
    asked = json.dumps({"files": {name: [str(file) for file in copies] for name, copies in files.items()}, "items": items, "rounds": rounds})
    environment = os.environ | {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-B", HERE / "read.py", engine]
    done = subprocess.run(command, input=asked, env=environment, text=True, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main():
    chosen = options()
    items = 5_000 if chosen.quick else 50_000
    folder = pathlib.Path(tempfile.mkdtemp(prefix="forecast-export-readers.", dir=chosen.dir))
    try:
        files = write(folder, items, chosen.codec)
        sizes = {name: copies[0].stat().st_size for name, copies in files.items()}
        found = {engine: read(engine, files, items, chosen.rounds) for engine in ENGINES}
    finally:
        shutil.rmtree(folder)
    print(f"median CPU milliseconds of {chosen.rounds} rounds, {items * 100:,} rows, {chosen.codec}\n")
    print("| reader | query | " + " | ".join(files) + " | ours to the better of " + " and ".join(PEERS) + " |")
    print("|---|---" + "|--:" * (len(files) + 1) + "|")
    ratios = []
    for engine, queries in found.items():
        for query, runs in queries.items():
            medians = {name: statistics.median(seconds) for name, seconds in runs.items()}
            # Each round by itself: what slows the machine down slows all of a round.
            better = min(PEERS, key=medians.get)
            ratio = statistics.median(ours / max(theirs, 1e-6) for ours, theirs in zip(runs[OURS], runs[better]))
            ratios.append(ratio)
            cells = " | ".join(f"{1000 * medians[name]:.1f}" for name in files)
            print(f"| {engine} | {query} | {cells} | {ratio:.2f} |")
    print("| | **bytes** | " + " | ".join(f"{size:,}" for size in sizes.values()), end=" | ")
    print(f"{sizes[OURS] / min(sizes[name] for name in PEERS):.4f} |")
    print(f"\nmedian of the ratios: {statistics.median(ratios):.2f}")


def stop(*_):
    # As an exception, so that the files are removed.
    sys.exit(143)


signal.signal(signal.SIGTERM, stop)
main()
