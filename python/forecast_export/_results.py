"""What calls return: frozen values with typed attributes, made from the same JSON as the command prints."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeGuard, TypeVar, cast

__all__ = [
    "Column",
    "Difference",
    "Export",
    "Exports",
    "File",
    "Gap",
    "Job",
    "Part",
    "PlannedPart",
    "Report",
    "SampleReport",
    "Schema",
    "Verified",
    "WrittenFile",
]

_R = TypeVar("_R", bound="Result")

#: How many lines a table in a notebook has at most.
_LINES = 20


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is a list of JSON."""
    return isinstance(value, list)


def is_dict(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is an object of JSON."""
    return isinstance(value, dict)


@dataclass(frozen=True)
class Result:
    """What all results have in common."""

    #: Attributes that are named otherwise in JSON, where Python has the word for itself.
    _NAMES: ClassVar[Mapping[str, str]] = {}
    #: The types of values that are results themselves, or lists of them.
    _PARTS: ClassVar[Mapping[str, type[Result]]] = {}

    @classmethod
    def _of(cls: type[_R], data: Mapping[str, Any]) -> _R:
        values: dict[str, Any] = {}
        for known in dataclasses.fields(cls):
            value = data[cls._NAMES.get(known.name, known.name)]
            part = cls._PARTS.get(known.name)
            if is_list(value):
                value = tuple(part._of(one) if part else one for one in value)
            elif part and value is not None:
                value = part._of(value)
            values[known.name] = value
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, with the names of the command's ``--json``."""
        names = ((known.name, self._NAMES.get(known.name, known.name)) for known in dataclasses.fields(self))
        return {json: _plain(getattr(self, name)) for name, json in names}

    def _repr_html_(self) -> str:
        return _table_of(type(self).__name__, self.to_dict())


def _plain(value: Any) -> Any:
    """A copy, so that nobody changes the result by changing its data."""
    if isinstance(value, Result):
        return value.to_dict()
    if is_list(value) or isinstance(value, tuple):
        return [_plain(one) for one in cast("Sequence[Any]", value)]
    if is_dict(value):
        return {name: _plain(one) for name, one in value.items()}
    return value


def _table_of(title: str, data: Mapping[str, Any]) -> str:
    lines = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th><td style='text-align:left'>{_cell(value)}</td></tr>"
        for name, value in data.items()
        if value not in (None, [], {})
    )
    return f"<table><caption>{html.escape(title)}</caption>{lines}</table>"


def _cell(value: Any) -> str:
    if is_dict(value):
        return _cell([value])
    if not is_list(value):
        return html.escape(str(value))
    lines = [one for one in value if is_dict(one)]
    if value and len(lines) == len(value):
        names = list(dict.fromkeys(name for one in lines for name in one))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{_short(one.get(name))}</td>" for name in names) + "</tr>" for one in lines[:_LINES]
        )
        return f"<table><tr>{head}</tr>{body}</table>{_more(value)}"
    return "<br>".join(html.escape(str(one)) for one in value[:_LINES]) + _more(value)


def _short(value: Any) -> str:
    if value is None:
        return ""
    if is_list(value) or is_dict(value):
        return f"{len(value)} …" if value else ""
    return html.escape(str(value))


def _more(values: Sequence[Any]) -> str:
    return f"<br>… and {len(values) - _LINES} more" if len(values) > _LINES else ""


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _size(number: int) -> str:
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _rows(number: int | None) -> str:
    return "uncounted rows" if number is None else _counted(number, "row")


def _outputs(files: Sequence[WrittenFile]) -> str:
    return files[0].file if len(files) == 1 else _counted(len(files), "file")


@dataclass(frozen=True)
class Column(Result):
    """A column of a table."""

    name: str
    #: The type's name, such as ``double`` or ``timestamp(us, UTC)``.
    type: str
    nullable: bool


@dataclass(frozen=True)
class File(Result):
    """A file that is not a part."""

    #: The path or URL.
    file: str
    bytes: int


@dataclass(frozen=True)
class WrittenFile(Result):
    """A file that was written."""

    #: The path or URL.
    file: str
    bytes: int
    #: ``None`` if they were not counted, because the server copied text unread.
    rows: int | None


@dataclass(frozen=True)
class Gap(Result):
    """Part numbers that are missing between two neighbours."""

    _NAMES = {"first": "from", "last": "to"}

    #: The first number that is missing.
    first: int
    #: The last number that is missing.
    last: int
    #: The file before the gap; ``None`` if the first part is missing.
    after: str | None
    #: The file after the gap.
    before: str


@dataclass(frozen=True)
class Part(Result):
    """A part of an export."""

    #: The path or URL.
    file: str
    #: Its number, or its numbers.
    number: int | tuple[int, ...] | None
    bytes: int
    #: ``csv`` or ``parquet``, by its first bytes, or by its name if it was not opened.
    format: str | None
    #: ``rows``, ``header-only``, ``empty``, ``damaged``, ``not-a-table``, ``archived`` or ``unread``.
    state: str
    #: Rows, if they are known without reading them.
    rows: int | None
    #: Why it cannot be read.
    problem: str | None
    #: What the part was made from, if it has a receipt.
    receipt: Mapping[str, Any] | None = field(hash=False)


@dataclass(frozen=True)
class Export(Result):
    """One run of one job."""

    _PARTS = {"parts": Part, "gaps": Gap}

    #: The folder's path or key.
    folder: str
    #: ``forecast``, ``backtest-forecasts``, ``backtest-accuracy``, ``explainability`` or ``what-if``.
    kind: str
    #: The job's name.
    job: str
    #: The run's timestamp.
    run: str | None
    bytes: int
    #: ``csv`` or ``parquet``; ``None`` if all parts are empty, or the formats are mixed.
    format: str | None
    #: The parts by number.
    parts: tuple[Part, ...]
    #: Numbers that are missing.
    gaps: tuple[Gap, ...]
    #: Files with the same number.
    duplicates: tuple[str, ...]

    def __repr__(self) -> str:
        faults = [_counted(len(self.gaps), "gap")] if self.gaps else []
        faults += [_counted(len(self.duplicates), "duplicate")] if self.duplicates else []
        return (
            f"<Export: {self.job} {self.run or ''} ({self.kind}), {_counted(len(self.parts), 'part')}, "
            f"{_size(self.bytes)}, {', '.join(faults) or 'no gaps'}>"
        )


class Exports(list[Export]):
    """The exports at a location, and what else is there.

    Attributes:
        source: The location.
        strays: Files that are not parts.
        markers: ``_SUCCESS`` and the like.
        receipts: Receipts of outputs.
        receipt_files: Files that are named like receipts, if no file was opened.
        names_only: Whether no file was opened.
        undated: How many exports were left out because their run has no timestamp.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(Export._of(one) for one in data["exports"])
        self.source: str = data["source"]
        self.strays = tuple(File._of(one) for one in data["strays"])
        self.markers = tuple(File._of(one) for one in data["markers"])
        self.receipts: tuple[Mapping[str, Any], ...] = tuple(data["receipts"])
        self.receipt_files = tuple(File._of(one) for one in data["receipt_files"])
        self.names_only: bool = data["names_only"]
        self.undated: int = data["undated"]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, with the names of the command's ``--json``."""
        return {
            "source": self.source,
            "exports": [one.to_dict() for one in self],
            "strays": _plain(self.strays),
            "markers": _plain(self.markers),
            "receipts": _plain(self.receipts),
            "receipt_files": _plain(self.receipt_files),
            "names_only": self.names_only,
            "undated": self.undated,
        }

    def _repr_html_(self) -> str:
        lines = [
            {
                "job": one.job,
                "run": one.run,
                "kind": one.kind,
                "format": one.format,
                "parts": len(one.parts),
                "bytes": _size(one.bytes),
                "gaps": len(one.gaps),
                "duplicates": len(one.duplicates),
            }
            for one in self
        ]
        return _table_of("Exports", {"source": self.source, "exports": lines, "strays": _plain(self.strays)})


@dataclass(frozen=True)
class Report(Result):
    """What a run did."""

    _NAMES = {"from_": "from"}
    _PARTS: ClassVar[Mapping[str, type[Result]]] = {"columns": Column, "outputs": WrittenFile}

    #: The job whose export was read.
    job: str
    #: The runs, oldest first.
    runs: tuple[str, ...]
    #: What the export holds, such as ``forecast``.
    kind: str
    #: The format of the parts: ``csv`` or ``parquet``.
    from_: str
    #: The format of the output.
    to: str
    #: ``copy-on-server``, ``copy-bytes``, ``copy-row-groups`` or ``transcode``.
    strategy: str
    #: The number of parts.
    parts: int
    #: Bytes of the parts.
    bytes_read: int
    #: Rows of the output; ``None`` if they were not counted, because the server copied text unread.
    rows: int | None
    #: The columns of the output.
    columns: tuple[Column, ...]
    #: The digest of the rows, if the output was verified.
    digest: str | None
    #: The files written, in order.
    outputs: tuple[WrittenFile, ...]
    #: Local folders that did not exist and were created, the outermost first.
    created_folders: tuple[str, ...]
    #: Whether the output was up to date, so that nothing was done.
    up_to_date: bool
    #: What the output was made from, and how.
    receipt: Mapping[str, Any] | None = field(hash=False)
    #: Unusual findings that are not errors.
    warnings: tuple[str, ...]
    #: Seconds from start to end.
    seconds: float

    def __repr__(self) -> str:
        rows, output = _rows(self.rows), _outputs(self.outputs)
        if self.up_to_date:
            return f"<Report: up to date: {output}, {rows}>"
        size = _size(sum(file.bytes for file in self.outputs))
        return (
            f"<Report: {rows} from {_counted(self.parts, 'part')}, {_size(self.bytes_read)} -> "
            f"{output}, {size} ({self.strategy}, {self.seconds:.2f} s)>"
        )


@dataclass(frozen=True)
class SampleReport(Report):
    """What ``sample`` wrote. Nothing was read, so what a run reads is empty."""

    #: The run's timestamp.
    run: str
    #: The seed of the values.
    seed: int
    #: Bytes of all parts.
    bytes: int

    @classmethod
    def _of_sample(cls, data: Mapping[str, Any]) -> SampleReport:
        read = {
            "runs": [data["run"]],
            "from": data["to"],
            "strategy": "sample",
            "parts": len(data["outputs"]),
            "bytes_read": 0,
            "digest": None,
            "up_to_date": False,
            "receipt": None,
            "warnings": [],
        }
        return cls._of({**read, **data})

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, with the names of ``sample --json``."""
        names = ("kind", "job", "run", "to", "seed", "rows", "bytes", "columns", "outputs", "created_folders", "seconds")
        return {name: _plain(getattr(self, name)) for name in names}

    def __repr__(self) -> str:
        return (
            f"<SampleReport: {_rows(self.rows)} in {_counted(self.parts, 'part')}, {_size(self.bytes)} "
            f"({self.to} {self.kind}, {self.seconds:.2f} s)>"
        )


@dataclass(frozen=True)
class PlannedPart(Result):
    """A part that a plan reads."""

    #: The path or URL.
    file: str
    bytes: int
    #: Rows, if they are known.
    rows: int | None


@dataclass(frozen=True)
class Difference(Result):
    """Where an output and its source first differ."""

    #: ``columns``, ``cell``, ``row-missing``, ``row-extra``, ``types`` or ``metadata``.
    kind: str
    #: The row, from 1 over all parts.
    row: int | None
    #: The part of the source.
    part: str | None
    #: The row within the part, from 1; a header does not count.
    part_row: int | None
    #: The file of the output.
    file: str | None
    #: The row within that file, from 1.
    file_row: int | None
    #: The column's name.
    column: str | None
    #: The key of the metadata that differs.
    key: str | None
    #: What the source has, as text; ``None`` for null.
    source_value: str | None
    #: What the output has, as text; ``None`` for null.
    output_value: str | None


@dataclass(frozen=True)
class Verified(Result):
    """The proof that an output holds exactly the rows of its source, in order."""

    _PARTS = {"columns": Column, "difference": Difference}

    output: str
    source: str
    #: Always true: a difference is raised as ``NotVerified``.
    equal: bool
    difference: Difference | None
    #: The digest of the rows.
    digest: str | None
    rows: int
    #: The columns of the source, with the types that were compared.
    columns: tuple[Column, ...]
    #: Parts of the source.
    parts: int
    #: Files of the output.
    files: int
    warnings: tuple[str, ...]
    seconds: float

    def __repr__(self) -> str:
        return f"<Verified: {_rows(self.rows)} of {self.output} match {self.source}, in order; digest {self.digest}>"


@dataclass(frozen=True)
class Schema(Result):
    """The columns of an export."""

    _PARTS = {"columns": Column}

    source: str
    kind: str
    #: ``csv`` or ``parquet``.
    format: str
    #: The number of parts.
    parts: int
    #: Rows, if footers tell.
    rows: int | None
    columns: tuple[Column, ...]
    #: What the first part was made from, if it has a receipt.
    receipt: Mapping[str, Any] | None = field(hash=False)
    warnings: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        columns = ", ".join(f"{column.name}: {column.type}" for column in self.columns[:_LINES])
        more = ", …" if len(self.columns) > _LINES else ""
        return f"<Schema: {columns}{more} ({_counted(self.parts, 'part')}, {self.format})>"


@dataclass(frozen=True)
class Job(Result):
    """An export job of Amazon Forecast."""

    #: Its ARN.
    arn: str
    #: What it exports.
    kind: str
    #: Its name, with which the names of its parts begin.
    name: str
    #: Its status, as the service calls it, such as ``ACTIVE``.
    status: str
    #: What went wrong, if anything.
    message: str | None
    #: Where it exports to.
    destination: str | None
    #: ``csv`` or ``parquet``; ``None`` if the service does not say.
    format: str | None
    #: When it was created, as in RFC 3339.
    created: str | None
    #: When its status last changed.
    modified: str | None

    def __repr__(self) -> str:
        return f"<Job: {self.name} is {self.status}: {self.destination or 'without a destination'}>"


