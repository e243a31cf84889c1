"""Threads and processes: calls at once, the GIL, and what a fork may do."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from conftest import LIMIT, run_python

import forecast_export as fe


def test_several_threads_may_call_at_once(folder: pathlib.Path) -> None:
    def work(number: int) -> tuple[int | None, int, int]:
        merged = fe.merge("testdata/forecast", folder / f"{number}.parquet").rows
        read = sum(len(batch) for batch in fe.read("testdata/forecast"))
        with pytest.raises(fe.Incomplete):
            fe.read("testdata/bad_gap")
        return merged, read, fe.read(folder / f"{number}.parquet").to_pyarrow().num_rows

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [(36, 36, 36)] * 40


def test_other_threads_go_on_while_a_run_works(large: pathlib.Path, folder: pathlib.Path) -> None:
    counted, done = 0, threading.Event()

    def count() -> None:
        nonlocal counted
        while not done.wait(0.005):
            counted += 1

    counting = threading.Thread(target=count)
    counting.start()
    started = time.monotonic()
    fe.merge(large, folder / "all.parquet")
    fe.read(large).to_pyarrow()
    seconds = time.monotonic() - started
    done.set()
    counting.join()
    # With the GIL held throughout it would be a few.
    assert counted > seconds / 0.005 / 5


def test_two_threads_may_read_one_stream(large: pathlib.Path) -> None:
    rows = fe.read(large)
    stream = rows._take()
    counts = [0, 0]

    def read(number: int) -> None:
        while (batch := stream.next_batch()) is not None:
            counts[number] += len(batch)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert sum(counts) == 600_000


def test_another_thread_may_close_a_stream(large: pathlib.Path) -> None:
    rows = fe.read(large)
    reader = pa.RecordBatchReader.from_stream(rows)
    reader.read_next_batch()
    closing = threading.Timer(0.05, rows.close)
    closing.start()
    with pytest.raises(pa.ArrowInvalid, match="closed before the last"):
        while True:
            reader.read_next_batch()
            time.sleep(0.02)
    closing.join()


# Processes. They begin in a Python of their own: a test runner has threads that a fork would lose.


FORKED = """
import os, sys
import forecast_export as fe

def read():
    return sum(len(batch) for batch in fe.read("testdata/forecast"))

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
            os._exit(9)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def test_a_fork_after_use_works() -> None:
    done = run_python(
        FORKED + """
assert read() == 36
def child():
    assert read() == 36
    assert in_child(lambda: print(read(), flush=True)) == 0
assert in_child(child) == 0
assert read() == 36
print("parent", read())
"""
    )
    assert (done.returncode, done.stdout) == (0, "36\nparent 36\n"), done.stderr


def test_a_fork_while_rows_are_open_is_told_what_to_do() -> None:
    done = run_python(
        FORKED + """
rows = fe.read("testdata/forecast")
print(in_child(read))
print(in_child(lambda: next(iter(rows))))
print(in_child(rows.close), in_child(lambda: repr(rows)))
print(sum(len(batch) for batch in rows))
"""
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0].startswith("RuntimeError this process was forked while forecast_export was at work")
    assert 'multiprocessing.get_context("spawn")' in lines[0]
    assert lines[1:] == [
        "9", "RuntimeError these rows were opened before the process was forked; read them again", "9", "0 0", "36"
    ]


def test_a_fork_in_a_thread_while_another_works_is_told_what_to_do(large: pathlib.Path) -> None:
    done = run_python(
        FORKED + """
import threading, time
work = threading.Thread(target=lambda: fe.read(sys.argv[1]).close() or fe.merge(sys.argv[1], sys.argv[2]))
work.start()
time.sleep(0.3)
print(in_child(read))
work.join()
print(in_child(read))
""",
        large, large.parent / "forked.parquet",
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0].startswith("RuntimeError this process was forked") and lines[1:] == ["9", "0"]


def rows_of(source: str) -> int:
    return fe.read(source).to_pyarrow().num_rows


def failure_of(source: str) -> None:
    fe.read(source)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_worker_processes_read_and_send_errors_back(method: Any) -> None:
    assert rows_of("testdata/forecast") == 36
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(rows_of, ["testdata/forecast"] * 4).get(LIMIT) == [36] * 4
        with pytest.raises(fe.Incomplete) as caught:
            pool.apply_async(failure_of, ["testdata/bad_gap"]).get(LIMIT)
    assert caught.value.missing == [1]


def test_a_process_that_ends_with_an_open_stream_ends_at_once(large: pathlib.Path) -> None:
    started = time.monotonic()
    done = run_python("import sys, forecast_export as fe; rows = iter(fe.read(sys.argv[1])); next(rows)", large)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started < 10
