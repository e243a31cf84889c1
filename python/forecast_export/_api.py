"""What the package offers. Options are named as the command's flags, with the same defaults; ``None`` means not given."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import date, datetime, timedelta, timezone
from typing import Any, Union

from . import _native
from ._plan import Plan
from ._progress import Event, Tell, telling
from ._results import Exports, Job, Report, SampleReport, Schema, Verified
from ._rows import Rows

__all__ = ["convert", "describe", "ls", "merge", "plan", "read", "sample", "schema", "verify", "wait"]

#: What calls read from.
Source = Union[str, "os.PathLike[str]", Sequence[Union[str, "os.PathLike[str]"]], Mapping[str, Any]]
#: What shows progress.
Progress = Union[Callable[[Event], object], bool, None]

_log = logging.getLogger("forecast_export")

#: What another thread asks the call in this context to stop with.
stopping: ContextVar[_native.Stop | None] = ContextVar("stopping", default=None)


def read(
    source: Source,
    *,
    columns: str | Sequence[str] | None = None,
    job: str | None = None,
    kind: str | None = None,
    preset: str | None = None,
    pattern: str | None = None,
    run: str | None = None,
    allow_gaps: bool = False,
    expect_parts: int | None = None,
    expect_rows: int | None = None,
    restore: int | None = None,
    header: str | None = None,
    column_names: Sequence[str] | None = None,
    schema: str | None = None,
    types: Mapping[str, str] | None = None,
    all_strings: bool = False,
    binary: str | None = None,
    null: str | Sequence[str] | None = None,
    source_columns: bool = False,
    memory: int | str | None = None,
    threads: int | None = None,
    wait: bool | float | str | timedelta | None = None,
    poll: float | str | timedelta | None = None,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
) -> Rows:
    """Reads one run as one ordered stream of Arrow batches.

    Everything is checked before the first row, and ``memory`` bounds what is decoded ahead.

    Args:
        source: What to read: a folder, prefix, file, glob or URL, several files of one folder in a list, the ARN of
            an export job, or an EventBridge event about one as a dict.
        columns: The column or columns to read, in this order. Of Parquet, no other column is fetched; of CSV, none is
            decoded. By default all.
        job: Only this job; a glob is allowed.
        kind: Only exports of this kind: "forecast", "backtest-forecasts", "backtest-accuracy", "explainability" or
            "what-if".
        preset: Which exporter wrote the files: "forecast" (the default), "spark", "redshift", "snowflake" or
            "bigquery".
        pattern: How files are named: a regular expression with the named group ``part``.
        run: Which run, if there are several: "latest", "all" or a timestamp.
        allow_gaps: Continue even if part numbers are missing.
        expect_parts: Fail unless there are exactly this many parts.
        expect_rows: Fail unless there are exactly this many rows.
        restore: Ask S3 to restore archived parts for this many days; a later run reads them.
        header: Whether CSV parts begin with a header: "auto", "yes" or "no". By default the preset decides.
        column_names: Names for the columns of CSV parts without a header; implies ``header="no"``.
        schema: What to do if parts differ: "strict" (fail, the default) or "by-name" (align columns, with nulls for
            what a part lacks).
        types: Types of columns by name: "string", "double", "int64", "boolean", "date", "timestamp" or
            "timestamp_ns".
        all_strings: Read every column as text.
        binary: Turn binary columns of Parquet into text: "hex" or "base64".
        null: Text that means null, besides an empty cell; one or several.
        source_columns: Add the columns ``_job``, ``_run`` and ``_part``.
        memory: Memory for buffers: bytes, or a text such as "64MB". The default is 256 MB, and at least 16 MB are
            needed.
        threads: Threads that decode and encode. By default as many as the machine runs at once.
        wait: Wait until the job that the source names is ACTIVE: a timedelta, seconds, a text such as "30m", or
            true for two hours.
        poll: The time between the first two questions about the job; it grows from there. By default two seconds.
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.

    Returns:
        The rows, which can be read once.

    Raises:
        UsageError: The arguments make no sense.
        NotFound: There is nothing at the source.
        Incomplete: The parts are not one complete run.
        DataError: The contents of a part are wrong, or parts disagree.
        StoreError: A store kept failing, or (``AccessDenied``) refused.

    Example:
        >>> rows = fe.read("testdata/forecast", columns=["item_id", "p50"])
        >>> rows.schema.names
        ['item_id', 'p50']
        >>> sum(len(batch) for batch in rows)
        36
    """
    given = dict(locals())
    wanted = given.pop("columns")
    wanted = [wanted] if isinstance(wanted, str) else wanted and list(wanted)
    given["columns"] = given.pop("column_names")
    stream = _native.read(_named(given.pop("source")), wanted, _given(given), _watch())
    _warn(stream.warnings)
    return Rows(stream)


def merge(
    source: Source,
    output: str | os.PathLike[str],
    *,
    job: str | None = None,
    kind: str | None = None,
    preset: str | None = None,
    pattern: str | None = None,
    run: str | None = None,
    allow_gaps: bool = False,
    expect_parts: int | None = None,
    expect_rows: int | None = None,
    restore: int | None = None,
    header: str | None = None,
    columns: Sequence[str] | None = None,
    schema: str | None = None,
    types: Mapping[str, str] | None = None,
    all_strings: bool = False,
    binary: str | None = None,
    null: str | Sequence[str] | None = None,
    source_columns: bool = False,
    to: str | None = None,
    compression: str | None = None,
    row_group_rows: int | None = None,
    bloom_filter: str | Sequence[str] | None = None,
    overwrite: bool = False,
    verify: bool = False,
    no_receipt: bool = False,
    on_server: str | None = None,
    resume: bool = False,
    memory: int | str | None = None,
    threads: int | None = None,
    sse: str | None = None,
    sse_kms_key_id: str | None = None,
    sse_bucket_key: bool | None = None,
    tag: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    checksum: str | None = None,
    wait: bool | float | str | timedelta | None = None,
    poll: float | str | timedelta | None = None,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
    progress: Progress = None,
) -> Report:
    """Merges one run into one file, in part order.

    All or nothing: after an error, no file has the output's name that did not have it before. If the output is up
    to date, nothing is done.

    Args:
        source: What to read: a folder, prefix, file, glob or URL, several files of one folder in a list, the ARN of
            an export job, or an EventBridge event about one as a dict.
        output: The file to write: a path or URL. Its extension tells the format.
        job: Only this job; a glob is allowed.
        kind: Only exports of this kind: "forecast", "backtest-forecasts", "backtest-accuracy", "explainability" or
            "what-if".
        preset: Which exporter wrote the files: "forecast" (the default), "spark", "redshift", "snowflake" or
            "bigquery".
        pattern: How files are named: a regular expression with the named group ``part``.
        run: Which run, if there are several: "latest", "all" or a timestamp.
        allow_gaps: Continue even if part numbers are missing.
        expect_parts: Fail unless there are exactly this many parts.
        expect_rows: Fail unless there are exactly this many rows.
        restore: Ask S3 to restore archived parts for this many days; a later run reads them.
        header: Whether CSV parts begin with a header: "auto", "yes" or "no". By default the preset decides.
        columns: Column names for CSV parts without a header; implies ``header="no"``.
        schema: What to do if parts differ: "strict" (fail, the default) or "by-name" (align columns, with nulls for
            what a part lacks).
        types: Types of columns by name: "string", "double", "int64", "boolean", "date", "timestamp" or
            "timestamp_ns".
        all_strings: Read every column as text.
        binary: Turn binary columns of Parquet into text: "hex" or "base64".
        null: Text that means null, besides an empty cell; one or several.
        source_columns: Add the columns ``_job``, ``_run`` and ``_part``.
        to: The format of the output: "csv" or "parquet". By default the extension of the output tells.
        compression: "none", "snappy", "zstd" (or "zstd:1" to "zstd:22"), "gzip" (or "gzip:0" to "gzip:9") or "lz4".
            By default Parquet is compressed by Snappy, and CSV as its extension says.
        row_group_rows: Rows in a row group of Parquet. By default those of Parquet parts, else 122,880, or fewer if
            rows are long.
        bloom_filter: Columns that get a Bloom filter, for readers that look up single values.
        overwrite: Replace an existing output, and write it again even if it is up to date.
        verify: Read the output back and compare it with the source before publishing it.
        no_receipt: Write no receipt, neither in Parquet metadata nor as a file next to the output.
        on_server: Let S3 copy the parts itself where it can: "auto" (the default), "always" or "never".
        resume: Work in pieces of a gigabyte, and keep what is done for the next call if this one ends early.
        memory: Memory for buffers: bytes, or a text such as "64MB". The default is 256 MB, and at least 16 MB are
            needed.
        threads: Threads that decode and encode. By default as many as the machine runs at once.
        sse: Encryption of objects written to S3: "aws:kms", "aws:kms:dsse" or "AES256". By default the bucket's
            setting.
        sse_kms_key_id: The KMS key, as an ARN, ID or alias; implies "aws:kms".
        sse_bucket_key: Use an S3 Bucket Key. By default the bucket's setting.
        tag: Tags for each object, at most ten.
        storage_class: The storage class of objects, such as "STANDARD_IA".
        checksum: The checksum that S3 verifies and stores: "crc64nvme" (the default if the server supports it),
            "sha256" or "none".
        wait: Wait until the job that the source names is ACTIVE: a timedelta, seconds, a text such as "30m", or
            true for two hours.
        poll: The time between the first two questions about the job; it grows from there. By default two seconds.
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.
        progress: A function that takes an ``Event``, at most ten times a second and on the calling thread; or true
            for a bar in terminals and notebooks. An exception from it ends the run.

    Returns:
        What was done.

    Raises:
        UsageError: The arguments make no sense.
        NotFound: There is nothing at the source.
        Incomplete: The parts are not one complete run.
        DataError: The contents of a part are wrong, or parts disagree.
        NotVerified: With ``verify``, the output is not what the parts hold.
        OutputExists: The output exists, and is not what this would write.
        StoreError: A store kept failing, or (``AccessDenied``) refused.
        KeyboardInterrupt: On Ctrl-C. Nothing is left behind.

    Example:
        >>> report = fe.merge("testdata/forecast", folder / "sales.parquet")
        >>> report.rows, report.parts
        (36, 12)
    """
    given = dict(locals())
    if given.pop("resume"):
        from . import cluster

        source, progress = given.pop("source"), given.pop("progress")
        return cluster.resumed(source, given.pop("output"), progress, given)
    return _run(given.pop("source"), given.pop("output"), False, given)


def convert(
    source: Source,
    output: str | os.PathLike[str],
    *,
    job: str | None = None,
    kind: str | None = None,
    preset: str | None = None,
    pattern: str | None = None,
    run: str | None = None,
    allow_gaps: bool = False,
    expect_parts: int | None = None,
    expect_rows: int | None = None,
    restore: int | None = None,
    header: str | None = None,
    columns: Sequence[str] | None = None,
    schema: str | None = None,
    types: Mapping[str, str] | None = None,
    all_strings: bool = False,
    binary: str | None = None,
    null: str | Sequence[str] | None = None,
    source_columns: bool = False,
    to: str | None = None,
    compression: str | None = None,
    row_group_rows: int | None = None,
    bloom_filter: str | Sequence[str] | None = None,
    overwrite: bool = False,
    verify: bool = False,
    no_receipt: bool = False,
    split_rows: int | None = None,
    split_bytes: int | str | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    sse: str | None = None,
    sse_kms_key_id: str | None = None,
    sse_bucket_key: bool | None = None,
    tag: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    checksum: str | None = None,
    wait: bool | float | str | timedelta | None = None,
    poll: float | str | timedelta | None = None,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
    progress: Progress = None,
) -> Report:
    """Converts one run into part files, in the other format or split differently.

    All or nothing, as ``merge``.

    Args:
        source: What to read: a folder, prefix, file, glob or URL, several files of one folder in a list, the ARN of
            an export job, or an EventBridge event about one as a dict.
        output: The folder to write part files into: a path or URL.
        job: Only this job; a glob is allowed.
        kind: Only exports of this kind: "forecast", "backtest-forecasts", "backtest-accuracy", "explainability" or
            "what-if".
        preset: Which exporter wrote the files: "forecast" (the default), "spark", "redshift", "snowflake" or
            "bigquery".
        pattern: How files are named: a regular expression with the named group ``part``.
        run: Which run, if there are several: "latest", "all" or a timestamp.
        allow_gaps: Continue even if part numbers are missing.
        expect_parts: Fail unless there are exactly this many parts.
        expect_rows: Fail unless there are exactly this many rows.
        restore: Ask S3 to restore archived parts for this many days; a later run reads them.
        header: Whether CSV parts begin with a header: "auto", "yes" or "no". By default the preset decides.
        columns: Column names for CSV parts without a header; implies ``header="no"``.
        schema: What to do if parts differ: "strict" (fail, the default) or "by-name" (align columns, with nulls for
            what a part lacks).
        types: Types of columns by name: "string", "double", "int64", "boolean", "date", "timestamp" or
            "timestamp_ns".
        all_strings: Read every column as text.
        binary: Turn binary columns of Parquet into text: "hex" or "base64".
        null: Text that means null, besides an empty cell; one or several.
        source_columns: Add the columns ``_job``, ``_run`` and ``_part``.
        to: The format of the output: "csv" or "parquet". By default the other format.
        compression: "none", "snappy", "zstd" (or "zstd:1" to "zstd:22"), "gzip" (or "gzip:0" to "gzip:9") or "lz4".
            By default Parquet is compressed by Snappy, and CSV as its extension says.
        row_group_rows: Rows in a row group of Parquet. By default those of Parquet parts, else 122,880, or fewer if
            rows are long.
        bloom_filter: Columns that get a Bloom filter, for readers that look up single values.
        overwrite: Replace an existing output, and write it again even if it is up to date.
        verify: Read the output back and compare it with the source before publishing it.
        no_receipt: Write no receipt, neither in Parquet metadata nor as a file next to the output.
        split_rows: Start a new file after this many rows.
        split_bytes: Start a new file before one exceeds this size: bytes, or a text such as "128MiB".
        memory: Memory for buffers: bytes, or a text such as "64MB". The default is 256 MB, and at least 16 MB are
            needed.
        threads: Threads that decode and encode. By default as many as the machine runs at once.
        sse: Encryption of objects written to S3: "aws:kms", "aws:kms:dsse" or "AES256". By default the bucket's
            setting.
        sse_kms_key_id: The KMS key, as an ARN, ID or alias; implies "aws:kms".
        sse_bucket_key: Use an S3 Bucket Key. By default the bucket's setting.
        tag: Tags for each object, at most ten.
        storage_class: The storage class of objects, such as "STANDARD_IA".
        checksum: The checksum that S3 verifies and stores: "crc64nvme" (the default if the server supports it),
            "sha256" or "none".
        wait: Wait until the job that the source names is ACTIVE: a timedelta, seconds, a text such as "30m", or
            true for two hours.
        poll: The time between the first two questions about the job; it grows from there. By default two seconds.
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.
        progress: A function that takes an ``Event``, at most ten times a second and on the calling thread; or true
            for a bar in terminals and notebooks. An exception from it ends the run.

    Returns:
        What was done.

    Raises:
        UsageError: The arguments make no sense.
        NotFound: There is nothing at the source.
        Incomplete: The parts are not one complete run.
        DataError: The contents of a part are wrong, or parts disagree.
        NotVerified: With ``verify``, the output is not what the parts hold.
        OutputExists: The output exists, and is not what this would write.
        StoreError: A store kept failing, or (``AccessDenied``) refused.
        KeyboardInterrupt: On Ctrl-C. Nothing is left behind.

    Example:
        >>> report = fe.convert("testdata/forecast", folder / "parquet", to="parquet", split_rows=10)
        >>> [file.rows for file in report.outputs]
        [10, 10, 10, 6]
    """
    given = dict(locals())
    return _run(given.pop("source"), given.pop("output"), True, given)


def plan(
    source: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    job: str | None = None,
    kind: str | None = None,
    preset: str | None = None,
    pattern: str | None = None,
    run: str | None = None,
    allow_gaps: bool = False,
    expect_parts: int | None = None,
    expect_rows: int | None = None,
    restore: int | None = None,
    header: str | None = None,
    columns: Sequence[str] | None = None,
    schema: str | None = None,
    types: Mapping[str, str] | None = None,
    all_strings: bool = False,
    binary: str | None = None,
    null: str | Sequence[str] | None = None,
    source_columns: bool = False,
    to: str | None = None,
    compression: str | None = None,
    row_group_rows: int | None = None,
    bloom_filter: str | Sequence[str] | None = None,
    overwrite: bool = False,
    verify: bool = False,
    no_receipt: bool = False,
    split_rows: int | None = None,
    split_bytes: int | str | None = None,
    on_server: str | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    sse: str | None = None,
    sse_kms_key_id: str | None = None,
    sse_bucket_key: bool | None = None,
    tag: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    checksum: str | None = None,
    wait: bool | float | str | timedelta | None = None,
    poll: float | str | timedelta | None = None,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
) -> Plan:
    """Plans a merge or a conversion: checks and decides everything, and writes nothing.

    It plans a conversion if the output ends with a slash or is an existing folder, or if the output is to be split;
    otherwise a merge.

    Args:
        source: What to read: a folder, prefix, file, glob or URL, several files of one folder in a list, the ARN of
            an export job, or an EventBridge event about one as a dict.
        output: The file or folder to write; without it, the plan cannot be run.
        job: Only this job; a glob is allowed.
        kind: Only exports of this kind: "forecast", "backtest-forecasts", "backtest-accuracy", "explainability" or
            "what-if".
        preset: Which exporter wrote the files: "forecast" (the default), "spark", "redshift", "snowflake" or
            "bigquery".
        pattern: How files are named: a regular expression with the named group ``part``.
        run: Which run, if there are several: "latest", "all" or a timestamp.
        allow_gaps: Continue even if part numbers are missing.
        expect_parts: Fail unless there are exactly this many parts.
        expect_rows: Fail unless there are exactly this many rows.
        restore: Ask S3 to restore archived parts for this many days; a later run reads them.
        header: Whether CSV parts begin with a header: "auto", "yes" or "no". By default the preset decides.
        columns: Column names for CSV parts without a header; implies ``header="no"``.
        schema: What to do if parts differ: "strict" (fail, the default) or "by-name" (align columns, with nulls for
            what a part lacks).
        types: Types of columns by name: "string", "double", "int64", "boolean", "date", "timestamp" or
            "timestamp_ns".
        all_strings: Read every column as text.
        binary: Turn binary columns of Parquet into text: "hex" or "base64".
        null: Text that means null, besides an empty cell; one or several.
        source_columns: Add the columns ``_job``, ``_run`` and ``_part``.
        to: The format of the output: "csv" or "parquet". By default as ``merge`` and ``convert`` choose it.
        compression: "none", "snappy", "zstd" (or "zstd:1" to "zstd:22"), "gzip" (or "gzip:0" to "gzip:9") or "lz4".
            By default Parquet is compressed by Snappy, and CSV as its extension says.
        row_group_rows: Rows in a row group of Parquet. By default those of Parquet parts, else 122,880, or fewer if
            rows are long.
        bloom_filter: Columns that get a Bloom filter, for readers that look up single values.
        overwrite: Replace an existing output, and write it again even if it is up to date.
        verify: Read the output back and compare it with the source before publishing it.
        no_receipt: Write no receipt, neither in Parquet metadata nor as a file next to the output.
        split_rows: Start a new file after this many rows.
        split_bytes: Start a new file before one exceeds this size: bytes, or a text such as "128MiB".
        on_server: Let S3 copy the parts itself where it can: "auto" (the default), "always" or "never".
        memory: Memory for buffers: bytes, or a text such as "64MB". The default is 256 MB, and at least 16 MB are
            needed.
        threads: Threads that decode and encode. By default as many as the machine runs at once.
        sse: Encryption of objects written to S3: "aws:kms", "aws:kms:dsse" or "AES256". By default the bucket's
            setting.
        sse_kms_key_id: The KMS key, as an ARN, ID or alias; implies "aws:kms".
        sse_bucket_key: Use an S3 Bucket Key. By default the bucket's setting.
        tag: Tags for each object, at most ten.
        storage_class: The storage class of objects, such as "STANDARD_IA".
        checksum: The checksum that S3 verifies and stores: "crc64nvme" (the default if the server supports it),
            "sha256" or "none".
        wait: Wait until the job that the source names is ACTIVE: a timedelta, seconds, a text such as "30m", or
            true for two hours.
        poll: The time between the first two questions about the job; it grows from there. By default two seconds.
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.

    Returns:
        The plan. ``str(plan)`` is the text of ``--dry-run``, and ``plan.run()`` carries it out.

    Raises:
        UsageError: The arguments make no sense.
        NotFound: There is nothing at the source.
        Incomplete: The parts are not one complete run.
        DataError: The contents of a part are wrong, or parts disagree.
        OutputExists: The output exists, and is not what this would write.
        StoreError: A store kept failing, or (``AccessDenied``) refused.

    Example:
        >>> plan = fe.plan("testdata/forecast", folder / "planned.csv")
        >>> plan.strategy, plan.why
        ('copy-bytes', 'CSV to CSV, all parts have one header')
        >>> plan.run().rows
        36
    """
    given = dict(locals())
    return _planned(given.pop("source"), given.pop("output"), None, given)


def verify(
    output: str | os.PathLike[str],
    against: Source,
    *,
    job: str | None = None,
    kind: str | None = None,
    preset: str | None = None,
    pattern: str | None = None,
    run: str | None = None,
    allow_gaps: bool = False,
    expect_parts: int | None = None,
    expect_rows: int | None = None,
    restore: int | None = None,
    header: str | None = None,
    columns: Sequence[str] | None = None,
    schema: str | None = None,
    types: Mapping[str, str] | None = None,
    all_strings: bool = False,
    binary: str | None = None,
    null: str | Sequence[str] | None = None,
    source_columns: bool = False,
    memory: int | str | None = None,
    threads: int | None = None,
    wait: bool | float | str | timedelta | None = None,
    poll: float | str | timedelta | None = None,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
    progress: Progress = None,
) -> Verified:
    """Proves that an output holds exactly the rows of its source, in order.

    The options say which run to read and which types its columns have; they should be those with which the output
    was written.

    Args:
        output: The file or folder of part files to check.
        against: The source it was made from, as in ``merge``.
        job: Only this job; a glob is allowed.
        kind: Only exports of this kind: "forecast", "backtest-forecasts", "backtest-accuracy", "explainability" or
            "what-if".
        preset: Which exporter wrote the files: "forecast" (the default), "spark", "redshift", "snowflake" or
            "bigquery".
        pattern: How files are named: a regular expression with the named group ``part``.
        run: Which run, if there are several: "latest", "all" or a timestamp.
        allow_gaps: Continue even if part numbers are missing.
        expect_parts: Fail unless there are exactly this many parts.
        expect_rows: Fail unless there are exactly this many rows.
        restore: Ask S3 to restore archived parts for this many days; a later run reads them.
        header: Whether CSV parts begin with a header: "auto", "yes" or "no". By default the preset decides.
        columns: Column names for CSV parts without a header; implies ``header="no"``.
        schema: What to do if parts differ: "strict" (fail, the default) or "by-name" (align columns, with nulls for
            what a part lacks).
        types: Types of columns by name: "string", "double", "int64", "boolean", "date", "timestamp" or
            "timestamp_ns".
        all_strings: Read every column as text.
        binary: Turn binary columns of Parquet into text: "hex" or "base64".
        null: Text that means null, besides an empty cell; one or several.
        source_columns: Add the columns ``_job``, ``_run`` and ``_part``.
        memory: Memory for buffers: bytes, or a text such as "64MB". The default is 256 MB, and at least 16 MB are
            needed.
        threads: Threads that decode and encode. By default as many as the machine runs at once.
        wait: Wait until the job that the source names is ACTIVE: a timedelta, seconds, a text such as "30m", or
            true for two hours.
        poll: The time between the first two questions about the job; it grows from there. By default two seconds.
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.
        progress: A function that takes an ``Event``, at most ten times a second and on the calling thread; or true
            for a bar in terminals and notebooks. An exception from it ends the run.

    Returns:
        The number of rows and their digest.

    Raises:
        UsageError: The arguments make no sense.
        NotFound: There is nothing at the source.
        Incomplete: The parts are not one complete run.
        DataError: The contents of a part are wrong, or parts disagree.
        NotVerified: They differ; its ``difference`` says where first.
        StoreError: A store kept failing, or (``AccessDenied``) refused.

    Example:
        >>> _ = fe.merge("testdata/forecast", folder / "proved.parquet")
        >>> fe.verify(folder / "proved.parquet", against="testdata/forecast").rows
        36
    """
    given = dict(locals())
    given.pop("output")
    source = _named(given.pop("against"))
    tell, end = telling(given.pop("progress"))
    try:
        data = json.loads(_native.verify(os.fspath(output), source, _given(given), _watch(tell)))
    finally:
        end()
    _warn(data["warnings"])
    return Verified._of(data)


def ls(
    source: Source,
    *,
    job: str | None = None,
    kind: str | None = None,
    preset: str | None = None,
    pattern: str | None = None,
    run: str | None = None,
    since: str | datetime | None = None,
    names: bool = False,
    header: str | None = None,
    columns: Sequence[str] | None = None,
    wait: bool | float | str | timedelta | None = None,
    poll: float | str | timedelta | None = None,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
) -> Exports:
    """Lists jobs, runs and parts, with missing and duplicate numbers.

    Nothing found there is an error, except that there is nothing at all.

    Args:
        source: What to read: a folder, prefix, file, glob or URL, several files of one folder in a list, the ARN of
            an export job, or an EventBridge event about one as a dict.
        job: Only this job; a glob is allowed.
        kind: Only exports of this kind: "forecast", "backtest-forecasts", "backtest-accuracy", "explainability" or
            "what-if".
        preset: Which exporter wrote the files: "forecast" (the default), "spark", "redshift", "snowflake" or
            "bigquery".
        pattern: How files are named: a regular expression with the named group ``part``.
        run: Which runs: "all" (the default), "latest" of each job, or a timestamp.
        since: Only runs from this time on: a datetime with a time zone, "2026-01-02", or an age such as "7d".
        names: Do not open any file; list only what names and sizes tell.
        header: Whether CSV parts begin with a header: "auto", "yes" or "no". By default the preset decides.
        columns: Column names for CSV parts without a header; implies ``header="no"``.
        wait: Wait until the job that the source names is ACTIVE: a timedelta, seconds, a text such as "30m", or
            true for two hours.
        poll: The time between the first two questions about the job; it grows from there. By default two seconds.
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.

    Returns:
        A list of exports, which has what else is there as attributes.

    Raises:
        UsageError: The arguments make no sense.
        NotFound: There is nothing at the source.
        StoreError: A store kept failing, or (``AccessDenied``) refused.

    Example:
        >>> [(export.job, len(export.parts)) for export in fe.ls("testdata/forecast")]
        [('sales_forecast_export', 12)]
    """
    given = dict(locals())
    return Exports(json.loads(_native.ls(_named(given.pop("source")), _given(given), _watch())))


def schema(
    source: Source,
    *,
    job: str | None = None,
    kind: str | None = None,
    preset: str | None = None,
    pattern: str | None = None,
    run: str | None = None,
    allow_gaps: bool = False,
    expect_parts: int | None = None,
    expect_rows: int | None = None,
    restore: int | None = None,
    header: str | None = None,
    columns: Sequence[str] | None = None,
    schema: str | None = None,
    types: Mapping[str, str] | None = None,
    all_strings: bool = False,
    binary: str | None = None,
    null: str | Sequence[str] | None = None,
    source_columns: bool = False,
    wait: bool | float | str | timedelta | None = None,
    poll: float | str | timedelta | None = None,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
) -> Schema:
    """Finds columns and types; where parts differ, names the file and the column.

    Args:
        source: What to read: a folder, prefix, file, glob or URL, several files of one folder in a list, the ARN of
            an export job, or an EventBridge event about one as a dict.
        job: Only this job; a glob is allowed.
        kind: Only exports of this kind: "forecast", "backtest-forecasts", "backtest-accuracy", "explainability" or
            "what-if".
        preset: Which exporter wrote the files: "forecast" (the default), "spark", "redshift", "snowflake" or
            "bigquery".
        pattern: How files are named: a regular expression with the named group ``part``.
        run: Which run, if there are several: "latest", "all" or a timestamp.
        allow_gaps: Continue even if part numbers are missing.
        expect_parts: Fail unless there are exactly this many parts.
        expect_rows: Fail unless there are exactly this many rows.
        restore: Ask S3 to restore archived parts for this many days; a later run reads them.
        header: Whether CSV parts begin with a header: "auto", "yes" or "no". By default the preset decides.
        columns: Column names for CSV parts without a header; implies ``header="no"``.
        schema: What to do if parts differ: "strict" (fail, the default) or "by-name" (align columns, with nulls for
            what a part lacks).
        types: Types of columns by name: "string", "double", "int64", "boolean", "date", "timestamp" or
            "timestamp_ns".
        all_strings: Read every column as text.
        binary: Turn binary columns of Parquet into text: "hex" or "base64".
        null: Text that means null, besides an empty cell; one or several.
        source_columns: Add the columns ``_job``, ``_run`` and ``_part``.
        wait: Wait until the job that the source names is ACTIVE: a timedelta, seconds, a text such as "30m", or
            true for two hours.
        poll: The time between the first two questions about the job; it grows from there. By default two seconds.
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.

    Returns:
        The columns.

    Raises:
        UsageError: The arguments make no sense.
        NotFound: There is nothing at the source.
        Incomplete: The parts are not one complete run.
        DataError: The contents of a part are wrong, or parts disagree.
        StoreError: A store kept failing, or (``AccessDenied``) refused.

    Example:
        >>> [(column.name, column.type) for column in fe.schema("testdata/forecast")][:2]
        [('item_id', 'string'), ('date', 'timestamp(us, UTC)')]
    """
    given = dict(locals())
    found = Schema._of(json.loads(_native.schema(_named(given.pop("source")), _given(given), _watch())))
    _warn(found.warnings)
    return found


def describe(
    arn: str | Mapping[str, Any],
    *,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
) -> Job:
    """Asks Amazon Forecast about an export job, once.

    Args:
        arn: The job's ARN, or an EventBridge event about it as a dict.
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.

    Returns:
        The job.

    Raises:
        JobNotActive: There is no such job.
        UsageError: This is no ARN of an export job.
        StoreError: The service kept failing, or (``AccessDenied``) refused.

    Example:
        >>> job = fe.describe(arn)
        >>> job.status, job.destination
        ('ACTIVE', 's3://exports/sales')
    """
    given = dict(locals())
    return _job(given.pop("arn"), given)


def wait(
    arn: str | Mapping[str, Any],
    *,
    timeout: float | str | timedelta = "2h",
    poll: float | str | timedelta | None = None,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
) -> Job:
    """Waits until an export job is ACTIVE.

    Args:
        arn: The job's ARN, or an EventBridge event about it as a dict.
        timeout: How long to wait: a timedelta, seconds or a text such as "30m".
        poll: The time between the first two questions; it grows from there. By default two seconds.
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.

    Returns:
        The job, which is ACTIVE.

    Raises:
        JobNotActive: It has failed or was stopped, or did not become ACTIVE in time.
        UsageError: This is no ARN of an export job.
        StoreError: The service kept failing, or (``AccessDenied``) refused.
        KeyboardInterrupt: On Ctrl-C.

    Example:
        >>> fe.wait(arn, timeout="30m").status
        'ACTIVE'
    """
    given = dict(locals())
    given["wait"] = given.pop("timeout")
    return _job(given.pop("arn"), given)


def sample(
    folder: str | os.PathLike[str],
    *,
    kind: str | None = None,
    items: int | None = None,
    steps: int | None = None,
    quantiles: Sequence[str | float] | None = None,
    dimensions: int | None = None,
    start: str | date | datetime | None = None,
    frequency: str | None = None,
    seed: int | None = None,
    parts: int | None = None,
    to: str | None = None,
    compression: str | None = None,
    job: str | None = None,
    run: str | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    sse: str | None = None,
    sse_kms_key_id: str | None = None,
    sse_bucket_key: bool | None = None,
    tag: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    checksum: str | None = None,
    session: Any = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    no_sign_request: bool = False,
    request_payer: bool = False,
    retry_timeout: float | str | timedelta | None = None,
    progress: Progress = None,
) -> SampleReport:
    """Writes a synthetic export.

    Args:
        folder: The folder to write into: a path or URL.
        kind: What is exported: "forecast" (the default), "backtest-forecasts", "backtest-accuracy",
            "explainability" or "what-if".
        items: Number of items, each with one series. By default 100.
        steps: Points in time per series, or per window of a backtest. By default 30.
        quantiles: Quantiles between 0.01 and 0.99, and "mean"; up to five. By default 0.1, 0.5 and 0.9.
        dimensions: Dimension columns besides the item id, at most 10. By default 1.
        start: The first date. By default 2026-01-03.
        frequency: The time from one date to the next, such as "15min", "1H", "1D" or "1M". By default a day.
        seed: Seed of the values: the same seed and options always produce the same bytes. By default 1.
        parts: Number of part files. By default 4.
        to: The format of the parts: "csv" (the default) or "parquet".
        compression: Compression of Parquet, as in ``merge``.
        job: The job's name. By default "sample".
        run: The run's timestamp. By default 2026-01-02T03-04-05Z.
        overwrite: Replace existing parts.
        threads: Threads that generate and encode.
        sse: Encryption of objects written to S3: "aws:kms", "aws:kms:dsse" or "AES256". By default the bucket's
            setting.
        sse_kms_key_id: The KMS key, as an ARN, ID or alias; implies "aws:kms".
        sse_bucket_key: Use an S3 Bucket Key. By default the bucket's setting.
        tag: Tags for each object, at most ten.
        storage_class: The storage class of objects, such as "STANDARD_IA".
        checksum: The checksum that S3 verifies and stores: "crc64nvme" (the default if the server supports it),
            "sha256" or "none".
        session: A ``boto3.Session``, a botocore session or botocore credentials, which are asked again when they
            expire. By default the usual chain of credentials.
        profile: The profile of the AWS configuration files.
        region: The bucket's region. By default it is looked up.
        endpoint_url: Send AWS requests to this endpoint.
        role_arn: Assume this role.
        external_id: The external ID that the role's trust policy requires.
        no_sign_request: Do not sign S3 requests, for public buckets.
        request_payer: Pay for requests to requester-pays buckets.
        retry_timeout: How long to retry a failed request: a timedelta, seconds or a text such as "10m". By default
            three minutes.
        progress: A function that takes an ``Event``, at most ten times a second and on the calling thread; or true
            for a bar in terminals and notebooks. An exception from it ends the run.

    Returns:
        What was written.

    Raises:
        UsageError: The service would not export this.
        OutputExists: The output exists, and is not what this would write.
        StoreError: A store kept failing, or (``AccessDenied``) refused.
        KeyboardInterrupt: On Ctrl-C. Nothing is left behind.

    Example:
        >>> fe.sample(folder / "exports", items=10, steps=5, parts=3).rows
        50
    """
    given = dict(locals())
    given.pop("folder")
    tell, end = telling(given.pop("progress"))
    try:
        data = json.loads(_native.sample(os.fspath(folder), _given(given), _watch(tell)))
    finally:
        end()
    report = SampleReport._of_sample(data)
    _log.info("%r", report)
    return report


def _named(source: Source) -> str | list[str]:
    """The source as the native half takes it: an event as JSON, anything else as texts."""
    if isinstance(source, Mapping):
        return json.dumps(source, default=str)
    if isinstance(source, (str, os.PathLike)):
        return [os.fspath(source)]
    try:
        return [os.fspath(one) for one in source]
    except TypeError:
        what = type(source).__name__
        raise TypeError(f"source must be a str, a path, a list of these or a dict, not {what}") from None


def _given(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that were given, with times as text."""
    return {name: _timed(name, value) for name, value in given.items() if value is not None}


def _timed(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} has no time zone; give it one, such as datetime.timezone.utc")
        value = value.astimezone(timezone.utc).replace(microsecond=0)
        return value.strftime("%Y-%m-%dT%H-%M-%SZ" if name == "since" else "%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    if name == "quantiles":
        return [str(quantile) for quantile in (value.split(",") if isinstance(value, str) else value)]
    return value


def _watch(tell: Tell | None = None) -> _native.Watch:
    return {"progress": tell, "stop": stopping.get()}


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        _log.warning("%s", warning)


def _planned(source: Source, output: str | os.PathLike[str] | None, into_folder: bool | None, given: Mapping[str, Any]) -> Plan:
    target = None if output is None else os.fspath(output)
    if into_folder is None:
        is_split = given.get("split_rows") is not None or given.get("split_bytes") is not None
        into_folder = target is not None and (is_split or target.endswith("/") or os.path.isdir(target))
    plan = Plan._made(_native.plan(_named(source), target, into_folder, _given(given), _watch()))
    _warn(plan.warnings)
    _log.debug("%s", plan)
    return plan


def _run(source: Source, output: str | os.PathLike[str], into_folder: bool, given: dict[str, Any]) -> Report:
    progress = given.pop("progress")
    return _planned(source, os.fspath(output), into_folder, given)._carry_out(progress, stopping.get())


def _job(arn: str | Mapping[str, Any], given: Mapping[str, Any]) -> Job:
    return Job._of(json.loads(_native.job(_named(arn), _given(given), _watch())))
