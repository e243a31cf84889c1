"""Merges and conversions on a Spark cluster, whose executors have this package installed.

``merge(spark, source, output)`` and ``convert(spark, source, folder)`` take a ``SparkSession`` and the options of
``forecast_export.dask``. No row passes through Spark: each task carries out pieces, and Spark places them and tries
again.
"""

from __future__ import annotations

import os
import queue
import threading
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ._api import Source
from ._engine import carry_out, run
from ._results import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["convert", "merge"]


def merge(spark: SparkSession, source: Source, output: str | os.PathLike[str], **options: Any) -> Report:
    """Merges one run into one file on a Spark cluster."""
    return run(lambda *work: _Tasks(spark, *work), source, output, False, options)


def convert(spark: SparkSession, source: Source, folder: str | os.PathLike[str], **options: Any) -> Report:
    """Converts one run into part files on a Spark cluster."""
    return run(lambda *work: _Tasks(spark, *work), source, folder, True, options)


class _Tasks:
    """Each piece is a job of one task, so that each can be seen to end. Spark tries a task that fails again by itself."""

    def __init__(self, spark: SparkSession, place: str, pieces: list[int], options: dict[str, Any]) -> None:
        self._context = spark.sparkContext
        self._place, self._options = place, options
        self._group = f"forecast-export-{uuid.uuid4()}"
        self._ended: queue.Queue[tuple[int, bytes | BaseException | None]] = queue.Queue()
        self._waiting: queue.Queue[int] = queue.Queue()
        for index in pieces:
            self._waiting.put(index)
        self._is_stopped = threading.Event()
        # Jobs beyond what the executors run at once would only wait.
        lanes = max(2, min(len(pieces), 2 * self._context.defaultParallelism))
        self._lanes = [threading.Thread(target=self._lane, daemon=True) for _ in range(lanes)]
        for lane in self._lanes:
            lane.start()

    def _lane(self) -> None:
        self._context.setJobGroup(self._group, "forecast-export", interruptOnCancel=True)
        place, options = self._place, self._options

        def work(indexes: Iterator[int]) -> Iterator[bytes | None]:
            return (carry_out(place, index, options) for index in indexes)

        while not self._is_stopped.is_set():
            try:
                index = self._waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                [outcome] = self._context.parallelize([index], 1).mapPartitions(work).collect()
            except Exception as error:
                self._ended.put((index, error))
            else:
                self._ended.put((index, outcome))

    def again(self, index: int) -> None:
        self._waiting.put(index)

    def look(self) -> list[tuple[int, bytes | BaseException | None]]:
        ended = []
        while not self._ended.empty():
            ended.append(self._ended.get())
        return ended

    def has_workers(self) -> bool:
        # The driver is among them, unless it is the only one that there is.
        state = self._context._jsc.sc().getExecutorMemoryStatus().size()
        is_local = self._context.master.startswith("local")
        return bool(is_local or state > 1)

    def stop(self) -> None:
        self._is_stopped.set()
        self._context.cancelJobGroup(self._group)
