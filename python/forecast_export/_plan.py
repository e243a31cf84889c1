"""A plan: everything is checked and decided, and nothing is written yet."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _native
from ._progress import Event, telling
from ._results import Column, PlannedPart, Report, Result, _counted, _size

__all__ = ["Plan"]

_log = logging.getLogger("forecast_export")


@dataclass(frozen=True)
class Plan(Result):
    """What a merge or a conversion will do. Its ``str`` is the text of ``--dry-run``."""

    _NAMES = {"from_": "from"}
    _PARTS = {"parts": PlannedPart, "columns": Column}

    source: str
    #: The job's name.
    job: str
    #: The runs, oldest first.
    runs: tuple[str, ...]
    kind: str
    #: The format of the parts.
    from_: str
    #: The format of the output.
    to: str
    #: How output is compressed.
    compression: str
    #: ``copy-on-server``, ``copy-bytes``, ``copy-row-groups`` or ``transcode``.
    strategy: str
    #: Why this strategy was chosen.
    why: str
    #: Whether the output is up to date, so that there is nothing to do.
    up_to_date: bool
    #: The parts in the order they are read.
    parts: tuple[PlannedPart, ...]
    #: Bytes of all parts.
    bytes: int
    #: Rows of all parts, if footers tell.
    rows: int | None
    #: The columns of the output.
    columns: tuple[Column, ...]
    #: The files to write; for a split output, the first one.
    outputs: tuple[str, ...]
    split_rows: int | None
    split_bytes: int | None
    #: Bytes that pass through this machine, if the server copies the others.
    bytes_sent: int | None
    #: What is not checked, because the server copies it unread.
    not_checked: str | None
    #: Requests to the stores, made and to come.
    requests: Mapping[str, Any] = field(hash=False)
    #: Unusual findings that are not errors.
    warnings: tuple[str, ...]

    @classmethod
    def _made(cls, native: _native.Plan) -> Plan:
        plan = cls._of(json.loads(native.summary))
        object.__setattr__(plan, "_native", native)
        return plan

    @property
    def _of_library(self) -> _native.Plan:
        native: _native.Plan = self.__dict__["_native"]
        return native

    def __str__(self) -> str:
        return self._of_library.text

    def __repr__(self) -> str:
        output = self.outputs[0] if self.outputs else "nothing"
        what = "up to date" if self.up_to_date else self.strategy
        return f"<Plan: {_counted(len(self.parts), 'part')}, {_size(self.bytes)} -> {output} ({what}: {self.why})>"

    def __getstate__(self) -> object:
        raise TypeError("a plan belongs to its process and cannot be pickled; plan again there")

    def run(self, *, progress: Callable[[Event], object] | bool | None = None) -> Report:
        """Carries out the plan, once.

        Args:
            progress: A function that takes an ``Event``, or true for a bar; as in ``merge``.

        Returns:
            What was done.

        Raises:
            ValueError: The plan has no output, or was carried out before.
            Error: As ``merge``.
        """
        return self._carry_out(progress, None)

    def _carry_out(
        self, progress: Callable[[Event], object] | bool | None, stop: _native.Stop | None
    ) -> Report:
        tell, end = telling(progress)
        try:
            done = self._of_library.run({"progress": tell, "stop": stop})
        finally:
            end()
        if done is None:
            raise ValueError("the plan has no output, or was carried out before; plan again")
        report = Report._of(json.loads(done))
        for warning in report.warnings[len(self.warnings) :]:
            _log.warning("%s", warning)
        _log.info("%r", report)
        return report
