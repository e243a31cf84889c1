"""Measures the command beside other engines; benches/peers/run calls it, and says what it does.

This process stays small: it imports nothing but the standard library, since a child's peak memory begins at its own.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

from data import Data
from jobs import all_jobs
from measure import measure
from report import tables
from s3 import S3

HERE = pathlib.Path(__file__).resolve().parent
ITEMS = 100_000
NEEDED_GB = 6


def options():
    parser = argparse.ArgumentParser(prog="benches/peers/run", description="Measures forecast-export beside other engines.")
    parser.add_argument("--quick", action="store_true", help="100 MB instead of 1 GB, and one round: to try it out")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds, of which medians are taken (default 3)")
    parser.add_argument("--jobs", default="", metavar="REGEX", help="only jobs whose name has this in it")
    parser.add_argument("--huge", action="store_true", help="also the jobs that read 5 and 10 GB")
    parser.add_argument("--list", action="store_true", help="names the jobs, and ends")
    parser.add_argument("--dir", default="/dev/shm", help="where data go: a memory file system (default /dev/shm)")
    parser.add_argument("--json", metavar="FILE", help="writes every run there")
    return parser.parse_args()


def check_space(folder, quick):
    free = shutil.disk_usage(folder).free
    with open("/proc/meminfo") as lines:
        memory = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    needed = NEEDED_GB * 1e9 / (10 if quick else 1)
    if min(free, memory) < needed:
        sys.exit(f"error: {needed / 1e9:.1f} GB are needed in {folder}; {min(free, memory) / 1e9:.1f} GB are free")


def once(contender, environment):
    stdout = str(contender.output) if contender.stdout else "/dev/null"
    try:
        return measure([str(word) for word in contender.command], stdout=stdout, environment=environment)
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {contender.name}: exit code {error.returncode}: {error.stderr.strip()}")


def check_equal(name, job, output, parts):
    """Ends everything where the output does not hold the parts' rows."""
    command = [os.environ["PEERS_PYTHON"], HERE / "compare.py", job.target, output, job.source, *parts]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {name}: {done.stderr.strip()[-2000:]}")
    print(f"  {name}: {int(done.stdout):,} rows, equal to the parts'", flush=True)


def measure_job(job, data, rounds):
    """Every contender once to see that its output is right, then all of them in turn, as often as asked for."""
    print(f"{job.name}: {job.title}", flush=True)
    contenders = list(job.contenders(data))
    environment = data.s3.environment if job.s3 else {}
    for contender in contenders:
        once(contender, environment)
        if contender.parts:
            check_equal(contender.name, job, contender.output, contender.parts)
        if contender.output:
            contender.output.unlink()
    if job.s3:
        check_equal(contenders[0].name, job, data.s3.fetch(job.target), data.parts("csv"))
    runs = {contender.name: [] for contender in contenders}
    for i in range(max(rounds, job.runs)):
        first = i % len(contenders)
        for contender in contenders[first:] + contenders[:first]:
            runs[contender.name].append(once(contender, environment))
            if contender.output:
                contender.output.unlink()
    if job.s3:
        data.s3.clear(job.target)
    result = {"title": job.title, "peers": job.is_compared_with_peers, "contenders": {}}
    for contender in contenders:
        usages = runs[contender.name]
        medians = {key: statistics.median(getattr(u, key) for u in usages) for key in ("wall", "cpu", "peak")}
        all_runs = [[u.wall, u.cpu, u.peak] for u in usages]
        result["contenders"][contender.name] = medians | {"bytes": contender.bytes, "runs": all_runs}
        wall, cpu, peak = medians.values()
        print(f"  {contender.name}: {wall:.3f} s, CPU {cpu:.3f} s, {peak:.0f} MB", flush=True)
    return result


def main():
    chosen = options()
    pythons = dict.fromkeys(("DuckDB", "Polars", "pyarrow"), os.environ["PEERS_PYTHON"])
    if os.environ.get("PEERS_CHDB"):
        pythons["chDB"] = os.environ["PEERS_CHDB"]
    jobs = [job for job in all_jobs(pythons) if re.search(chosen.jobs, job.name) and (chosen.huge or not job.huge)]
    if chosen.list:
        print(*(job.name for job in jobs), sep="\n")
        return
    if not jobs:
        sys.exit(f"error: no job's name has {chosen.jobs!r} in it; --list names them")
    check_space(chosen.dir, chosen.quick)
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    folder = tempfile.mkdtemp(prefix="forecast-export-peers.", dir=chosen.dir)
    data = Data(os.environ["FORECAST_EXPORT_BIN"], folder, ITEMS // 10 if chosen.quick else ITEMS)
    data.s3 = S3(data, HERE.parents[1])
    results = {}
    try:
        for i, job in enumerate(jobs):
            results[job.name] = measure_job(job, data, rounds)
            later = {name for later in jobs[i + 1 :] for name in later.needs}
            for name in set(job.needs) - later:
                data.forget(name)
            # What is there is kept also where a later job fails.
            if chosen.json:
                pathlib.Path(chosen.json).write_text(json.dumps({"rounds": rounds, "jobs": results}, indent=1))
    finally:
        data.s3.stop()
        shutil.rmtree(folder)
    print(f"\nmedians of {rounds} interleaved round(s), {data.items * 100:,} rows, {len(os.sched_getaffinity(0))} cores\n")
    print(tables(results))


def stop(*_):
    # As an exception, so that the data are removed.
    sys.exit(143)


signal.signal(signal.SIGTERM, stop)
main()
