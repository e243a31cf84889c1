"""Parquet files that others wrote: tests/corpus.py, run by .ci/run with the Python that .ci/python.txt pins.

FORECAST_EXPORT_CORPUS names a folder. Each `*.parquet` file below it is copied, encoded anew, written as CSV, and merged
with itself by the binary that FORECAST_EXPORT_BIN names. pyarrow reads what went in and what came out: types, field ids,
metadata and values must be the same, bit by bit. `verify` must agree. What is refused stands in the tables below: another
refusal fails, and so does an entry for a file that is no longer refused. One line per file; exit code 1 where one failed.
"""

import fnmatch
import os
import pathlib
import re

import pyarrow as pa
import pyarrow.parquet as pq

from harness import (
    INT96_TO_MICROS, RUN, SOURCE_COLUMNS, attempt, check_all, check_statistics, finish, parts_as, read, run, same_table,
    same_text, schema_text, without_source_columns,
)

CORPUS = pathlib.Path(os.environ["FORECAST_EXPORT_CORPUS"])

COPIED, CUT, COMPRESSED = "copied", "cut", "compressed"
TWICE, SOURCES, CSV, VERIFY = "twice", "source columns", "CSV", "verify"
WAYS = {
    COPIED: [],
    CUT: ["--row-group-rows", "1000"],
    COMPRESSED: ["--compression", "zstd:1"],
    TWICE: [],
    SOURCES: ["--source-columns"],
}
DOUBLED = {TWICE, SOURCES}
# Column chunks that keep their form are copied; here none does.
ENCODED = {COMPRESSED, SOURCES}
DECODED = {CUT, COMPRESSED, SOURCES}
EVERY_WAY = {*WAYS, CSV}

# What is refused: files, ways, and a part of the message.
REFUSED = [
    ("data/datapage_v1-corrupt-checksum.parquet", EVERY_WAY, "checksum"),
    ("data/rle-dict-uncompressed-corrupt-checksum.parquet", EVERY_WAY, "checksum"),
    ("data/nation.dict-malformed.parquet", EVERY_WAY, "damaged"),
    # A date in the year 11,465,335.
    ("data/int96_from_spark.parquet", {*DECODED, CSV, VERIFY}, "row 6, column a: an INT96 timestamp is out of the range"),
    # A map whose keys are optional.
    ("data/incorrect_map_schema.parquet", DECODED, "can be copied but not re-encoded"),
    ("data/large_string_map.brotli.parquet", {*WAYS}, "a page has 1073741828 bytes"),
    ("data/unknown-logical-type.parquet", {*WAYS}, "its logical type has the unknown number 2555"),
]

# What pyarrow does not read: files, and a part of its message. Of files that it reads, outputs are read by it.
NOT_BY_PYARROW = [
    ("data/incorrect_map_schema.parquet", "Map keys must be annotated as required"),
    ("data/large_string_map.brotli.parquet", "Nested data conversions not implemented"),
]

# What CSV has no text for: nested columns; bytes, unless `--binary` says how; a null alone in its line.
NO_TEXT = "CSV cannot hold the type"
NO_LINE = "CSV cannot hold a null in a file of one column"

# Descriptions of rows and columns, which are worked out anew, or are left out where that cannot be done.
DESCRIPTIONS = {
    b"pandas", b"geo", b"org.apache.spark.sql.parquet.row.metadata",
    b"parquet.avro.schema", b"avro.schema", b"iceberg.schema", b"parquet.proto.descriptor",
}
OURS = {b"forecast-export.receipt", b"ARROW:schema"}


def unread(path):
    """What pyarrow says of a file that it does not read."""
    try:
        read(path)
    except (pa.ArrowException, OSError) as error:
        return str(error)
    return None


def entry(table, name, way=None):
    for number, (pattern, *ways, reason) in enumerate(table):
        if fnmatch.fnmatch(name, pattern) and (not ways or way in ways[0]):
            return number, reason
    return None


def is_refused(name, way, done):
    """Whether a run was refused, as the table says that it is."""
    known, said = entry(REFUSED, name, way), done.stderr
    if done.returncode == 0:
        if known:
            raise AssertionError(f"{way}: this is not refused any more: {REFUSED[known[0]]}")
        return False
    if not known:
        raise AssertionError(f"{way}: refused with exit code {done.returncode}: {said.strip()}")
    if done.returncode != 5 or known[1] not in said:
        raise AssertionError(f"{way}: exit code {done.returncode}, and not {known[1]!r}: {said.strip()}")
    return True


def is_nested_or_bytes(kind):
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return pa.types.is_nested(kind) or any(
        is_kind(kind) for is_kind in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    )


def check_metadata(file, out, way):
    """Every key of the input is there, and says the same unless it speaks of all rows or columns."""
    there, here = (pq.read_metadata(path).metadata or {} for path in (file, out))
    changes = way in DOUBLED or "int96" in schema_text(file)
    for key, value in there.items():
        if key in OURS or (key in DESCRIPTIONS and changes):
            continue
        if here.get(key) != value:
            raise AssertionError(f"{way}: the key {key} says {here.get(key)}, not {value}")
    added = set(here) - set(there) - OURS
    if added:
        raise AssertionError(f"{way}: there are keys that no part has: {added}")


def check_output(file, out, way):
    is_int96 = "int96" in schema_text(file)
    expected = schema_text(file)
    if is_int96 and "int96" not in schema_text(out):
        if way == COPIED:
            raise AssertionError("a copy keeps INT96")
        expected = re.sub(*INT96_TO_MICROS, expected)
        table = read(file, coerce_int96_timestamp_unit="us")
    else:
        if is_int96 and way in ENCODED:
            raise AssertionError(f"{way}: nobody should write INT96")
        table = read(file)
    found = schema_text(out)
    if way == SOURCES:
        found = without_source_columns(found)
    if found != expected:
        raise AssertionError(f"{way}: the schema is\n{found}\nnot\n{expected}")
    result = read(out)
    if way in DOUBLED:
        table = pa.concat_tables([table, table])
    if way == SOURCES:
        half = result.num_rows // 2
        added = [("sales_1", RUN, part) for part in ("0", "1") for _ in range(half)]
        assert list(zip(*(result[name].to_pylist() for name in SOURCE_COLUMNS))) == added, "source columns"
        result = result.drop_columns(SOURCE_COLUMNS)
    same_table(result, table, way)
    if way == CUT and result.num_rows:
        largest = max(pq.read_metadata(out).row_group(n).num_rows for n in range(pq.read_metadata(out).num_row_groups))
        assert largest <= 1000, f"{way}: a row group has {largest} rows"
    check_metadata(file, out, way)
    check_statistics(out, way)


def check_csv(name, file, folder):
    """CSV of what CSV can hold; bytes once they have a text."""
    out, options = folder / "out.csv", []
    done = attempt("merge", file, "-o", out)
    types = read(file).schema.types if unread(file) is None else []
    bytes_alone = any(map(is_nested_or_bytes, types)) and not any(map(pa.types.is_nested, types))
    if done.returncode == 5 and NO_TEXT in done.stderr:
        assert not types or any(map(is_nested_or_bytes, types)), done.stderr
        options = ["--binary", "hex"]
        done = attempt("merge", file, "-o", out, *options)
        if done.returncode == 5 and NO_TEXT in done.stderr and not bytes_alone:
            return
    if done.returncode == 5 and NO_LINE in done.stderr and len(types) == 1:
        return
    if is_refused(name, CSV, done):
        return
    expected = read(file, coerce_int96_timestamp_unit="us" if "int96" in schema_text(file) else None)
    same_text(out, expected)
    run("verify", out, "--against", file, *options)


def check_file(file):
    name = file.relative_to(CORPUS).as_posix()

    def test(folder):
        problem = unread(file)
        by_pyarrow = entry(NOT_BY_PYARROW, name)
        if by_pyarrow and (problem is None or by_pyarrow[1] not in problem):
            raise AssertionError(f"pyarrow says {problem}, not {by_pyarrow[1]!r}")
        parts = folder / "in"
        parts_as(parts, [file, file])
        for way, options in WAYS.items():
            source, out = parts if way in DOUBLED else file, folder / f"{way}.parquet"
            done = attempt("merge", source, "-o", out, *options)
            if problem is not None and not by_pyarrow:
                # Damaged, as pyarrow has it too: what is written is no better than what was read.
                assert done.returncode == 5 or unread(out), f"{way}: {problem}, and yet it was read"
                continue
            if is_refused(name, way, done):
                assert not out.exists(), f"{way}: refused, and written"
                continue
            if problem is None:
                check_output(file, out, way)
            rows = options if way == SOURCES else []
            is_refused(name, VERIFY, attempt("verify", out, "--against", source, *rows))
        if problem is None or by_pyarrow:
            check_csv(name, file, folder)
        else:
            assert attempt("merge", file, "-o", folder / "out.csv").returncode == 5, "CSV of a damaged file"

    return name, test


FILES = sorted(CORPUS.rglob("*.parquet"))
check_all(check_file(file) for file in FILES)
finish()
