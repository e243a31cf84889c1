"""The exceptions: one class for each exit code of the command, and some beneath."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from itertools import chain, islice
from typing import Any

from ._results import Difference, Gap, is_dict

__all__ = [
    "AccessDenied",
    "DataError",
    "Error",
    "FileError",
    "Incomplete",
    "JobNotActive",
    "NotFound",
    "NotVerified",
    "OutputExists",
    "StoreError",
    "UsageError",
]


class Error(Exception):
    """What every exception of this package is.

    The text says what happened, where, and what helps.

    Attributes:
        exit_code: The command's exit code for it.
        hint: What helps, if that is known.
    """

    exit_code: int = 1
    hint: str | None = None
    _data: Mapping[str, Any] = {}

    def to_dict(self) -> dict[str, Any]:
        """The error as data: ``code``, ``kind``, ``case``, ``fields`` and ``message``."""
        return {**self._data, "message": str(self)}

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), dict(self._data), str(self), self.hint)

    def _take(self, fields: Mapping[str, Any]) -> None:
        """Takes what the library tells as attributes."""


class UsageError(Error, ValueError):
    """The request itself makes no sense: an unknown option, a bad pattern, options that exclude each other."""

    exit_code = 2


class NotFound(Error, FileNotFoundError):
    """There is nothing at the source.

    Attributes:
        source: The place, job or run that was not found.
    """

    exit_code = 3
    source: str = ""

    def _take(self, fields: Mapping[str, Any]) -> None:
        self.errno = errno.ENOENT
        places = (fields.get(name) for name in ("place", "path", "object", "bucket", "url"))
        self.source = next((place for place in places if isinstance(place, str)), "")


class Incomplete(Error):
    """The parts are not one complete, unambiguous run.

    Attributes:
        missing: The part numbers that are missing, at most the first 100,000.
        gaps: The same as ranges, and between which files they are.
        duplicates: Two files that claim the same part.
        runs: The runs to choose from, if there are several.
    """

    exit_code = 4
    missing: list[int]
    gaps: list[Gap]
    duplicates: list[str]
    runs: list[str]

    def _take(self, fields: Mapping[str, Any]) -> None:
        self.gaps = [Gap._of(gap) for gap in fields.get("gaps", ())]
        numbers = chain.from_iterable(range(gap.first, gap.last + 1) for gap in self.gaps)
        self.missing = list(islice(numbers, 100_000))
        self.duplicates = list(fields["files"]) if self._data.get("case") == "duplicate" else []
        self.runs = [run for run in fields.get("runs", ()) if run is not None]


class JobNotActive(Incomplete):
    """An export job is not done, has failed, or does not exist.

    Attributes:
        status: The job's status, as the service calls it; ``None`` if there is no answer.
        message: What the service says about it.
    """

    status: str | None = None
    message: str | None = None

    def _take(self, fields: Mapping[str, Any]) -> None:
        super()._take(fields)
        last = fields.get("last")
        of_last = last.get("status") if is_dict(last) else None
        failed = "CREATE_FAILED" if self._data.get("case") == "job-failed" else None
        self.status = fields.get("status") or of_last or failed
        self.message = fields.get("message") or fields.get("reason")


class DataError(Error):
    """The contents of a part are wrong, or parts disagree.

    Attributes:
        file: The part, as a path or URL.
        line: The line in the file, from 1, counting the header.
        row: The row of a Parquet file, from 1.
        column: The column's name.
        value: The cell's text, cut to 80 characters.
        problem: What is wrong, in words.
        remedy: What helps, if that is known.
    """

    exit_code = 5
    file: str = ""
    line: int | None = None
    row: int | None = None
    column: str | None = None
    value: str | None = None
    problem: str = ""

    @property
    def remedy(self) -> str | None:
        return self.hint

    def _take(self, fields: Mapping[str, Any]) -> None:
        self.file = fields.get("file", "")
        self.line = fields.get("line")
        self.row = fields.get("row")
        self.column = fields.get("column")
        self.value = fields.get("value")
        self.problem = fields.get("problem", "")


class NotVerified(Error):
    """An output does not hold exactly the rows of its source.

    Attributes:
        difference: Where the two first differ.
    """

    exit_code = 6
    difference: Difference

    def _take(self, fields: Mapping[str, Any]) -> None:
        self.difference = Difference._of(fields)


class OutputExists(Error, FileExistsError):
    """The output exists and must not be replaced.

    Attributes:
        path: The output.
        reason: Why it is neither replaced nor up to date.
    """

    exit_code = 7
    path: str = ""
    reason: str = ""

    def _take(self, fields: Mapping[str, Any]) -> None:
        self.errno = errno.EEXIST
        self.path = fields.get("path", "")
        why = fields.get("why")
        self.reason = why if isinstance(why, str) else next(iter(why), "") if is_dict(why) else ""


class StoreError(Error):
    """A store kept failing; a later try may help.

    Attributes:
        url: The object or folder.
        operation: What was being done, such as ``reading``.
        is_retryable: Whether a later try may help.
    """

    exit_code = 8
    url: str = ""
    operation: str = ""
    is_retryable: bool = True

    def _take(self, fields: Mapping[str, Any]) -> None:
        self.url = fields.get("object", "")
        self.operation = fields.get("doing", "")


class AccessDenied(StoreError, PermissionError):
    """Access was refused, by a store or by the file system."""

    is_retryable = False

    def _take(self, fields: Mapping[str, Any]) -> None:
        super()._take(fields)
        self.errno = errno.EACCES


class FileError(Error, OSError):
    """An operation on a local file failed, for example because the disk is full.

    Attributes:
        path: The file.
        operation: What was being done, such as ``writing``.
    """

    path: str = ""
    operation: str = ""

    def _take(self, fields: Mapping[str, Any]) -> None:
        self.path = fields.get("object", "")
        self.operation = fields.get("doing", "")


_KINDS: dict[str, type[Error]] = {
    "usage": UsageError,
    "not-found": NotFound,
    "incomplete": Incomplete,
    "data": DataError,
    "different": NotVerified,
    "output-exists": OutputExists,
    "denied": AccessDenied,
    "store": StoreError,
    "io": FileError,
}


def _again(kind: type[Error], data: Mapping[str, Any], message: str, hint: str | None) -> Error:
    """Makes an exception from what it was made of, also in another process."""
    error = kind(message)
    error._data = data
    error.hint = hint
    error._take(data.get("fields") or {})
    return error


def made(text: str, message: str, hint: str | None, cause: str | None) -> Error:
    """The exception for an error of the library, as JSON."""
    data: dict[str, Any] = json.loads(text)
    kind = _KINDS.get(data["kind"], Error)
    if kind is Incomplete and "job" in (data["case"] or "").split("-"):
        kind = JobNotActive
    # A sentence ends with what helps, after a semicolon.
    error = _again(kind, data, message, hint or message.partition("; ")[2] or None)
    if cause is not None:
        error.__cause__ = OSError(cause)
    return error


def usage(message: str) -> Error:
    """The exception for arguments that make no sense."""
    return made('{"code": 2, "kind": "usage", "case": null, "fields": {}}', message, None, None)


# People see and catch them by the package's name.
for _name in __all__:
    globals()[_name].__module__ = "forecast_export"
