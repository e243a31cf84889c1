"""Measures a plan, a piece and a commit on this machine, predicts runs of several workers from them, compares the
predictions for 1, 2 and 4 workers with runs, and predicts what no machine here can run.

The model: a run takes the time of the plan, of all pieces divided among the workers, and of the commit. A worker is one thread
of one core. The figures of S3 are assumptions, which are printed; the requests are counted from the bounds in the code.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

BIN = os.environ["FORECAST_EXPORT_BIN"]
MIB = 1 << 20

# --- assumptions about S3 and machines
#: Bytes a second that one worker reads and writes, together: a core of a machine with 10 Gbit/s for four cores.
WORKER_NETWORK = 10e9 / 8 / 4
#: Copies within S3 that one committer has under way, and how long one of 64 MiB takes.
COPIES_AT_ONCE, COPY_SECONDS = 64, 0.6
#: Seconds for one small request.
REQUEST = 0.05
#: Bytes of a read, of a piece of an upload, and of a copy.
READ, UPLOAD, COPY = 8 * MIB, 8 * MIB, 64 * MIB
#: Dollars for 1,000 requests that write or list, and that read.
PUT_PRICE, GET_PRICE = 0.005, 0.0004


def run(*words: object) -> tuple[float, float]:
    """Wall and CPU seconds of a command and all that it starts."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([BIN, *map(str, words), "-q"], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def clear(output: Path) -> None:
    output.unlink(missing_ok=True)
    Path(f"{output}.receipt.json").unlink(missing_ok=True)
    shutil.rmtree(output.parent / ".forecast-export", ignore_errors=True)


class Costs:
    """What is measured of one kind of work."""

    def __init__(self, source: Path, output: Path, pieces: int, rounds: int) -> None:
        plan = output.with_suffix(".plan")
        self.bytes = sum(part.stat().st_size for part in source.glob("*_part*"))
        plans, done, commits = [], [], []
        for _ in range(rounds):
            clear(output)
            plans.append(run("cluster", "plan", source, "-o", output, "--pieces", pieces, "--plan", plan))
            self.pieces = len(json.loads(plan.read_text())["pieces"])
            done += [run("cluster", "piece", plan, index, "--threads", 1) for index in range(self.pieces)]
            commits.append(run("cluster", "commit", plan))
        self.output = output.stat().st_size
        wall = lambda times: statistics.median(time[0] for time in times)
        cpu = lambda times: statistics.median(time[1] for time in times)
        self.plan, self.piece, self.commit = wall(plans), wall(done), wall(commits)
        self.cpu = cpu(plans) + cpu(done) * self.pieces + cpu(commits)
        self.cpu_of_piece = cpu(done)

    def predicted(self, workers: int) -> float:
        at_once = min(workers, os.cpu_count() or 1)
        return self.plan + math.ceil(self.pieces / at_once) * self.piece + self.commit

    def cpu_for(self, size: float) -> float:
        """CPU seconds of all pieces of an export of this size."""
        return self.cpu_of_piece * self.pieces * size / self.bytes


def run_in_pieces(
    source: object, output: object, plan: Path, workers: int, *flags: object, store: tuple[str, ...] = ()
) -> tuple[float, float]:
    """Wall and CPU seconds of a plan and of all its pieces, on workers of one thread."""
    planned = run("cluster", "plan", source, "-o", output, "--plan", plan, *flags, *store)
    done = run("cluster", "run", plan, "--workers", workers, "--threads", 1, *store)
    return planned[0] + done[0], planned[1] + done[1]


def medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(time[0] for time in times), statistics.median(time[1] for time in times)


def measured_run(source: Path, output: Path, pieces: int, workers: int, rounds: int) -> tuple[float, float]:
    times = []
    for _ in range(rounds):
        clear(output)
        times.append(run_in_pieces(source, output, output.with_suffix(".plan"), workers, "--pieces", pieces))
    return medians(times)


def on_s3(costs: Costs, size: float, parts: int, workers: int, piece: float) -> str:
    """A line of the prediction for an export of this size in S3."""
    pieces = min(math.ceil(size / piece), 10_000)
    output = size * costs.output / costs.bytes
    reads, writes = size / READ + pieces * parts, output / UPLOAD + pieces * 4
    copies = output / COPY
    work = max(costs.cpu_for(size) / workers, (size + output) / workers / WORKER_NETWORK)
    # A piece looks at the heads of all parts, 64 at a time, and a worker is not idle less than one piece at the end.
    looks = math.ceil(pieces / workers) * (3 + math.ceil(parts / 64)) * REQUEST
    commit = copies / COPIES_AT_ONCE * COPY_SECONDS + (pieces / 32 * 2 + 10) * REQUEST
    seconds = (3 + math.ceil(parts / 64)) * REQUEST + work + looks + commit
    dollars = ((writes + copies + pieces * 2) * PUT_PRICE + (reads + pieces * 2) * GET_PRICE) / 1000
    return (
        f"{workers:>7} {pieces:>7} {seconds:>9.0f} {work:>9.0f} {looks:>7.0f} {commit:>7.0f} "
        f"{(reads + writes + copies) / 1000:>9.0f}k {dollars:>8.2f}"
    )


def compared_on_s3(place: str, endpoint: tuple[str, ...], items: int, rounds: int) -> None:
    """What two workers of one thread take against one merge of two threads, in pieces of the
    adapters' size, source and output in S3."""
    source = f"{place}/exports"
    run("sample", source, "--items", items, "--steps", 100, "--parts", 24, "--overwrite", *endpoint)
    print(f"{items * 100:,} rows of CSV in {source}, medians of {rounds} runs\n")
    print(f"{'to':>8} {'merge s':>8} {'CPU s':>7} {'pieces s':>9} {'CPU s':>7} {'of merge':>9}")
    for to in ("parquet", "csv"):
        merges, pieces = [], []
        for turn in range(rounds):
            # Each has a name of its own, or the second would find it up to date.
            target = f"{place}/out{os.getpid()}/{to}{turn}"
            # Through this machine, as pieces are.
            merges.append(run("merge", source, "-o", f"{target}.{to}", "--threads", 2, "--on-server", "never", *endpoint))
            with tempfile.TemporaryDirectory(prefix="scale-") as folder:
                plan, size = Path(folder) / "plan.json", ("--piece-bytes", "256MB")
                pieces.append(run_in_pieces(source, f"{target}-pieces.{to}", plan, 2, *size, store=endpoint))
        (merged, one), (spread, two) = medians(merges), medians(pieces)
        print(f"{to:>8} {merged:>8.2f} {one:>7.2f} {spread:>9.2f} {two:>7.2f} {two / one:>8.2f}x", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--s3", metavar="URL", help="compare with a merge in this place instead, which keeps what is written")
    arguments.add_argument("--endpoint-url", help="of a server that speaks S3")
    arguments.add_argument("--items", type=int, default=100_000, help="items of the export, of 100 rows each")
    arguments.add_argument("--pieces", type=int, default=16)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    if given.s3:
        endpoint = ("--endpoint-url", given.endpoint_url) if given.endpoint_url else ()
        return compared_on_s3(given.s3.rstrip("/"), endpoint, given.items, given.rounds)
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        source = folder / "exports"
        run("sample", source, "--items", given.items, "--steps", 100, "--parts", 24)
        kinds = {}
        for to in ("parquet", "csv"):
            output = folder / "out" / f"sales.{to}"
            output.parent.mkdir(exist_ok=True)
            costs = kinds[to] = Costs(source, output, given.pieces, given.rounds)
            clear(output)
            one, cpu = min(run("merge", source, "-o", output, "--threads", 2, "--overwrite") for _ in range(given.rounds))
            print(
                f"CSV to {to}: {costs.bytes / 1e6:.0f} MB in {costs.pieces} pieces; plan {costs.plan:.3f} s, "
                f"piece {costs.piece:.3f} s, commit {costs.commit:.3f} s; one merge with two threads {one:.2f} s, {cpu:.2f} CPU s"
            )
            print(f"{'workers':>9} {'predicted s':>12} {'measured s':>11} {'CPU s':>7} {'CPU of merge':>13}")
            for workers in (1, 2, 4):
                wall, used = measured_run(source, output, given.pieces, workers, given.rounds)
                print(f"{workers:>9} {costs.predicted(workers):>12.2f} {wall:>11.2f} {used:>7.2f} {used / cpu:>12.2f}x")
            print()
        print(
            f"Assumed of S3: {WORKER_NETWORK / 1e6:.0f} MB/s for each worker, {COPIES_AT_ONCE} copies of {COPY // MIB} MiB at once of "
            f"{COPY_SECONDS} s each, {REQUEST} s for a small request, reads and uploads of {READ // MIB} MiB."
        )
        for title, size, parts, fleet in (
            ("325 GB in 27 parts", 325e9, 27, (1, 2, 4, 8, 16, 32, 64)),
            ("10 TB in 800 parts", 10e12, 800, (64, 250, 1000)),
        ):
            print(f"\n{title}, CSV to Parquet, pieces of 1 GB (at most 10,000)")
            print(f"{'workers':>7} {'pieces':>7} {'seconds':>9} {'work':>9} {'looks':>7} {'commit':>7} {'requests':>10} {'dollars':>8}")
            for workers in fleet:
                print(on_s3(kinds["parquet"], size, parts, workers, 1e9))
        print(
            "\nIt stops scaling where a worker has one piece, where the commit takes longer than the pieces, and at 10,000 pieces: an "
            "upload has no more.\nEach piece looks at all parts, so requests grow with pieces times parts."
        )


if __name__ == "__main__":
    main()
