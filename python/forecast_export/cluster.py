"""Work in pieces, for many machines or to go on after a crash.

``plan`` checks everything and cuts the work into pieces, ``piece`` carries out one of them anywhere, and ``commit`` puts
them together. ``forecast_export.dask``, ``.spark`` and ``.ray`` do all three on an engine.

Example:
    >>> plan = fe.cluster.plan("testdata/forecast", folder / "pieces.parquet", pieces=3)
    >>> for index in range(plan.pieces):
    ...     _ = fe.cluster.piece(plan, index)
    >>> fe.cluster.commit(plan).rows
    36
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _native
from ._api import Progress, Source, _given, _log, _named, _warn, _watch
from ._progress import telling
from ._results import Report, Result

__all__ = ["ClusterPlan", "FailedPiece", "PieceReport", "Status", "commit", "piece", "plan", "status"]


@dataclass(frozen=True)
class ClusterPlan:
    """The plan of divided work: a JSON document without credentials, times or the names of machines.

    Attributes:
        document: The JSON document.
        id: Its hash, which names the folder of what is staged.
        pieces: The number of pieces; they are numbered from 0.
        bytes: Bytes that all pieces read.
        output: The output.
        converts: Whether the output is a folder of part files.
    """

    document: str = field(repr=False)
    id: str
    pieces: int
    bytes: int
    output: str
    converts: bool

    @classmethod
    def parse(cls, document: str) -> ClusterPlan:
        """Reads a plan from its JSON document."""
        data = json.loads(document)
        size = sum(one["bytes"] for one in data["pieces"])
        return cls(document, data["id"], len(data["pieces"]), size, data["output"], data["converts"])

    @classmethod
    def read(cls, place: str | os.PathLike[str], **aws: Any) -> ClusterPlan:
        """Reads a plan from a file or an object.

        Args:
            place: A path or URL.
            **aws: How AWS is reached, as in ``merge``.
        """
        return cls.parse(_native.cluster_read(os.fspath(place), _given(aws), _watch()))

    def write(self, place: str | os.PathLike[str], **aws: Any) -> None:
        """Writes the plan to a file or an object.

        Args:
            place: A path or URL.
            **aws: How AWS is reached and objects are written, as in ``merge``.
        """
        _native.cluster_write(self.document, os.fspath(place), _given(aws), _watch())

    def to_dict(self) -> dict[str, Any]:
        """The document as data."""
        data: dict[str, Any] = json.loads(self.document)
        return data


@dataclass(frozen=True)
class PieceReport(Result):
    """What became of a piece."""

    #: The plan's id.
    plan: str
    #: The number of the piece.
    index: int
    rows: int
    #: Bytes that were staged.
    bytes: int
    #: Whether it was done before, or the plan was committed, so that nothing was done.
    was_done: bool


@dataclass(frozen=True)
class FailedPiece(Result):
    """A piece that has failed."""

    index: int
    #: The error, as ``Error.to_dict`` gives it.
    error: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Status(Result):
    """How far a plan is."""

    _PARTS = {"failed": FailedPiece}

    #: The plan's id.
    plan: str
    output: str
    #: The number of pieces.
    pieces: int
    #: The pieces that are done.
    done: tuple[int, ...]
    #: The pieces that are not done.
    missing: tuple[int, ...]
    #: Those of them that have failed, with the last error.
    failed: tuple[FailedPiece, ...]
    #: Whether the output is there and up to date.
    committed: bool

    def __repr__(self) -> str:
        state = "committed" if self.committed else f"{len(self.done)} of {self.pieces} pieces are done"
        return f"<Status: {self.output}, {state}>"


def plan(
    source: Source,
    output: str | os.PathLike[str],
    *,
    pieces: int | None = None,
    piece_bytes: int | str | None = None,
    convert: bool | None = None,
    **options: Any,
) -> ClusterPlan:
    """Plans a merge or a conversion in pieces: checks everything, and writes nothing.

    The same question gives the same plan, so a second call goes on with what the first has left.

    Args:
        source: What to read, as in ``merge``. A local path must be the same on every machine.
        output: The file or the folder to write.
        pieces: Into about how many pieces to divide the work. By default pieces read 256 MB.
        piece_bytes: How much a piece reads: bytes, or a text such as "256MiB".
        convert: Whether ``output`` is a folder of part files. By default if it ends with a slash or is a folder.
        **options: As in ``merge`` and ``convert``, but for splitting.

    Returns:
        The plan.

    Raises:
        Error: As ``merge``.
    """
    target = os.fspath(output)
    into_folder = convert if convert is not None else target.endswith("/") or os.path.isdir(target)
    size = _bytes(piece_bytes if piece_bytes is not None or pieces is not None else "256MB")
    given = _given(options)
    document = _native.cluster_plan(_named(source), (target, into_folder), (pieces, size), given, _watch())
    return ClusterPlan.parse(document)


def piece(plan: ClusterPlan, index: int, *, progress: Progress = None, **options: Any) -> PieceReport:
    """Carries out a piece. If that has been done before, nothing is done.

    Args:
        plan: The plan.
        index: The number of the piece, from 0.
        progress: As in ``merge``.
        **options: What this machine brings along: ``memory``, ``threads``, how objects are written and how AWS is
            reached, as in ``merge``.

    Returns:
        What became of it.

    Raises:
        StoreError: A later try may help.
        Error: Nothing helps but what the error says.
    """
    tell, end = telling(progress)
    try:
        done = _native.cluster_piece(plan.document, index, _given(options), _watch(tell))
    finally:
        end()
    return PieceReport._of(json.loads(done))


def commit(plan: ClusterPlan, *, progress: Progress = None, **options: Any) -> Report:
    """Puts the pieces together, publishes the output, and removes what was staged.

    Args:
        plan: The plan.
        progress: As in ``merge``.
        **options: As in ``piece``.

    Returns:
        The report of the merge or the conversion.

    Raises:
        Incomplete: Pieces are missing; the text has their numbers.
        DataError: Parts have changed since the plan was made.
        Error: As ``merge``.
    """
    return _commit(plan, False, progress, options)


def _commit(plan: ClusterPlan, resume: bool, progress: Progress, options: Mapping[str, Any]) -> Report:
    tell, end = telling(progress)
    try:
        done = _native.cluster_commit(plan.document, resume, _given(options), _watch(tell))
    finally:
        end()
    report = Report._of(json.loads(done))
    _warn(report.warnings)
    _log.info("%r", report)
    return report


#: How stores are reached, and how objects are written there.
OF_STORES = frozenset(
    ("session", "profile", "region", "endpoint_url", "role_arn", "external_id", "no_sign_request", "request_payer")
    + ("retry_timeout",)
)
OF_OBJECTS = frozenset(("sse", "sse_kms_key_id", "sse_bucket_key", "tag", "storage_class", "checksum"))
#: Of ``piece`` and ``commit``; the other options are in the plan.
OF_MACHINES = OF_STORES | OF_OBJECTS | {"memory", "threads"}


def resumed(source: Source, output: str | os.PathLike[str], progress: Progress, options: Mapping[str, Any]) -> Report:
    """A merge in pieces on this machine, which goes on where an earlier call ended."""
    made = plan(source, output, piece_bytes=10**9, convert=False, **options)
    brought = {name: value for name, value in options.items() if name in OF_MACHINES}
    return _commit(made, True, progress, brought)


def status(plan: ClusterPlan, **options: Any) -> Status:
    """Tells what is done, what is missing, and what has failed.

    Args:
        plan: The plan.
        **options: How AWS is reached, as in ``merge``.

    Returns:
        How far the plan is.
    """
    return Status._of(json.loads(_native.cluster_status(plan.document, _given(options), _watch())))


_UNITS = {"": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def _bytes(size: int | str | None) -> int | None:
    if size is None or isinstance(size, int):
        return size
    digits = size.rstrip("BbKkMmGgTtIi")
    unit = _UNITS.get(size[len(digits) :].upper().removesuffix("B"))
    if not digits.isdigit() or unit is None:
        raise ValueError(f"piece_bytes: {size!r} is not a size such as 256MB or 1GiB")
    return int(digits) * unit
