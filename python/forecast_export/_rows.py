"""Rows as one ordered stream, for whatever takes Arrow."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    import duckdb
    import pandas
    import polars
    import pyarrow

__all__ = ["Rows"]


class Rows:
    """The rows of an export, in order, as a stream that can be read once.

    Whatever takes Arrow's PyCapsule interface takes it as it is: ``polars.DataFrame(rows)``, ``pyarrow.table(rows)``,
    ``pandas.DataFrame.from_arrow(rows)``, or ``duckdb.sql("select * from rows")``. No value is copied on the way, and
    only as many rows are in memory as ``memory`` allows.

    It is an iterator of batches too, and a context manager that closes it. Its threads end when it is read to its end,
    closed, or no longer referenced.

    Example:
        >>> with fe.read("testdata/forecast") as rows:
        ...     sum(len(batch) for batch in rows)
        36
    """

    def __init__(self, stream: _native.Stream) -> None:
        self._stream = stream
        self._is_taken = False

    @property
    def schema(self) -> _native.ArrowSchema:
        """The names and types of the columns."""
        return self._stream.schema

    @property
    def warnings(self) -> list[str]:
        """Unusual findings that are not errors."""
        return self._stream.warnings

    def _take(self) -> _native.Stream:
        if self._is_taken:
            raise ValueError("the rows have been used: they are a stream that is read once; read them again")
        self._is_taken = True
        return self._stream

    def __arrow_c_schema__(self) -> object:
        return self._stream.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._take().capsule(False)

    def __iter__(self) -> Iterator[_native.Batch]:
        return _batches(self._take())

    def __aiter__(self) -> AsyncIterator[_native.Batch]:
        return _later(self._take())

    def _taken_by(self, library: Callable[[Rows], Any]) -> Any:
        """What the library makes of the rows. If they fail, it only knows the text, and this raises the exception."""
        try:
            return library(self)
        except Exception as error:
            failure = self._stream.failure()
            if failure is None:
                raise
            raise failure from error

    def to_pyarrow(self) -> pyarrow.Table:
        """All rows as a ``pyarrow.Table``, without a copy.

        Returns:
            The table.

        Raises:
            DataError: A cell or a part is wrong, found while it is read. No table is returned.
            StoreError: A store kept failing, or (``AccessDenied``) refused.
            ValueError: The rows have been used.
            ImportError: pyarrow is not installed.

        Example:
            >>> fe.read("testdata/forecast").to_pyarrow().shape
            (36, 6)
        """
        table: pyarrow.Table = self._taken_by(_library("pyarrow", "pyarrow").table)
        return table

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a ``pandas.DataFrame``, whose numbers and dates are copied into NumPy's arrays.

        Returns:
            The frame.

        Raises:
            DataError: A cell or a part is wrong, found while it is read. No frame is returned.
            StoreError: A store kept failing, or (``AccessDenied``) refused.
            ValueError: The rows have been used.
            ImportError: pandas or pyarrow is not installed.

        Example:
            >>> fe.read("testdata/forecast", columns=["item_id", "p50"]).to_pandas().shape
            (36, 2)
        """
        frame: Any = _library("pandas", "pandas").DataFrame
        if hasattr(frame, "from_arrow"):
            return self._taken_by(frame.from_arrow)  # type: ignore[no-any-return]
        table = self._taken_by(_library("pyarrow", "pandas").table)
        return table.to_pandas(split_blocks=True, self_destruct=True)  # type: ignore[no-any-return]

    def to_polars(self) -> polars.DataFrame:
        """All rows as a ``polars.DataFrame``, with nothing copied.

        Returns:
            The frame.

        Raises:
            DataError: A cell or a part is wrong, found while it is read. No frame is returned.
            StoreError: A store kept failing, or (``AccessDenied``) refused.
            ValueError: The rows have been used.
            ImportError: Polars is not installed.

        Example:
            >>> fe.read("testdata/forecast").to_polars().height
            36
        """
        library = _library("polars", "polars")
        # Polars keeps strings as views, and would make them of what Arrow's other readers expect.
        frame: polars.DataFrame = self._taken_by(lambda rows: library.DataFrame(_Views(rows)))
        return frame

    def to_duckdb(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """The rows as a relation that DuckDB reads as it needs them, once.

        Args:
            connection: The connection; by default DuckDB's own.

        Returns:
            The relation. DuckDB raises an error of its own, with the text of ours, if the rows fail.

        Raises:
            ValueError: The rows have been used.
            ImportError: DuckDB or pyarrow is not installed.

        Example:
            >>> fe.read("testdata/forecast").to_duckdb().aggregate("count(*)").fetchall()
            [(36,)]
        """
        reader = _library("pyarrow", "duckdb").RecordBatchReader.from_stream(self)
        of = connection if connection is not None else _library("duckdb", "duckdb")
        relation: duckdb.DuckDBPyRelation = of.from_arrow(reader)
        return relation

    def close(self) -> None:
        """Ends the stream and its threads. Whoever still reads it gets an error."""
        self._is_taken = True
        self._stream.close()

    def __enter__(self) -> Rows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = ", used" if self._is_taken else ""
        return f"<Rows: {', '.join(self.schema.names)}{state}>"


def _batches(stream: _native.Stream) -> Iterator[_native.Batch]:
    while (batch := stream.next_batch()) is not None:
        yield batch


async def _later(stream: _native.Stream) -> AsyncIterator[_native.Batch]:
    import asyncio

    while (batch := await asyncio.to_thread(stream.next_batch)) is not None:
        yield batch


def _library(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        text = f"{name} is not installed; install it with: pip install 'forecast-export[{extra}]'"
        raise ImportError(text, name=name) from error


class _Views:
    """Rows for a library that keeps strings as views."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._rows._take().capsule(True)
