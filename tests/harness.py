"""What the scripts of this folder share: checks, runs of the binary that FORECAST_EXPORT_BIN names, and comparisons of
Arrow values bit by bit."""

import math
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

BINARY = os.environ["FORECAST_EXPORT_BIN"]
RUN = "2026-01-02T03-04-05Z"
# No run on small files takes as long as this.
LIMIT = 60
DOCUMENTED = {0, 1, 2, 3, 4, 5, 6, 7, 8}
passed, failed = 0, 0


def check(name, test):
    """Runs one check, which raises where something is wrong."""
    report(name, outcome(test))


def check_all(checks, workers=2):
    """Runs many checks, given as pairs of a name and a test, some of them at a time."""
    checks = list(checks)
    with ThreadPoolExecutor(workers) as pool:
        for (name, _), problem in zip(checks, pool.map(lambda pair: outcome(pair[1]), checks)):
            report(name, problem)


def outcome(test):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peers."))
    try:
        test(folder)
        return None
    except Exception as error:  # a check that breaks has failed, whatever broke it
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        return f"{type(error).__name__} at line {line}: {error}"
    finally:
        shutil.rmtree(folder)


def report(name, problem):
    global passed, failed
    if problem is None:
        passed += 1
        print(f"ok      {name}")
    else:
        failed += 1
        print(f"FAILED  {name}: {problem}")


def finish():
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def attempt(*arguments):
    """Runs the binary, which may refuse, but neither panics nor hangs nor ends as nothing documents."""
    command = [BINARY, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=LIMIT)
    said = done.stderr.strip()
    if done.returncode not in DOCUMENTED or "panicked" in said:
        raise AssertionError(f"{arguments}: exit code {done.returncode}, {said}")
    return done


def run(*arguments, code=0):
    done = attempt(*arguments)
    if done.returncode != code:
        raise AssertionError(f"{arguments}: exit code {done.returncode}, {done.stderr.strip()}")
    return done


def bits(value):
    """A value that is equal to another one only where every bit is; NaN is NaN."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack(">d", value)
    return value


def part_name(number, ending="parquet"):
    return f"sales_1_{RUN}_part{number}.{ending}"


def parts_of(folder):
    # Beside the parts lies their receipt.
    names = [path.name for path in folder.iterdir() if "_part" in path.name]
    return [folder / name for name in sorted(names, key=lambda name: int(name.split("_part")[1].split(".")[0]))]


def first_difference(found, expected, name):
    """Where two arrays of one type differ in any bit of a value that is no null; `None` where they do not."""
    if isinstance(found, pa.ChunkedArray):
        found, expected = found.combine_chunks(), expected.combine_chunks()
    if found.type != expected.type:
        return f"{name} is {found.type}, not {expected.type}"
    if len(found) != len(expected):
        return f"{name} has {len(found)} values, not {len(expected)}"
    kind = found.type
    if isinstance(kind, pa.BaseExtensionType):
        return first_difference(found.storage, expected.storage, name)
    if not found.is_valid().equals(expected.is_valid()):
        at = pc.index(pc.equal(found.is_valid(), expected.is_valid()), False).as_py()
        return f"{name}, value {at}: null is {not found[at].is_valid}, not {not expected[at].is_valid}"
    if pa.types.is_dictionary(kind):
        return first_difference(found.dictionary_decode(), expected.dictionary_decode(), name)
    if pa.types.is_map(kind):
        pairs = pa.list_(pa.struct([pa.field("key", kind.key_type, False), pa.field("value", kind.item_type)]))
        return first_difference(found.cast(pairs), expected.cast(pairs), name)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = first_difference(pc.list_value_length(found), pc.list_value_length(expected), f"{name}, lengths")
        return lengths or first_difference(found.flatten(), expected.flatten(), f"{name}.{kind.value_field.name}")
    if pa.types.is_struct(kind):
        children = zip(found.flatten(), expected.flatten(), kind)
        differences = (first_difference(one, other, f"{name}.{field.name}") for one, other, field in children)
        return next((difference for difference in differences if difference), None)
    if pa.types.is_floating(kind):
        whole = {16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[kind.bit_width]
        found, expected = found.view(whole), expected.view(whole)
    if not found.equals(expected):
        same = pc.fill_null(pc.equal(found, expected), True)
        at = pc.index(same, False).as_py()
        # Python cannot print every value that Arrow holds.
        one, other = (array.slice(at, 1).to_string(indent=0).replace("\n", "") for array in (found, expected))
        return f"{name}, value {at}: {one} is not {other} ({kind})"
    return None


def same_table(found, expected, what):
    """Names, types, metadata of fields, and values; null or not at the top is another matter."""
    if found.column_names != expected.column_names:
        raise AssertionError(f"{what}: columns {found.column_names}, not {expected.column_names}")
    for name, one, other in zip(found.column_names, found.schema, expected.schema):
        if one.metadata != other.metadata:
            raise AssertionError(f"{what}: metadata of {name} is {one.metadata}, not {other.metadata}")
    for name, one, other in zip(found.column_names, found.columns, expected.columns):
        difference = first_difference(one, other, name)
        if difference:
            raise AssertionError(f"{what}: {difference}")


def schema_text(file):
    """The Parquet schema: how each column is stored, what it means, whether it is required, and its field id."""
    return str(pq.ParquetFile(file).schema).split("\n", 1)[1].rstrip()


def read(file, **options):
    """The rows of a Parquet file; pyarrow cannot read some nested columns of more than one row group at once."""
    opened = pq.ParquetFile(file, **options)
    groups = [opened.read_row_group(number) for number in range(opened.metadata.num_row_groups)]
    return pa.concat_tables(groups) if groups else opened.read()


def in_numbers(array):
    """Days and times as the numbers that Parquet stores; seconds are stored as milliseconds."""
    kind = array.type
    numbers = array.view(pa.int32() if kind.bit_width == 32 else pa.int64()).cast(pa.int64())
    if pa.types.is_date64(kind):
        return pc.divide(numbers, 86_400_000)
    is_seconds = not pa.types.is_date(kind) and not pa.types.is_duration(kind) and kind.unit == "s"
    return pc.multiply(numbers, 1000) if is_seconds else numbers


TEXTS = {pa.string(), pa.large_string(), pa.string_view(), pa.binary_view()}


SOURCE_COLUMNS = ["_job", "_run", "_part"]
# INT96 that is made anew: nobody should write it any more.
INT96_TO_MICROS = (
    r"int96 field_id=(-?\d+) ([^;]*);",
    r"int64 field_id=\1 \2 (Timestamp(isAdjustedToUTC=false, timeUnit=microseconds, "
    r"is_from_converted_type=false, force_set_converted_type=false));",
)


def without_source_columns(text):
    return re.sub(r"\n  optional binary field_id=-1 _(job|run|part) \(String\);", "", text)


def check_statistics(file, what):
    """What row groups say of their smallest and largest values includes every value."""
    opened = pq.ParquetFile(file)
    for number in range(opened.metadata.num_row_groups):
        group, rows = opened.metadata.row_group(number), None
        for column in range(group.num_columns):
            chunk = group.column(column)
            said = chunk.statistics
            if chunk.path_in_schema not in opened.schema_arrow.names or said is None or not said.has_min_max:
                continue
            rows = rows if rows is not None else opened.read_row_group(number)
            values = rows[chunk.path_in_schema].combine_chunks()
            values = values.storage if isinstance(values.type, pa.BaseExtensionType) else values
            if pa.types.is_nested(values.type):
                continue
            if pa.types.is_dictionary(values.type):
                values = values.dictionary_decode()
            is_time = pa.types.is_temporal(values.type)
            low, high = (said.min_raw, said.max_raw) if is_time else (said.min, said.max)
            if pa.types.is_float16(values.type):
                # pyarrow finds no smallest of them, and shows what is said of them as bytes.
                values, (low, high) = values.cast(pa.float32()), (struct.unpack("<e", bound)[0] for bound in (low, high))
            if pa.types.is_floating(values.type):
                values = values.filter(pc.invert(pc.is_nan(values)))
            values = in_numbers(values) if is_time else values
            if values.type in TEXTS:
                values = values.cast(pa.binary())
            if pa.types.is_decimal(values.type) and values.type.bit_width < 128:
                values = values.cast(pa.decimal128(values.type.precision, values.type.scale))
            low, high = (bound.encode() if isinstance(bound, str) else bound for bound in (low, high))
            found = pc.min_max(values)
            lowest, highest = found["min"].as_py(), found["max"].as_py()
            if lowest is not None and (low > lowest or high < highest):
                raise AssertionError(
                    f"{what}, row group {number}, {chunk.path_in_schema}: statistics say {low!r} to {high!r}, "
                    f"values are {lowest!r} to {highest!r}"
                )


def parts_as(folder, files):
    """A folder whose parts are these files."""
    folder.mkdir()
    for number, file in enumerate(files):
        shutil.copyfile(file, folder / part_name(number))


def as_text(array):
    """A column as pyarrow's reader of CSV gives it back: what has no form there as text or numbers."""
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    kind = array.type
    if isinstance(kind, pa.UuidType):
        return pa.array([value and str(value) for value in array.to_pylist()], pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return as_text(array.storage)
    if pa.types.is_dictionary(kind):
        return as_text(array.dictionary_decode())
    if pa.types.is_timestamp(kind) and kind.tz:
        return array.cast(pa.timestamp(kind.unit, "UTC"))
    if pa.types.is_duration(kind):
        return array.cast(pa.int64())
    if pa.types.is_floating(kind):
        # Java prints no float of two bytes, and no text says which NaN it is.
        array = array.cast(pa.float32()) if pa.types.is_float16(kind) else array
        return pc.if_else(pc.is_nan(array), pa.scalar(math.nan, array.type), array)
    if pa.types.is_decimal(kind) and kind.bit_width < 128:
        return array.cast(pa.decimal128(kind.precision, kind.scale))
    if pa.types.is_binary_view(kind):
        return as_text(array.cast(pa.binary()))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([None if value is None else value.hex() for value in array.to_pylist()], pa.string())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    return array


def same_text(file, table, what="CSV"):
    """A CSV file of ours holds the values of a table; its bytes are in hex."""
    expected = pa.table([as_text(column) for column in table.columns], names=table.column_names)
    found = pacsv.read_csv(
        file,
        pacsv.ReadOptions(use_threads=False, block_size=1 << 28),
        pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pacsv.ConvertOptions(
            column_types=expected.schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    same_table(found, expected, what)
