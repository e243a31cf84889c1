"""Finds, checks, merges, converts and reads the part files of Amazon Forecast's export jobs and of other exporters.

>>> import forecast_export as fe
>>> fe.merge("testdata/forecast", folder / "first.parquet")
<Report: 36 rows from 12 parts, 3.64 kB -> ...first.parquet, ... (transcode, ... s)>

``merge`` and ``convert`` write files, ``read`` hands over rows, ``verify`` proves an output, ``plan`` shows what would
be done, ``ls`` and ``schema`` look, ``wait`` and ``describe`` ask Amazon Forecast, and ``sample`` makes an export to try
things on. ``aio`` has the same calls for event loops.
"""

from . import aio, cluster
from ._api import Progress, Source, convert, describe, ls, merge, plan, read, sample, schema, verify, wait
from ._errors import (
    AccessDenied,
    DataError,
    Error,
    FileError,
    Incomplete,
    JobNotActive,
    NotFound,
    NotVerified,
    OutputExists,
    StoreError,
    UsageError,
)
from ._native import ArrowSchema, Batch, __version__
from ._plan import Plan
from ._progress import Event
from ._results import (
    Column,
    Difference,
    Export,
    Exports,
    File,
    Gap,
    Job,
    Part,
    PlannedPart,
    Report,
    SampleReport,
    Schema,
    Verified,
    WrittenFile,
)
from ._rows import Rows

__all__ = [
    "AccessDenied",
    "ArrowSchema",
    "Batch",
    "Column",
    "DataError",
    "Difference",
    "Error",
    "Event",
    "Export",
    "Exports",
    "File",
    "FileError",
    "Gap",
    "Incomplete",
    "Job",
    "JobNotActive",
    "NotFound",
    "NotVerified",
    "OutputExists",
    "Part",
    "Plan",
    "PlannedPart",
    "Progress",
    "Report",
    "Rows",
    "SampleReport",
    "Schema",
    "Source",
    "StoreError",
    "UsageError",
    "Verified",
    "WrittenFile",
    "__version__",
    "aio",
    "cluster",
    "convert",
    "describe",
    "ls",
    "merge",
    "plan",
    "read",
    "sample",
    "schema",
    "verify",
    "wait",
]
