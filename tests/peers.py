"""What other readers and writers say: tests/peers.py, run by .ci/run with the Python that .ci/python.txt pins.

Exports are written here by Python's csv module and pyarrow, by DuckDB and by Polars; the binary that
FORECAST_EXPORT_BIN names merges and converts them; DuckDB and pyarrow read the results. Values are compared with those
that were written, in order and bit by bit, and so are names and types. One line per check; exit code 1 where one
failed. FORECAST_EXPORT_REAL_DATA names a folder with real exports, which are checked as well where it is set.
"""

import csv
import datetime as dt
import io
import os
import pathlib
import random
import shutil
from decimal import Decimal

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

from harness import RUN, bits, check, finish, part_name, parts_of, run

UTC = dt.timezone.utc


def same(found, expected, what):
    if len(found) != len(expected):
        raise AssertionError(f"{what}: {len(found)} rows, not {len(expected)}")
    for number, (one, other) in enumerate(zip(found, expected)):
        if [bits(value) for value in one] != [bits(value) for value in other]:
            raise AssertionError(f"{what}, row {number}: {one} is not {other}")


def by_pyarrow(file):
    table = pq.read_table(file)
    return list(zip(*(column.to_pylist() for column in table.columns))), table.schema


def by_duckdb(file):
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set preserve_insertion_order = true")
    relation = connection.read_parquet(str(file))
    names, types = relation.columns, [str(kind) for kind in relation.types]
    # Points in time as numbers: Python's conversion of them needs a further package.
    asked = [
        f'epoch_us("{name}") as "{name}"' if kind.startswith("TIMESTAMP") else f'"{name}"'
        for name, kind in zip(names, types)
    ]
    return relation.select(", ".join(asked)).fetchall(), dict(zip(names, types))


def micros(value):
    if not isinstance(value, dt.datetime):
        return value
    since = value.replace(tzinfo=value.tzinfo or UTC) - dt.datetime(1970, 1, 1, tzinfo=UTC)
    return since // dt.timedelta(microseconds=1)


def check_parquet(file, rows, types, what):
    """What both readers find in a file is `rows`, with the types of Arrow and of DuckDB."""
    found, schema = by_pyarrow(file)
    same(found, rows, f"{what} by pyarrow")
    assert {field.name: str(field.type) for field in schema} == {name: one for name, (one, _) in types.items()}, schema
    assert schema.names == list(types), schema
    found, schema = by_duckdb(file)
    same(found, [tuple(map(micros, row)) for row in rows], f"{what} by DuckDB")
    assert schema == {name: other for name, (_, other) in types.items()}, schema


# An export of ours: rows as Python has them, and as an export's text.

TEXT, DOUBLE = ("string", "VARCHAR"), ("double", "DOUBLE")
INSTANT, LOCAL = ("timestamp[us, tz=UTC]", "TIMESTAMP WITH TIME ZONE"), ("timestamp[us]", "TIMESTAMP")
TYPES = {
    "item_id": TEXT,
    "store": TEXT,
    "timestamp": INSTANT,
    "target_value": DOUBLE,
    "backtestwindow_start_time": LOCAL,
    "backtestwindow_end_time": LOCAL,
    "mean": DOUBLE,
    "p10": DOUBLE,
    "p90": DOUBLE,
}
AWKWARD = [
    "00042", "1e5", "true", "nan", "NULL", "null", "NaN", "not defined", "1.0", "-0", "0x1F", "2026-01-02", "a,b",
    'say "hi"', "two\nlines", "cr\r\nlf", " blank ", "é日本😀", "", None, "=1+1", "\\N", "'", "item;1", "\t",
]
# The text of a number as Java writes it, and as a cell that holds none.
NUMBERS = [
    "0.0", "-0.0", "1.0", "186.7223965486312", "239.40948798705196", "2.295408381527212E-4", "1.0E7",
    "1.7976931348623157E308", "2.2250738585072014E-308", "-1.2345678901234567E-5", "NaN", "Infinity", "-Infinity",
    "9999999.999999998", "0.001", "9.99E-4", "123456.78901234567", None,
]


def an_export(seed, count):
    """Rows with every awkward id and number, as values and as cells."""
    chance = random.Random(seed)
    values, cells = [], []
    for i in range(count):
        item = AWKWARD[i % len(AWKWARD)] if i % 3 else f"item_{i:05}"
        store = chance.choice([None, "", "00007", "store,1"])
        at = dt.datetime(2026, 1, 1, tzinfo=UTC) + dt.timedelta(hours=chance.randrange(-10_000_000, 1_000_000))
        window = [None, None] if i % 11 == 0 else [dt.datetime(2017, 6, 19), dt.datetime(2017, 6, 23, 23)]
        numbers = [chance.choice(NUMBERS) for _ in range(3)] + [repr(chance.uniform(-1000, 1000))]
        if i % 7 == 0:
            numbers[1] = "not defined"
        number = [None if text in (None, "not defined") else float(text) for text in numbers]
        values.append((item, store, at, number[0], *window, *number[1:]))
        windows = [time and time.strftime("%Y-%m-%dT%H:%M:%S") for time in window]
        # strftime leaves years before 1000 short, isoformat does not.
        instant = at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
        cells.append([item, store, instant, numbers[0], *windows, *numbers[1:]])
    return values, cells


def line(cells, end):
    """Null is an empty cell and "" the empty string, which no dialect of the csv module tells apart."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    out = []
    for cell in cells:
        text.seek(0)
        text.truncate()
        if cell == "":
            out.append('""')
        elif cell is not None:
            writer.writerow([cell, "x"])
            out.append(text.getvalue().removesuffix(",x\r\n"))
        else:
            out.append("")
    return ",".join(out) + end


def cut(count, chance):
    """Where parts end: thirteen of them, some without rows."""
    ends = sorted(chance.randrange(count + 1) for _ in range(12))
    return list(zip([0, *ends], [*ends, count]))


def write_csv_parts(folder, cells, end="\n"):
    chance = random.Random(len(cells))
    folder.mkdir()
    for number, (start, stop) in enumerate(cut(len(cells), chance)):
        text = line(TYPES, end) + "".join(line(row, end) for row in cells[start:stop])
        if number == 5:
            text = "\ufeff" + text
        if number % 3 == 0:
            text = text.removesuffix(end)
        path = folder / f"sales_1_{RUN}_part{number}.csv"
        path.write_bytes(b"" if start == stop and number > 0 else text.encode())


def arrow_schema():
    kinds = {TEXT: pa.string(), DOUBLE: pa.float64(), INSTANT: pa.timestamp("us", "UTC"), LOCAL: pa.timestamp("us")}
    return pa.schema([(name, kinds[kind]) for name, kind in TYPES.items()])


def as_table(values):
    columns = list(zip(*values)) or [()] * len(TYPES)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, arrow_schema())], arrow_schema())


def write_parquet_parts(folder, values, **options):
    table = as_table(values)
    folder.mkdir()
    for number, (start, stop) in enumerate(cut(len(values), random.Random(len(values)))):
        pq.write_table(table.slice(start, stop - start), folder / f"sales_1_{RUN}_part{number}.parquet", **options)


def read_csv(path, end="\n"):
    """The cells of a file as text. Null and the empty string are told apart by its bytes, checked elsewhere."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file, lineterminator=end))


def in_order(files, read):
    return [row for file in files for row in read(file)]


VALUES, CELLS = an_export(7, 400)
NUMBER_COLUMNS = {i for i, kind in enumerate(TYPES.values()) if kind == DOUBLE}


def canonical():
    """The whole table as our CSV has it: `not defined` is a null once it was a number."""
    rows = [
        [None if i in NUMBER_COLUMNS and cell == "not defined" else java(cell) if i in NUMBER_COLUMNS else cell
         for i, cell in enumerate(row)]
        for row in CELLS
    ]
    return (line(TYPES, "\n") + "".join(line(row, "\n") for row in rows)).encode()


def same_text(file):
    found, expected = file.read_bytes().decode(), canonical().decode()
    for one, other in zip(found.split("\n"), expected.split("\n")):
        assert one == other, f"{one!r} is not {other!r}"
    assert found == expected


def java(text):
    """repr() and Java's Double.toString have the same digits and differ in where E begins."""
    if text in (None, "not defined", "NaN", "Infinity", "-Infinity"):
        return text
    value = float(text)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, digits)).rstrip("0")
    exponent += len(Decimal(repr(value)).as_tuple().digits) - 1
    return f"{'-' if sign else ''}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def csv_to_parquet(folder):
    write_csv_parts(folder / "in", CELLS)
    run("merge", folder / "in", "-o", folder / "out.parquet")
    check_parquet(folder / "out.parquet", VALUES, TYPES, "merge")
    for options in ([], ["--compression", "zstd:9"], ["--compression", "gzip"], ["--compression", "lz4"],
                    ["--compression", "none", "--row-group-rows", "37"]):
        run("merge", folder / "in", "-o", folder / "again.parquet", "--overwrite", *options)
        check_parquet(folder / "again.parquet", VALUES, TYPES, f"merge {options}")


def csv_to_csv(folder):
    for end in ("\n", "\r\n"):
        shutil.rmtree(folder / "in", ignore_errors=True)
        write_csv_parts(folder / "in", CELLS, end)
        run("merge", folder / "in", "-o", folder / "out.csv", "--overwrite")
        expected = line(TYPES, end) + "".join(line(row, end) for row in CELLS)
        assert (folder / "out.csv").read_bytes() == expected.encode()


def csv_converted(folder):
    write_csv_parts(folder / "in", CELLS)
    run("convert", folder / "in", "-o", folder / "out")
    files = parts_of(folder / "out")
    assert [file.name for file in files] == [f"sales_1_{RUN}_part{n}.parquet" for n in range(13)], files
    same(in_order(files, lambda file: by_pyarrow(file)[0]), VALUES, "convert")
    run("convert", folder / "in", "-o", folder / "cut", "--split-rows", "90")
    counts = [pq.read_metadata(file).num_rows for file in parts_of(folder / "cut")]
    assert counts == [90, 90, 90, 90, 40], counts
    same(in_order(parts_of(folder / "cut"), lambda file: by_pyarrow(file)[0]), VALUES, "convert --split-rows")


def parquet_to_parquet(folder):
    write_parquet_parts(folder / "in", VALUES)
    run("merge", folder / "in", "-o", folder / "out.parquet")
    check_parquet(folder / "out.parquet", VALUES, TYPES, "merge")


def parquet_to_csv(folder):
    write_parquet_parts(folder / "in", VALUES)
    run("merge", folder / "in", "-o", folder / "out.csv")
    same_text(folder / "out.csv")
    run("convert", folder / "in", "-o", folder / "out")
    rows = in_order(parts_of(folder / "out"), lambda file: read_csv(file)[1:])
    assert rows == read_csv(folder / "out.csv")[1:]


def there_and_back(folder):
    write_csv_parts(folder / "in", CELLS)
    run("convert", folder / "in", "-o", folder / "there")
    run("merge", folder / "there", "-o", folder / "back.csv")
    same_text(folder / "back.csv")


def csv_by_duckdb(folder):
    """DuckDB reads our CSV with the types of the Parquet file."""
    write_parquet_parts(folder / "in", VALUES)
    run("merge", folder / "in", "-o", folder / "out.csv")
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    relation = connection.read_csv(
        str(folder / "out.csv"), header=True, parallel=False,
        dtype={name: kind for name, (_, kind) in TYPES.items()}, all_varchar=False,
    )
    asked = [f'epoch_us("{name}")' if kind in (INSTANT, LOCAL) else f'"{name}"' for name, kind in TYPES.items()]
    # DuckDB's CSV reader takes "" for null, so the two columns of text are left out here.
    found = [row[2:] for row in relation.select(", ".join(asked)).fetchall()]
    same(found, [tuple(map(micros, row))[2:] for row in VALUES], "CSV by DuckDB")


# What others write.

EPOCH = dt.datetime(2026, 1, 2, 3, 4, 5, 678_901)
FOREIGN = {
    # A column's name: Arrow type, values, and the text each has in our CSV.
    "large": (pa.large_string(), ["00042", "a,b", None], ["00042", '"a,b"', ""]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["x", None, "x"], ["x", "", "x"]),
    "view": (pa.string_view(), ["1e5", "", "a long text that is no inline view"],
             ["1e5", '""', "a long text that is no inline view"]),
    "ms": (pa.timestamp("ms"), [EPOCH.replace(microsecond=678_000), None, dt.datetime(1969, 12, 31, 23, 59, 59)],
           ["2026-01-02T03:04:05.678", "", "1969-12-31T23:59:59"]),
    "us_utc": (pa.timestamp("us", "UTC"), [EPOCH.replace(tzinfo=UTC)] * 2 + [None],
               ["2026-01-02T03:04:05.678901Z"] * 2 + [""]),
    "us_zone": (pa.timestamp("us", "Asia/Tokyo"), [EPOCH.replace(microsecond=0, tzinfo=UTC)] * 3,
                ["2026-01-02T03:04:05Z"] * 3),
    "ns": (pa.timestamp("ns"), [1_767_323_045_678_901_234, None, 0],
           ["2026-01-02T03:04:05.678901234", "", "1970-01-01T00:00:00"]),
    "day": (pa.date32(), [dt.date(2026, 1, 2), None, dt.date(1969, 12, 31)], ["2026-01-02", "", "1969-12-31"]),
    "decimal": (pa.decimal128(20, 4), [Decimal("-12.5000"), None, Decimal("1234567890123456.7891")],
                ["-12.5000", "", "1234567890123456.7891"]),
    "float32": (pa.float32(), [0.5, None, 16777216.0], ["0.5", "", "1.6777216E7"]),
    "p10": (pa.int64(), [1, None, -(2**63)], ["1", "", "-9223372036854775808"]),
    "p50": (pa.int32(), [7, 8, 9], ["7", "8", "9"]),
    "u64": (pa.uint64(), [2**64 - 1, 0, None], ["18446744073709551615", "0", ""]),
    "flag": (pa.bool_(), [True, False, None], ["true", "false", ""]),
}


def foreign_table():
    arrays = [pa.array(values, kind) for kind, values, _ in FOREIGN.values()]
    return pa.table(arrays, names=list(FOREIGN))


def foreign_csv(columns, times=1):
    texts = [FOREIGN[name][2] for name in columns]
    rows = "".join(",".join(row) + "\n" for row in zip(*texts)) * times
    return ",".join(columns) + "\n" + rows


def plain(table):
    """A table without the differences of form that Parquet does not keep: dictionaries, views, sizes
    of offsets, names of zones."""
    def form(kind):
        if pa.types.is_dictionary(kind):
            return form(kind.value_type)
        if pa.types.is_timestamp(kind) and kind.tz:
            return pa.timestamp(kind.unit, "UTC")
        return pa.string() if pa.types.is_string_view(kind) or pa.types.is_large_string(kind) else kind
    return table.replace_schema_metadata().cast(pa.schema([(f.name, form(f.type)) for f in table.schema]))


def merge_foreign(folder, write, expected_csv, parts=2):
    """Two parts by another writer: to CSV the text is that expected, to Parquet its own reader sees equal rows."""
    (folder / "in").mkdir()
    for number in range(parts):
        write(folder / "in" / f"sales_1_{RUN}_part{number}.parquet")
    run("merge", folder / "in", "-o", folder / "out.csv")
    found = (folder / "out.csv").read_text()
    assert found == expected_csv, f"{found!r} is not {expected_csv!r}"
    whole = [pq.read_table(file) for file in parts_of(folder / "in")]
    expected = plain(pa.concat_tables(whole))
    # Once by column chunks, once by decoding and encoding.
    for options in ([], ["--compression", "zstd"]):
        run("merge", folder / "in", "-o", folder / "out.parquet", "--overwrite", *options)
        merged = plain(pq.read_table(folder / "out.parquet"))
        assert merged.schema.equals(expected.schema), f"{options}: {merged.schema} is not {expected.schema}"
        for name in expected.column_names:
            assert merged[name].equals(expected[name]), f"{options}: {merged[name]} is not {expected[name]}"
        count = duckdb.sql(f"select count(*) from read_parquet('{folder / 'out.parquet'}')").fetchall()[0][0]
        assert count == expected.num_rows


def by_arrow(**options):
    def test(folder):
        table = foreign_table()
        merge_foreign(folder, lambda path: pq.write_table(table, path, **options), foreign_csv(list(FOREIGN), 2))
    return test


def by_arrow_int96(folder):
    """Points in time become microseconds; nanoseconds are copied, and refused where they would be cut off."""
    int96 = {"use_deprecated_int96_timestamps": True}
    columns = ["large", "ms"]
    table = foreign_table().select(columns)
    (folder / "in").mkdir()
    for number in range(2):
        pq.write_table(table, folder / "in" / part_name(number), **int96)
    run("merge", folder / "in", "-o", folder / "out.csv")
    assert (folder / "out.csv").read_text() == foreign_csv(columns, 2)
    run("merge", folder / "in", "-o", folder / "out.parquet", "--compression", "zstd")
    found, schema = by_pyarrow(folder / "out.parquet")
    same(found, list(zip(*(FOREIGN[name][1] for name in columns))) * 2, "merge")
    assert str(schema.field("ms").type) == "timestamp[us]", schema
    nanos = folder / "nanos.parquet"
    pq.write_table(foreign_table().select(["ns"]), nanos, **int96)
    run("merge", nanos, "-o", folder / "copy.parquet")
    assert pq.read_table(folder / "copy.parquet").equals(pq.read_table(nanos))
    said = run("merge", nanos, "-o", folder / "none.parquet", "--compression", "zstd", code=5).stderr
    assert "row 1, column ns: an INT96 timestamp has nanoseconds" in said, said


def by_arrow_optional_against_required(folder):
    (folder / "in").mkdir()
    for number, nullable in enumerate([True, False]):
        schema = pa.schema([pa.field("item_id", pa.string(), nullable), pa.field("p50", pa.float64(), nullable)])
        table = pa.table([pa.array(["a", "b"]), pa.array([1.0, -0.0])], schema=schema)
        pq.write_table(table, folder / "in" / f"sales_1_{RUN}_part{number}.parquet")
    run("merge", folder / "in", "-o", folder / "out.parquet")
    same(by_pyarrow(folder / "out.parquet")[0], [("a", 1.0), ("b", -0.0)] * 2, "merge")


def by_arrow_types_that_differ(folder):
    (folder / "in").mkdir()
    for number, kind in enumerate([pa.int64(), pa.float64()]):
        table = pa.table({"item_id": ["a"], "p50": pa.array([1], kind)})
        pq.write_table(table, folder / "in" / f"sales_1_{RUN}_part{number}.parquet")
    said = run("merge", folder / "in", "-o", folder / "out.parquet", code=5).stderr
    assert "_part1.parquet, column p50" in said, said
    assert not (folder / "out.parquet").exists()


def by_arrow_nested(folder):
    (folder / "in").mkdir()
    table = pa.table({"item_id": ["a"], "values": pa.array([[1, 2]])})
    pq.write_table(table, folder / "in" / f"sales_1_{RUN}_part0.parquet")
    said = run("merge", folder / "in", "-o", folder / "out.csv", code=5).stderr
    assert "column values" in said, said
    run("merge", folder / "in", "-o", folder / "out.parquet")
    assert pq.read_table(folder / "out.parquet").to_pylist() == table.to_pylist()


def by_duckdb_writer(compression, version):
    def test(folder):
        columns = ["large", "ms", "us_utc", "day", "decimal", "float32", "p10", "p50", "u64", "flag"]
        table = plain(foreign_table().select(columns))
        def write(path):
            connection = duckdb.connect()
            connection.execute("set timezone = 'UTC'")
            connection.register("t", table)
            connection.execute(f"copy t to '{path}' (format parquet, compression {compression}, parquet_version {version})")
        merge_foreign(folder, write, foreign_csv(columns, 2))
    return test


def by_polars(compression):
    def test(folder):
        columns = ["large", "ms", "us_utc", "ns", "day", "decimal", "float32", "p10", "p50", "u64", "flag"]
        frame = polars.from_arrow(foreign_table().select(columns))
        merge_foreign(folder, lambda path: frame.write_parquet(path, compression=compression), foreign_csv(columns, 2))
    return test


# Real files.


def real_forecasts(folder):
    """Three exports of 2019, each alone: old column order, no newline at the end, one without rows."""
    source = REAL / "automated-forecast"
    files = sorted(source.glob("*_part0.csv"))
    assert len(files) == 3, files
    for number, file in enumerate(files):
        records = read_csv(file)
        header, rows = records[0], records[1:]
        kinds = {name: INSTANT if name == "date" else TEXT if name == "item_id" else DOUBLE for name in header}
        expected = [
            tuple(
                dt.datetime.strptime(cell, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if kinds[name] == INSTANT
                else float(cell) if kinds[name] == DOUBLE else cell
                for name, cell in zip(header, row)
            )
            for row in rows
        ]
        out = folder / f"{number}.parquet"
        run("merge", file, "-o", out)
        check_parquet(out, expected, kinds, file.name)
        run("convert", file, "-o", folder / f"{number}")
        check_parquet(parts_of(folder / f"{number}")[0], expected, kinds, file.name)
        run("merge", file, "-o", folder / f"{number}.csv")
        run("merge", out, "-o", folder / f"{number}-back.csv")
        whole = file.read_bytes().rstrip(b"\n") + b"\n"
        assert (folder / f"{number}.csv").read_bytes() == whole
        # Whole numbers come back as doubles are written: 21 as 21.0.
        back = read_csv(folder / f"{number}-back.csv")
        assert back[0] == header
        number_or_text = lambda name, cell: float(cell) if kinds[name] == DOUBLE else cell
        typed = lambda rows: [[number_or_text(*pair) for pair in zip(header, row)] for row in rows]
        same(typed(back[1:]), typed(rows), "back to CSV")
    job = files[1].name.split("_2019-")[0]
    run("merge", source, "--job", job, "-o", folder / "by-job.csv")
    assert read_csv(folder / "by-job.csv") == read_csv(files[1])


def real_accuracies(folder):
    """8,406 rows of metrics, `not defined` among them."""
    file = REAL / "item-level-accuracy" / "bike_backtest_accuracies.csv"
    part = folder / "in" / "accuracy-metrics-values" / f"Accuracy_bike_{RUN}_part0.csv"
    part.parent.mkdir(parents=True)
    shutil.copyfile(file, part)
    records = read_csv(part)
    header, rows = records[0], records[1:]
    assert len(rows) == 8406, len(rows)
    kinds = {
        name: LOCAL if name.startswith("backtestwindow_") else TEXT if name in ("item_id", "backtest_window") else DOUBLE
        for name in header
    }
    expected = [
        tuple(
            dt.datetime.strptime(cell, "%Y-%m-%dT%H:%M:%S") if kinds[name] == LOCAL
            else (None if cell in ("", "not defined") else float(cell)) if kinds[name] == DOUBLE
            else cell
            for name, cell in zip(header, row)
        )
        for row in rows
    ]
    run("merge", folder / "in", "-o", folder / "out.parquet")
    check_parquet(folder / "out.parquet", expected, kinds, "merge")
    run("convert", folder / "in", "-o", folder / "out", "--split-rows", "1000")
    same(in_order(parts_of(folder / "out"), lambda path: by_pyarrow(path)[0]), expected, "convert")
    run("merge", folder / "in", "-o", folder / "copy.csv")
    assert (folder / "copy.csv").read_bytes() == part.read_bytes().rstrip(b"\n") + b"\n"
    run("merge", folder / "out.parquet", "-o", folder / "back.csv")
    assert (folder / "back.csv").read_bytes() == (folder / "copy.csv").read_bytes().replace(b"not defined", b"")


check("CSV parts merge to Parquet", csv_to_parquet)
check("CSV parts merge to CSV", csv_to_csv)
check("CSV parts convert to Parquet parts", csv_converted)
check("Parquet parts merge to Parquet", parquet_to_parquet)
check("Parquet parts merge and convert to CSV", parquet_to_csv)
check("CSV to Parquet to CSV", there_and_back)
check("CSV of ours by DuckDB", csv_by_duckdb)
for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli"):
    check(f"pyarrow, {codec}", by_arrow(compression=codec))
check("pyarrow, data pages of version 2", by_arrow(data_page_version="2.0"))
check("pyarrow, page checksums", by_arrow(write_page_checksum=True))
check("pyarrow, no dictionaries", by_arrow(use_dictionary=False))
check("pyarrow, one row in a row group", by_arrow(row_group_size=1))
check("pyarrow, without its own schema", by_arrow(store_schema=False))
check("pyarrow, delta encodings", by_arrow(use_dictionary=False, column_encoding={
    "large": "DELTA_BYTE_ARRAY", "p10": "DELTA_BINARY_PACKED", "float32": "BYTE_STREAM_SPLIT"}))
check("pyarrow, INT96 timestamps", by_arrow_int96)
check("pyarrow, OPTIONAL against REQUIRED", by_arrow_optional_against_required)
check("pyarrow, types that differ are refused", by_arrow_types_that_differ)
check("pyarrow, nested columns are copied and refused for CSV", by_arrow_nested)
for codec in ("snappy", "zstd", "gzip", "lz4_raw", "brotli", "uncompressed"):
    check(f"DuckDB, {codec}", by_duckdb_writer(codec, "v1"))
check("DuckDB, version 2", by_duckdb_writer("zstd", "v2"))
for codec in ("zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed"):
    check(f"Polars, {codec}", by_polars(codec))
if "FORECAST_EXPORT_REAL_DATA" in os.environ:
    REAL = pathlib.Path(os.environ["FORECAST_EXPORT_REAL_DATA"])
    check("real forecast exports", real_forecasts)
    check("real accuracy metrics", real_accuracies)

finish()
