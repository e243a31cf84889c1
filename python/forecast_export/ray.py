"""Merges and conversions on a Ray cluster, whose workers have this package installed.

``merge(ray, source, output)`` takes the module ``ray`` after ``ray.init``, and the options of ``forecast_export.dask``.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from ._api import Source
from ._engine import carry_out, run
from ._results import Report

__all__ = ["convert", "merge"]


def merge(ray: ModuleType, source: Source, output: str | os.PathLike[str], **options: Any) -> Report:
    """Merges one run into one file on a Ray cluster."""
    return run(lambda *work: _Tasks(ray, *work), source, output, False, options)


def convert(ray: ModuleType, source: Source, folder: str | os.PathLike[str], **options: Any) -> Report:
    """Converts one run into part files on a Ray cluster."""
    return run(lambda *work: _Tasks(ray, *work), source, folder, True, options)


class _Tasks:
    def __init__(self, ray: Any, place: str, pieces: list[int], options: dict[str, Any]) -> None:
        self._ray, self._place, self._options = ray, place, options
        # What dies with a worker is tried again here, where tries are counted.
        self._task = ray.remote(max_retries=0)(carry_out)
        self._running: dict[Any, int] = {}
        for index in pieces:
            self.again(index)

    def again(self, index: int) -> None:
        self._running[self._task.remote(self._place, index, self._options)] = index

    def look(self) -> list[tuple[int, bytes | BaseException | None]]:
        if not self._running:
            return []
        ended, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        return [(self._running.pop(one), self._outcome(one)) for one in ended]

    def _outcome(self, one: Any) -> bytes | BaseException | None:
        try:
            return self._ray.get(one, timeout=10)  # type: ignore[no-any-return]
        except self._ray.exceptions.RayTaskError as error:
            return error.cause if isinstance(error.cause, BaseException) else error
        except Exception as error:
            return error

    def has_workers(self) -> bool:
        return any(node["Alive"] for node in self._ray.nodes())

    def stop(self) -> None:
        for one in self._running:
            self._ray.cancel(one, force=True)
