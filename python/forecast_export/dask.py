"""Merges and conversions on a Dask cluster, whose workers have this package installed.

``merge(client, source, output)`` and ``convert(client, source, folder)`` take the options of ``forecast_export.merge`` and
``.convert``, and besides:

- ``pieces`` or ``piece_bytes``: into how many pieces, or of which size, the work is divided;
- ``deadline``: a timedelta, seconds or a text such as "2h", after which the call fails;
- ``progress``: a function that takes an ``Event``.

The same call after a crash of the client, the workers or the scheduler does only what is missing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ._api import Source
from ._engine import carry_out, run
from ._results import Report

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["convert", "merge"]


def merge(client: Client, source: Source, output: str | os.PathLike[str], **options: Any) -> Report:
    """Merges one run into one file on a Dask cluster."""
    return run(lambda *work: _Tasks(client, *work), source, output, False, options)


def convert(client: Client, source: Source, folder: str | os.PathLike[str], **options: Any) -> Report:
    """Converts one run into part files on a Dask cluster."""
    return run(lambda *work: _Tasks(client, *work), source, folder, True, options)


class _Tasks:
    def __init__(self, client: Client, place: str, pieces: list[int], options: dict[str, Any]) -> None:
        self._client, self._place, self._options = client, place, options
        self._running: dict[int, Future] = {}
        for index in pieces:
            self.again(index)

    def again(self, index: int) -> None:
        self._running[index] = self._client.submit(carry_out, self._place, index, self._options, pure=False)

    def look(self) -> list[tuple[int, bytes | BaseException | None]]:
        ended = [(index, future) for index, future in self._running.items() if future.done()]
        for index, _ in ended:
            del self._running[index]
        return [(index, self._outcome(future)) for index, future in ended]

    @staticmethod
    def _outcome(future: Future) -> bytes | BaseException | None:
        try:
            return future.result(timeout=10)  # type: ignore[no-any-return]
        except Exception as error:
            return error

    def has_workers(self) -> bool:
        return bool(self._client.scheduler_info()["workers"])

    def stop(self) -> None:
        self._client.cancel(list(self._running.values()), force=True)
