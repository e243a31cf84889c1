"""Ctrl-C: at any moment a run ends within a second with KeyboardInterrupt, and leaves nothing."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest
from conftest import CLONE, COMMAND, LIMIT, files_in

import forecast_export as fe

MOMENTS = int(os.environ.get("FORECAST_EXPORT_MOMENTS", "20"))


def within() -> float:
    """A second; more on a machine whose processors others use too, because their turns come in between."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


#: Works until it is interrupted, and says when Python's own exception arrived.
PROGRAM = """
import sys, time
import forecast_export as fe
source, output, what = sys.argv[1:]
def work():
    while True:
        if what == "merge": fe.merge(source, output, overwrite=True, verify=True)
        elif what == "convert": fe.convert(source, output, overwrite=True)
        elif what == "sample": fe.sample(output, items=20_000, steps=100, overwrite=True)
        elif what == "batches":
            for batch in fe.read(source): pass
        elif what.startswith("to_"): getattr(fe.read(source), what)()
        else:
            import duckdb, polars, pyarrow
            takers = {"pyarrow.table": pyarrow.table, "polars.DataFrame": polars.DataFrame, "duckdb": by_duckdb}
            try:
                takers[what](fe.read(source))
            except Exception as error:
                # The library's own error. Ours follows as soon as Python code runs.
                said(error)
def by_duckdb(rows):
    import duckdb
    return duckdb.sql("select sum(p50) from rows").fetchall()
def said(error):
    # DuckDB looks for signals itself, and takes their exceptions for its own.
    raise KeyboardInterrupt if str(error) == "Query interrupted" else error
if what in ("pyarrow.table", "polars.DataFrame", "duckdb", "to_pandas"): import duckdb, pandas, polars, pyarrow
if what.startswith("to_"): __import__(what.removeprefix("to_"))
print("ready", flush=True)
try:
    work()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise
"""


def interrupted(what: str, source: pathlib.Path, output: pathlib.Path, after: float) -> float:
    """Interrupts a program after some seconds; returns how long it then took until the exception arrived."""
    command = [sys.executable, "-c", PROGRAM, str(source), str(output), what]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CLONE)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    time.sleep(after)
    running.send_signal(signal.SIGINT)
    sent = time.monotonic()
    said = running.stdout.readline()
    seconds = time.monotonic() - sent
    _, errors = running.communicate(timeout=LIMIT)
    assert said == "interrupted\n", (said, errors)
    # How Python ends on an interrupt that nobody catches: by the signal itself.
    assert running.returncode == -signal.SIGINT, errors
    assert "KeyboardInterrupt" in errors and "panicked" not in errors
    return seconds


def test_a_merge_that_is_interrupted_at_random_moments_leaves_nothing(large: pathlib.Path, folder: pathlib.Path) -> None:
    moments = random.Random(16)
    longest = 0.0
    for _ in range(MOMENTS):
        output = folder / "all.parquet"
        longest = max(longest, interrupted("merge", large, output, moments.uniform(0, 3)))
        # Either it was the first run, and there is nothing, or there is the whole output of an earlier one.
        if output.exists():
            assert files_in(folder) == ["all.parquet"]
            assert fe.verify(output, against=large).rows == 600_000
            output.unlink()
        assert files_in(folder) == []
    assert longest < within()


@pytest.mark.parametrize("what", ["convert", "sample"])
def test_an_interrupted_conversion_or_sample_leaves_nothing_staged(
    large: pathlib.Path, folder: pathlib.Path, what: str
) -> None:
    moments = random.Random(17)
    for number in range(4):
        output = folder / str(number)
        assert interrupted(what, large, output, moments.uniform(0, 1.5)) < within()
        left = files_in(output) if output.exists() else []
        assert all(name.startswith(("sample_", "_")) and ".tmp" not in name for name in left), left


@pytest.mark.parametrize("what", ["batches", "to_pyarrow", "to_polars", "to_pandas", "pyarrow.table", "polars.DataFrame", "duckdb"])
def test_an_interrupt_while_a_library_reads_ends_it(large: pathlib.Path, folder: pathlib.Path, what: str) -> None:
    moments = random.Random(what)
    for _ in range(4):
        assert interrupted(what, large, folder, moments.uniform(0, 1.5)) < within()


@pytest.mark.parametrize("what", ["to_pyarrow", "to_polars", "polars.DataFrame"])
def test_an_interrupt_ends_a_long_read_whose_batches_are_always_there(
    large: pathlib.Path, folder: pathlib.Path, tmp_path: pathlib.Path, what: str
) -> None:
    parts = sorted(large.glob("*_part*"), key=lambda part: int(part.stem.rpartition("_part")[2]))
    stem = parts[0].stem.rpartition("_part")[0]
    for number, part in enumerate(parts * 10):
        os.link(part, tmp_path / f"{stem}_part{number}.csv")
    for after in (0.2, 0.7):
        assert interrupted(what, tmp_path, folder, after) < within()


def test_a_handler_of_ones_own_ends_a_run_with_its_exception(large: pathlib.Path, folder: pathlib.Path) -> None:
    class Late(Exception):
        pass

    def raise_late(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, raise_late)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Late):
            fe.merge(large, folder / "all.parquet")
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Late):
            for _ in range(100):
                fe.read(large).to_pyarrow()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert files_in(folder) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_ends_as_the_program_does(
    large: pathlib.Path, folder: pathlib.Path, number: signal.Signals, code: int
) -> None:
    command = [str(COMMAND), "merge", str(large), "-o", str(folder / "all.parquet"), "--verify"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(0.6)
    running.send_signal(number)
    _, errors = running.communicate(timeout=LIMIT)
    assert running.returncode == code, errors
    assert "Traceback" not in errors
    assert files_in(folder) == []


def test_a_closed_pipe_is_quiet(large: pathlib.Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{COMMAND} merge {large} -o - --to csv | head -c 10"], capture_output=True, timeout=LIMIT
    )
    assert (done.stdout, done.stderr) == (b"item_id,da", b"")
