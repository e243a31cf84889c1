"""Every type that pyarrow and DuckDB write, through every way to Parquet: tests/column_types.py, run by .ci/run with the
Python that .ci/python.txt pins.

A set is a table of one kind of columns: their smallest, largest and odd values, and nulls. Each set is copied, made anew
from small parts, cut, compressed, converted, aligned by name, copied by S3. Column by column, what comes out has the Parquet type, field
id, metadata and values that went in, as pyarrow and DuckDB see them, and `verify` agrees. It does not once a value, a null,
a type or a key of the metadata is another. One line per check; exit code 1 where one failed.
"""

import datetime as dt
import decimal
import functools
import json
import os
import random
import re
import uuid
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from harness import (
    INT96_TO_MICROS, SOURCE_COLUMNS, check_all, check_statistics, finish, first_difference, part_name, parts_of, read, run, same_table,
    same_text, schema_text, without_source_columns,
)

# Sets of columns.

ROWS = 24


def cycled(values, nullable=True):
    """As many values as there are rows, with nulls between them."""
    values = list(values)
    if nullable:
        values.append(None)
    return [values[row % len(values)] for row in range(ROWS)]


def whole(bits, signed):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return [low, high, 0, 1, high // 2 + 1]


def digits(precision, scale):
    with decimal.localcontext(decimal.Context(prec=80)):
        most = Decimal("9" * precision).scaleb(-scale)
        return [most, -most, Decimal(0).scaleb(-scale), Decimal(1).scaleb(-scale), Decimal(-1).scaleb(-scale)]


FLOATS = [0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan"), -2.0**-14]
TEXTS = ["", "00042", "a,b", 'say "hi"', "two\nlines", "é日本😀", "a text that is too long to lie in a view itself", "null"]
BYTES = [b"", b"\x00", b"\xff\xfe", b"text", b"\x00" * 40, b"%PDF\r\n"]
INSTANTS = [0, -1, 1, 1_767_323_045, -62_135_596_800, 253_402_300_799]
OF_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
UUIDS = [uuid.UUID(int=0).bytes, uuid.UUID(int=2**128 - 1).bytes, bytes(range(16))]
JSONS = ['{"a": [1, null]}', "[]", "null", '"é"']


def instants(unit):
    times = OF_SECOND[unit]
    fit = [second * times for second in INSTANTS if abs(second * times) < 2**63]
    return [*fit, *([times // 2 + 1] if unit != "s" else []), *([-(2**63), 2**63 - 1] if unit in ("us", "ns") else [])]


def flat_types():
    types = {}
    for bits in (8, 16, 32, 64):
        types[f"int{bits}"] = (getattr(pa, f"int{bits}")(), whole(bits, True))
        types[f"uint{bits}"] = (getattr(pa, f"uint{bits}")(), whole(bits, False))
    types |= {
        "float16": (pa.float16(), FLOATS), "float32": (pa.float32(), FLOATS), "float64": (pa.float64(), FLOATS),
        "bool": (pa.bool_(), [True, False]),
        "string": (pa.string(), TEXTS), "large_string": (pa.large_string(), TEXTS), "string_view": (pa.string_view(), TEXTS),
        "binary": (pa.binary(), BYTES), "large_binary": (pa.large_binary(), BYTES), "binary_view": (pa.binary_view(), BYTES),
        "fixed1": (pa.binary(1), [b"\x00", b"\xff"]), "fixed16": (pa.binary(16), UUIDS),
        "date32": (pa.date32(), [0, -1, 20_455, -719_162, 2_932_896, 2**31 - 1, -(2**31)]),
        "date64": (pa.date64(), [0, -86_400_000, 20_455 * 86_400_000]),
        "time32_s": (pa.time32("s"), [0, 86_399]), "time32_ms": (pa.time32("ms"), [0, 86_399_999, 1]),
        "time64_us": (pa.time64("us"), [0, 86_399_999_999, 1]), "time64_ns": (pa.time64("ns"), [0, 86_399_999_999_999, 1]),
    }
    for unit in OF_SECOND:
        types[f"timestamp_{unit}"] = (pa.timestamp(unit), instants(unit))
        types[f"timestamp_{unit}_utc"] = (pa.timestamp(unit, "UTC"), instants(unit))
        types[f"timestamp_{unit}_rome"] = (pa.timestamp(unit, "Europe/Rome"), instants(unit))
        types[f"timestamp_{unit}_offset"] = (pa.timestamp(unit, "+05:30"), instants(unit))
        types[f"duration_{unit}"] = (pa.duration(unit), [0, -1, 1, 2**63 - 1, -(2**63)])
    for precision, scale in [(1, 0), (4, 4), (9, 2), (18, 3), (19, 0), (28, 10), (38, 0), (38, 38)]:
        types[f"decimal_{precision}_{scale}"] = (pa.decimal128(precision, scale), digits(precision, scale))
    types |= {
        "decimal32": (pa.decimal32(9, 2), digits(9, 2)), "decimal64": (pa.decimal64(18, 3), digits(18, 3)),
        "dictionary": (pa.dictionary(pa.int8(), pa.string()), ["x", "y", ""]),
        "dictionary_ordered": (pa.dictionary(pa.int32(), pa.string(), ordered=True), ["low", "high"]),
        "dictionary_of_int": (pa.dictionary(pa.int32(), pa.int64()), [1, -(2**63)]),
        "dictionary_of_bytes": (pa.dictionary(pa.int16(), pa.binary()), [b"\xff", b""]),
    }
    return types


# Microseconds, in which rows are compared, do not reach as far.
FAR_TIMES = {
    name: (pa.timestamp("ms", zone), [-(2**63), 2**63 - 1, 0]) for name, zone in [("plain", None), ("utc", "UTC")]
}
WIDE_DECIMALS = {
    f"decimal_{precision}_{scale}": (pa.decimal256(precision, scale), digits(precision, scale))
    for precision, scale in [(39, 0), (50, 20), (76, 76), (10, 2)]
}
EXTENSIONS = {
    "uuid": (pa.uuid(), UUIDS),
    "json": (pa.json_(), JSONS),
    "bool8": (pa.bool8(), [1, 0, 2]),
    "opaque": (pa.opaque(pa.binary(), "geometry", "a vendor"), BYTES),
    "fixed_shape": (pa.fixed_shape_tensor(pa.int32(), [2]), [[1, 2], [3, 4]]),
}
STRUCT = pa.struct([pa.field("a", pa.int32(), nullable=False), pa.field("b", pa.string())])
NESTED = {
    "list": (pa.list_(pa.int64()), [[1, None, 3], [], [2**63 - 1]]),
    "large_list": (pa.large_list(pa.string()), [["a", None], []]),
    "list_required": (pa.list_(pa.field("element", pa.float64(), nullable=False)), [[0.5, float("nan")], []]),
    "fixed_list": (pa.list_(pa.int16(), 2), [[1, None], [3, 4]]),
    "list_of_list": (pa.list_(pa.list_(pa.date32())), [[[0, None], None, []], []]),
    "struct": (STRUCT, [{"a": 1, "b": "x"}, {"a": -1, "b": None}]),
    "map": (pa.map_(pa.string(), pa.decimal128(9, 2)), [[("k", Decimal("1.25")), ("l", None)], []]),
    "map_of_map": (pa.map_(pa.int32(), pa.map_(pa.string(), pa.uint32())), [[(1, [("x", 2**32 - 1)]), (2, None)], []]),
    "list_of_struct_of_map": (
        pa.list_(pa.struct([("m", pa.map_(pa.string(), pa.list_(pa.timestamp("ms", "UTC")))), ("u", pa.uint8())])),
        [[{"m": [("k", [0, None]), ("l", None)], "u": 255}, None, {"m": None, "u": None}], []],
    ),
    "struct_of_odd": (
        pa.struct([("t", pa.time64("ns")), ("f", pa.float16()), ("x", pa.binary(3)), ("d", pa.duration("us"))]),
        [{"t": 1, "f": 0.5, "x": b"abc", "d": -1}, {"t": None, "f": None, "x": None, "d": None}],
    ),
    "list_of_dictionary": (pa.list_(pa.dictionary(pa.int32(), pa.string())), [["x", None], []]),
}


def build(kind, values):
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, build(kind.storage_type, values))
    if pa.types.is_temporal(kind):
        return pa.array(values, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)
    if pa.types.is_list(kind) and isinstance(kind.value_type, pa.BaseExtensionType):
        return build(pa.list_(kind.value_type.storage_type), values).cast(kind)
    return pa.array(values, kind)


def table_of(types, nullable=True, metadata=None):
    fields = [pa.field(name, kind, nullable, (metadata or {}).get(name)) for name, (kind, _) in types.items()]
    arrays = [build(kind, cycled(values, nullable)) for kind, values in types.values()]
    return pa.table(arrays, schema=pa.schema(fields, {"our.key": "our value", "another": '{"a": 1}'}))


class ByPyarrow:
    """Rows that pyarrow writes."""

    def __init__(self, table, **options):
        self.table, self.options = table, options
        self.columns = table.column_names
        # pyarrow keeps both in one key, or neither.
        self.has_metadata = options.get("store_schema", True)

    def write(self, path, start=0, stop=ROWS, columns=None, nullable=None):
        table = self.table.slice(start, stop - start)
        if columns is not None:
            table = table.select(columns)
        if nullable is not None:
            table = table.cast(pa.schema([field.with_nullable(nullable) for field in table.schema], table.schema.metadata))
        pq.write_table(table, path, **self.options)

    def changed(self, name, change):
        """The same rows but for one column; `None` where it has nothing to change."""
        array = CHANGES[change](self.table[name].combine_chunks())
        is_told = self.has_metadata or change != "another type" or not pa.types.is_duration(self.table[name].type)
        if array is None or not is_told:
            return None
        place = self.columns.index(name)
        field = self.table.schema.field(place)
        field = field.with_type(array.type).with_nullable(field.nullable or array.null_count > 0)
        return ByPyarrow(self.table.set_column(place, field, array), **self.options)


class ByDuckdb:
    """Rows that DuckDB writes."""

    def __init__(self, columns, **options):
        self.columns, self.options = list(columns), options
        self.rows = {name: [cells[row % len(cells)] for row in range(ROWS)] for name, cells in columns.items()}

    def write(self, path, start=0, stop=ROWS, columns=None):
        names = columns or self.columns
        rows = [f"({row}, " + ", ".join(self.rows[name][row] for name in names) + ")" for row in range(start, stop)]
        asked = ", ".join(f'"{name}"' for name in names)
        ids = {name: key for name, key in self.options.get("field_ids", {}).items() if name in names}
        options = {**self.options, "field_ids": ids} if ids else self.options
        options = "".join(f", {key} {value}" for key, value in options.items())
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            f"""copy (select {asked} from (values {", ".join(rows)}) t(row_number, {asked}) order by row_number)
            to '{path}' (format parquet{options})"""
        )

    def changed(self, name, change):
        cells = list(self.rows[name])
        nothing = [cell for cell in cells if "null as" in cell or cell.startswith("null")]
        if change == "another type":
            # DuckDB writes these as strings.
            is_text = name in ("varchar", "enum('x', 'y')", "bit", "varint", "b")
            cells = [f"encode(({cell})::varchar)" if is_text else f"({cell})::varchar" for cell in cells]
        elif change == "a null":
            cells[3] = nothing[0] if nothing and cells[3] not in nothing else None
        else:
            cells[3] = next((cell for cell in cells if cell not in (cells[3], *nothing)), None)
        if cells[3] is None:
            return None
        other = ByDuckdb({}, **self.options)
        other.columns, other.rows = self.columns, {**self.rows, name: cells}
        return other


def duckdb_columns():
    cells = {
        "uuid": ["'00112233-4455-6677-8899-aabbccddeeff'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
        "enum('x', 'y')": ["'x'", "'y'"],
        "json": ["'{\"a\": [1, null]}'", "'null'"],
        "interval": ["interval '1 month 2 days 3.5 seconds'", "interval '0 days'", "interval '120 months'"],
        "time": ["'00:00:00'", "'23:59:59.999999'"],
        "timetz": ["'12:34:56.5+00'", "'00:00:00+00'"],
        "time_ns": ["'12:34:56.123456789'", "'00:00:00'"],
        "hugeint": ["170141183460469231731687303715884105727", "-1"],
        "uhugeint": ["340282366920938463463374607431768211455", "0"],
        "blob": ["'\\xAA\\x00'", "''"],
        "bit": ["'101'", "'0'"],
        "timestamp": ["'2026-01-02 03:04:05.678901'", "'0001-01-01'", "'infinity'"],
        "timestamp_s": ["'2026-01-02 03:04:05'"],
        "timestamp_ms": ["'2026-01-02 03:04:05.678'"],
        "timestamp_ns": ["'2026-01-02 03:04:05.678901234'", "'1700-01-01'"],
        "timestamptz": ["'2026-01-02 03:04:05.678901+00'", "'1969-12-31 23:59:59+00'"],
        "date": ["'2026-01-02'", "'0001-01-01'"],
        "boolean": ["true", "false"],
        "varchar": ["''", "'a,b'", "'é日本😀'"],
        "float": ["'nan'", "'-0.0'", "'inf'", "1.5"],
        "double": ["'nan'", "'-0.0'", "'-inf'", "1e-300"],
        "decimal(4, 1)": ["999.9", "-0.1"],
        "decimal(9, 2)": ["-1.25"],
        "decimal(18, 3)": ["999999999999999.999"],
        "decimal(38, 10)": ["-9999999999999999999999999999.0123456789", "0"],
        "varint": ["'123456789012345678901234567890'"],
        '"null"': ["null"],
    }
    for kind, least, most in [
        ("tinyint", -128, 127), ("smallint", -(2**15), 2**15 - 1), ("integer", -(2**31), 2**31 - 1),
        ("bigint", -(2**63), 2**63 - 1), ("utinyint", 0, 255), ("usmallint", 0, 2**16 - 1),
        ("uinteger", 0, 2**32 - 1), ("ubigint", 0, 2**64 - 1),
    ]:
        cells[kind] = [f"'{least}'", f"'{most}'"]
    return {
        kind.strip('"'): [f"cast({cell} as {kind})" for cell in [*values, "null"]] for kind, values in cells.items()
    }


DUCKDB_NESTED = {
    "list": ["[1, null, 3]", "[]", "null::int[]"],
    # A null among them is written so that pyarrow does not read it.
    "array": ["[1, 2]::int[2]", "[null, 4]::int[2]"],
    "struct": ["{'a': 1, 'b': 'x'}", "{'a': null, 'b': ''}"],
    "map": ["map(['a', 'b'], [1, null])", "null::map(varchar, int)"],
    "list_of_struct_of_map": ["[{'m': map(['k'], [[1]]), 'u': '00112233-4455-6677-8899-aabbccddeeff'::uuid}, null]"],
    "struct_of_odd": ["{'i': interval '1 month', 't': time '12:34:56', 'e': 'x'::enum('x'), 'j': '[]'::json}"],
    # Its type depends on its values: parts with others differ.
    "variant": ["'x'::variant", "'yy'::variant"],
}

MICROS = {"us": (pa.timestamp("us"), [0, -1, 1, 1_767_323_045_678_901, 253_402_300_799_999_999, -62_135_596_800_000_000])}
IDS = {
    name: {"PARQUET:field_id": str(number + 10), "unit": "a unit", "empty": ""}
    for number, name in enumerate([*flat_types(), *NESTED])
}
LOOSE = {name: kind for name, kind in flat_types().items() if "dictionary" not in name}
NESTED_IDS = {
    "list": (pa.list_(pa.field("element", pa.int64(), metadata={"PARQUET:field_id": "101"})), [[1], None]),
    "struct": (
        pa.struct([pa.field("a", pa.uint8(), False, {"PARQUET:field_id": "102", "unit": "kg"})]), [{"a": 1}, {"a": 255}],
    ),
}
SETS = {
    "flat": ByPyarrow(table_of(flat_types())),
    "flat, required": ByPyarrow(table_of(flat_types(), nullable=False)),
    "flat, without Arrow's schema": ByPyarrow(table_of(flat_types()), store_schema=False),
    "flat, ids and metadata": ByPyarrow(table_of(flat_types(), metadata=IDS)),
    "flat, plain pages of version 2": ByPyarrow(table_of(flat_types()), use_dictionary=False, data_page_version="2.0"),
    "flat, version 1.0": ByPyarrow(table_of(
        {name: kind for name, kind in flat_types().items() if "_ns" not in name}), version="1.0"),
    "decimals as integers": ByPyarrow(table_of(flat_types()).select(
        [name for name in flat_types() if "decimal" in name]), store_decimal_as_integer=True),
    "far times": ByPyarrow(table_of(FAR_TIMES)),
    "wide decimals": ByPyarrow(table_of(WIDE_DECIMALS)),
    "null": ByPyarrow(table_of({"n": (pa.null(), [None]), "i": (pa.int8(), [1])})),
    "INT96": ByPyarrow(table_of(MICROS), use_deprecated_int96_timestamps=True),
    "extension types": ByPyarrow(table_of(EXTENSIONS)),
    "extension types, required": ByPyarrow(table_of(EXTENSIONS, nullable=False)),
    "extension types, without Arrow's schema": ByPyarrow(table_of(EXTENSIONS), store_schema=False),
    "nested": ByPyarrow(table_of(NESTED)),
    "nested, required": ByPyarrow(table_of(NESTED, nullable=False)),
    "nested, ids and metadata": ByPyarrow(table_of(NESTED, metadata=IDS)),
    "nested, ids within": ByPyarrow(table_of(NESTED_IDS)),
    "nested, without Arrow's schema": ByPyarrow(table_of(NESTED), store_schema=False),
    "DuckDB": ByDuckdb(duckdb_columns()),
    # The difference of two INT32 is written with more bits than they have, and read by none but DuckDB.
    "DuckDB, version 2": ByDuckdb(
        {name: cells for name, cells in duckdb_columns().items() if name not in ("integer", "uinteger")},
        parquet_version="v2",
    ),
    "DuckDB, nested": ByDuckdb(DUCKDB_NESTED),
    "DuckDB, field ids": ByDuckdb({"a": ["1", "2"], "b": ["'x'", "null"]}, field_ids={"a": 7, "b": 9}),
}

# Ways from parts to Parquet. Each writes parts below `folder / "in"`, and returns the outputs that take all of them.


def write_parts(rows, folder, ends, columns_of=lambda part: None):
    (folder / "in").mkdir()
    for number, (start, stop) in enumerate(zip([0, *ends], [*ends, ROWS])):
        rows.write(folder / "in" / part_name(number), start, stop, columns_of(number))


def merged(*options, ends=(10,)):
    def way(rows, folder):
        write_parts(rows, folder, ends)
        run("merge", folder / "in", "-o", folder / "out.parquet", *options)
        return [folder / "out.parquet"]
    return way


def converted(*options):
    def way(rows, folder):
        write_parts(rows, folder, (5, 11))
        run("convert", folder / "in", "-o", folder / "out", "--to", "parquet", *options)
        return parts_of(folder / "out")
    return way


def by_name(rows, folder):
    """The second part has the first column only."""
    write_parts(rows, folder, (8, 16), lambda part: rows.columns[:1] if part == 1 else None)
    run("merge", folder / "in", "-o", folder / "out.parquet", "--schema", "by-name")
    return [folder / "out.parquet"]


def required_and_optional(rows, folder):
    """The first part's columns cannot hold null, the second part's can."""
    (folder / "in").mkdir()
    for number, nullable in enumerate([False, True]):
        rows.write(folder / "in" / part_name(number), number * 10, 10 + number * 14, nullable=nullable)
    run("merge", folder / "in", "-o", folder / "out.parquet")
    return [folder / "out.parquet"]


# S3's server of the tests, if it runs: .ci/servers.
SERVER = os.environ.get("FORECAST_EXPORT_TEST_SEAWEEDFS")
BUCKET = f"column-types-{os.getpid()}"
# A server copies no less than 5 MiB.
NOISE = 12 * 2**20


@functools.cache
def bucket():
    keys = [os.environ[f"FORECAST_EXPORT_TEST_SEAWEEDFS_{name}"] for name in ("KEY", "SECRET")]
    os.environ.update(AWS_ACCESS_KEY_ID=keys[0], AWS_SECRET_ACCESS_KEY=keys[1], AWS_REGION="us-east-1")
    host = SERVER.removeprefix("http://")
    store = pyarrow.fs.S3FileSystem(
        access_key=keys[0], secret_key=keys[1], endpoint_override=host, scheme="http", region="us-east-1",
        allow_bucket_creation=True,
    )
    store.create_dir(BUCKET)
    return store


def on_server(rows, folder):
    """The server copies each row group; a column of noise makes them large enough."""
    noise = pa.array([random.Random(row).randbytes(NOISE // ROWS) for row in range(ROWS)], pa.binary())
    table = rows.table.append_column(pa.field("noise", pa.binary(), nullable=False), noise)
    write_parts(ByPyarrow(table, **rows.options), folder, (12,))
    place = f"{BUCKET}/{folder.name}"
    pyarrow.fs.copy_files(str(folder / "in"), f"{place}/in", destination_filesystem=bucket())
    there = ["--on-server", "always", "--endpoint-url", SERVER]
    run("merge", f"s3://{place}/in", "-o", f"s3://{place}/out.parquet", *there)
    pyarrow.fs.copy_files(f"{place}/out.parquet", str(folder / "out.parquet"), source_filesystem=bucket())
    bucket().delete_dir(place)
    return [folder / "out.parquet"]


COPIED, BY_NAME, SOURCES, BOTH = "copied", "by name", "source columns", "required and optional"
ON_SERVER = "on the server"
VERIFY = "verify"
WAYS = {
    COPIED: merged(ends=()),
    "small parts": merged(ends=range(2, ROWS, 2)),
    "cut": merged("--row-group-rows", "7"),
    "compressed": merged("--compression", "gzip"),
    SOURCES: merged("--source-columns"),
    BY_NAME: by_name,
    "converted": converted(),
    "converted and cut": converted("--split-rows", "7"),
    BOTH: required_and_optional,
    ON_SERVER: on_server,
}
# What `verify` has to know of an output's rows.
OPTIONS = {SOURCES: ["--source-columns"], BY_NAME: ["--schema", "by-name"]}

# What is refused: sets, a step, and a part of the message.
REFUSED = {
    ("far times", VERIFY): "the timestamp is out of range",
}

# What DuckDB does not read: times out of its range, and INT96, whose unit changes.
NOT_BY_DUCKDB = {"far times", "INT96"}

# What is compared.

SCHEMA_KEYS = {b"ARROW:schema", b"forecast-export.receipt"}


def optional(text, of=None):
    """A schema whose columns, all or these, can hold null."""
    def column(found):
        return found[0].replace("required", "optional", 1) if of is None or found[1] in of else found[0]
    return re.sub(r"(?m)^  required (?:group|\S+) field_id=-?\d+ (.*?)(?: \(.*\))?(?:;| \{)$", column, text)


def nulls(count, kind):
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.nulls(count, kind.storage_type))
    return pa.nulls(count, kind)


def expected_of(parts, way):
    """The rows of the parts, as pyarrow reads them, and the schema of their whole."""
    tables = [read(part) for part in parts]
    text = schema_text(parts[0])
    if way == BY_NAME:
        first, lacking, last = tables
        names = first.column_names
        arrays = [lacking[name] if name in lacking.column_names else nulls(len(lacking), first[name].type) for name in names]
        tables = [first, pa.table(arrays, schema=first.schema), last]
        text = optional(text, names[1:])
    if way == BOTH:
        text = optional(text)
        tables = [table.cast(tables[1].schema) for table in tables]
    return pa.concat_tables(tables), text


def by_duckdb(files, skipped=()):
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    names = ", ".join(f"'{file}'" for file in files)
    asked = f"select * exclude ({', '.join(skipped)})" if skipped else "select *"
    relation = connection.sql(f"{asked} from read_parquet([{names}], union_by_name = true)")
    return dict(zip(relation.columns, map(str, relation.types))), relation.to_arrow_table()


def check_way(name, way):
    rows = SETS[name]

    def test(folder):
        outputs = WAYS[way](rows, folder)
        parts = parts_of(folder / "in")
        expected, text = expected_of(parts, way)
        is_int96 = "int96" in text
        if is_int96 and "int96" not in schema_text(outputs[0]):
            assert way not in (COPIED, ON_SERVER), "a copy keeps INT96"
            text = re.sub(*INT96_TO_MICROS, text)
            expected = pa.concat_tables(
                [read(part, coerce_int96_timestamp_unit="us") for part in parts]
            )
        tables = []
        for output in outputs:
            found = schema_text(output)
            found = without_source_columns(found) if way == SOURCES else found
            assert found == text, f"the schema is\n{found}\nnot\n{text}"
            tables.append(read(output))
            check_statistics(output, way)
            there, here = (pq.read_metadata(file).metadata or {} for file in (parts[0], output))
            for key in there.keys() - SCHEMA_KEYS:
                assert here.get(key) == there[key], f"the key {key} is {here.get(key)}"
            assert not here.keys() - there.keys() - SCHEMA_KEYS, here.keys()
        found = pa.concat_tables(tables)
        if way == SOURCES:
            assert found.column_names[-3:] == SOURCE_COLUMNS, found.column_names
            found = found.drop_columns(SOURCE_COLUMNS)
        same_table(found, expected, "pyarrow")
        options = OPTIONS.get(way, [])
        output = outputs[0] if len(outputs) == 1 else folder / "out"
        refused = REFUSED.get((name, VERIFY))
        said = run("verify", output, "--against", folder / "in", *options, code=5 if refused else 0).stderr
        assert not refused or refused in said, said
        if name in NOT_BY_DUCKDB:
            return
        types, values = by_duckdb(parts)
        found_types, found_values = by_duckdb(outputs, SOURCE_COLUMNS if way == SOURCES else ())
        assert found_types == types, f"DuckDB: {found_types} is not {types}"
        same_table(found_values, values, "DuckDB")
    return test


# Two parts whose types differ: what `--schema by-name` makes of them, or why it does not. Without it all are refused.

PAIRS = {
    "int32 and int64": (pa.int32(), pa.int64(), pa.int64()),
    "int8 and int64": (pa.int8(), pa.int64(), pa.int64()),
    "uint32 and int64": (pa.uint32(), pa.int64(), pa.int64()),
    "uint64 and int64": (pa.uint64(), pa.int64(), "the type is INT64 here but UINT(64) in"),
    "int32 and uint32": (pa.int32(), pa.uint32(), "the type is UINT(32) here but INT32 in"),
    "int64 and float64": (pa.int64(), pa.float64(), "the type is DOUBLE here but INT64 in"),
    "float16 and float32": (pa.float16(), pa.float32(), pa.float32()),
    "float32 and float64": (pa.float32(), pa.float64(), pa.float64()),
    "bool and int8": (pa.bool_(), pa.int8(), "the type is INT(8) here but BOOLEAN in"),
    "ms and us": (pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("us")),
    "ms and us, UTC": (pa.timestamp("ms", "UTC"), pa.timestamp("us", "UTC"), pa.timestamp("us", "UTC")),
    "us and ns": (pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ns")),
    "us and UTC": (pa.timestamp("us"), pa.timestamp("us", "UTC"), "the type is TIMESTAMP(MICROS, UTC) here but"),
    "date and timestamp": (pa.date32(), pa.timestamp("us"), "the type is TIMESTAMP(MICROS) here but DATE in"),
    "times of day": (pa.time32("ms"), pa.time64("us"), pa.time64("us")),
    "durations": (pa.duration("s"), pa.duration("us"), "durations are in microseconds here but in seconds in"),
    "a duration and a number": (pa.duration("s"), pa.int64(), "durations are in numbers of no unit here but in seconds"),
    "decimals": (pa.decimal128(9, 2), pa.decimal128(12, 4), pa.decimal128(12, 4)),
    "decimals beyond 38": (pa.decimal128(38, 0), pa.decimal128(38, 10), pa.decimal256(48, 10)),
    "null and uuid": (pa.null(), pa.uuid(), pa.uuid()),
    "uuid and null": (pa.uuid(), pa.null(), pa.uuid()),
    "null and a list": (pa.null(), pa.list_(pa.int8()), pa.list_(pa.int8())),
    "string and binary": (pa.string(), pa.binary(), "the type is BYTE_ARRAY here but STRING in"),
    "json and string": (pa.json_(), pa.string(), "the type is STRING here but JSON in"),
    "uuid and bytes": (pa.uuid(), pa.binary(16), "the type is FIXED_LEN_BYTE_ARRAY(16) here but UUID in"),
    "lists": (pa.list_(pa.int32()), pa.list_(pa.int64()), pa.list_(pa.int64())),
    "lists of json and string": (pa.list_(pa.json_()), pa.list_(pa.string()), "the type is LIST(STRING) here but LIST(JSON)"),
    "structs": (pa.struct([("a", pa.int8())]), pa.struct([("a", pa.int16())]), pa.struct([("a", pa.int16())])),
    "structs of other fields": (pa.struct([("a", pa.int8())]), pa.struct([("b", pa.int8())]), "the type is STRUCT(b INT(8))"),
}
# One null and one value, the same in both parts.
ONE = {
    pa.types.is_boolean: True, pa.types.is_decimal: Decimal("1"), pa.types.is_string: "[1]", pa.types.is_list: [],
    pa.types.is_binary: b"", pa.types.is_fixed_size_binary: b"0123456789abcdef",
    pa.types.is_struct: {}, pa.types.is_null: None,
}


def one_of(kind):
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return next((value for is_kind, value in ONE.items() if is_kind(storage)), 1)


def check_pair(first, second, outcome):
    def test(folder):
        (folder / "in").mkdir()
        tables = []
        for number, kind in enumerate([first, second]):
            rows = ByPyarrow(pa.table({"x": build(kind, [one_of(kind), None] * (ROWS // 2))}))
            rows.write(folder / "in" / part_name(number))
            tables.append(rows.table)
        run("merge", folder / "in", "-o", folder / "strict.parquet", code=5)
        by_name = ["--schema", "by-name"]
        out = folder / "out.parquet"
        if isinstance(outcome, str):
            said = run("merge", folder / "in", "-o", out, *by_name, code=5).stderr
            assert outcome in said, said
            return
        run("merge", folder / "in", "-o", out, *by_name)
        alike = [
            nulls(ROWS, outcome) if pa.types.is_null(table["x"].type) else table["x"].cast(outcome).combine_chunks()
            for table in tables
        ]
        expected = pa.table({"x": pa.concat_arrays(alike)})
        found = read(out)
        assert found["x"].type == outcome, found["x"].type
        same_table(found, expected, "pyarrow")
        run("verify", out, "--against", folder / "in", *by_name)
    return test


# Towards CSV.


def calendar_types():
    """Flat types, of which the times are ones that pyarrow reads in a CSV."""
    types = flat_types()
    for name, (kind, _) in types.items():
        if pa.types.is_timestamp(kind):
            times = OF_SECOND[kind.unit]
            types[name] = (kind, [0, -1, 1_767_323_045 * times + times // 2, -2_208_988_800 * times])
        elif pa.types.is_date32(kind):
            types[name] = (kind, [0, -1, 20_455, -719_162, 2_932_896])
    return types


def check_csv(folder):
    rows = ByPyarrow(table_of({**calendar_types(), "uuid": EXTENSIONS["uuid"], "json": EXTENSIONS["json"]}))
    write_parts(rows, folder, (10,))
    run("merge", folder / "in", "-o", folder / "out.csv", "--binary", "hex")
    same_text(folder / "out.csv", rows.table)
    run("verify", folder / "out.csv", "--against", folder / "in", "--binary", "hex")


DUCKDB_TEXTS = {
    "uuid": ("'00112233-4455-6677-8899-aabbccddeeff'::uuid", "00112233-4455-6677-8899-aabbccddeeff"),
    "enum": ("'x'::enum('x')", "x"),
    "json": ("""'{"a": 1}'::json""", '"{""a"": 1}"'),
    "interval": ("interval '1 month 2 days 3.5 seconds'", "P1M2DT3.5S"),
    "no interval": ("interval '0 days'", "PT0S"),
    "time": ("time '12:34:56.789012'", "12:34:56.789012"),
    "timetz": ("'12:34:56+00'::timetz", "12:34:56"),
    "blob": ("'\\xAA\\x00'::blob", "aa00"),
    "nothing": ("null", ""),
}


def check_csv_by_duckdb(folder):
    asked = ", ".join(f'{cell} as "{name}"' for name, (cell, _) in DUCKDB_TEXTS.items())
    duckdb.connect().execute(f"copy (select {asked}) to '{folder / 'in.parquet'}' (format parquet)")
    run("merge", folder / "in.parquet", "-o", folder / "out.csv", "--binary", "hex")
    found = (folder / "out.csv").read_text().splitlines()
    assert found == [",".join(DUCKDB_TEXTS), ",".join(text for _, text in DUCKDB_TEXTS.values())], found
    run("verify", folder / "out.csv", "--against", folder / "in.parquet", "--binary", "hex")


# What `verify` finds: an output in which one thing is another.


def another_value(column):
    """A column whose fourth row has the value of another row; `None` where all are the same."""
    for row in range(ROWS):
        if column[row].is_valid and first_difference(column.slice(row, 1), column.slice(3, 1), ""):
            return taken(column, row)
    return None


def taken(column, row):
    """The column with another row's value, or with a null, in its fourth row."""
    value = nulls(1, column.type) if row is None else column.slice(row, 1)
    return pa.concat_arrays([column.slice(0, 3), value, column.slice(4)])


def a_null(column):
    # Within a struct a column may be required, and pyarrow has no null for it.
    is_strict = pa.types.is_struct(column.type) and not all(field.nullable for field in column.type)
    return taken(column, None) if column[3].is_valid and not is_strict else None


def another_type(column):
    """The same values as Parquet stores them under another type, where Parquet has one for them."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        # Other extension types are known to Arrow only.
        return column.storage if isinstance(kind, (pa.UuidType, pa.JsonType)) else None
    if isinstance(kind, pa.DictionaryType):
        return another_type(column.dictionary_decode())
    if pa.types.is_null(kind):
        return pa.nulls(ROWS, pa.int32())
    if pa.types.is_decimal(kind):
        scale = kind.scale - 1 if kind.scale else 1
        kind = type(kind)  # as wide as before
        make = {pa.Decimal32Type: pa.decimal32, pa.Decimal64Type: pa.decimal64, pa.Decimal128Type: pa.decimal128}
        return of_buffers(make.get(kind, pa.decimal256)(column.type.precision, scale), column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.binary())
    if pa.types.is_integer(kind) and kind.bit_width < 32:
        return column.cast(pa.int32())
    if pa.types.is_timestamp(kind) and kind.unit != "s":
        return column.view(pa.timestamp(kind.unit) if kind.tz else pa.timestamp(kind.unit, "UTC"))
    if pa.types.is_list(kind):
        child = another_type(column.values)
        return None if child is None else pa.ListArray.from_arrays(column.offsets, child, mask=column.is_null())
    if pa.types.is_integer(kind) or pa.types.is_temporal(kind) and not pa.types.is_timestamp(kind):
        view = pa.int32() if kind.bit_width == 32 else pa.int64()
        return column.view(pa.uint32() if kind == pa.int32() else pa.uint64() if kind == pa.int64() else view)
    # It is stored in another way.
    return pa.array([str(row) if value.is_valid else None for row, value in enumerate(column)], pa.string())


def of_buffers(kind, column):
    return pa.Array.from_buffers(kind, len(column), column.buffers(), offset=column.offset)


CHANGES = {"another value": another_value, "a null": a_null, "another type": another_type}


def check_found(rows, changed, column, change):
    def test(folder):
        (folder / "in").mkdir()
        rows.write(folder / "in" / part_name(0))
        changed.write(folder / "changed.parquet")
        said = run("verify", folder / "changed.parquet", "--against", folder / "in", code=6).stderr
        assert re.search(rf"column {re.escape(column)}(?!\w)", said), said
        if change != "another type":
            assert "row 4" in said, said
    return test


def check_metadata_found(name):
    """What another tool wrote anew is as good, and no longer once a key says something else."""
    rows = SETS[name]

    def test(folder):
        (folder / "in").mkdir()
        rows.write(folder / "in" / part_name(0))
        file = folder / "changed.parquet"
        pq.write_table(rows.table, file, **rows.options)
        run("verify", file, "--against", folder / "in")
        metadata = rows.table.schema.metadata
        pq.write_table(rows.table.replace_schema_metadata({**metadata, b"our.key": b"another"}), file, **rows.options)
        said = run("verify", file, "--against", folder / "in", code=6).stderr
        assert "our.key" in said, said
    return test


def checks():
    for name, rows in SETS.items():
        for way in WAYS:
            has_nulls = isinstance(rows, ByDuckdb) or any(column.null_count for column in rows.table.columns)
            if way == ON_SERVER and (SERVER is None or isinstance(rows, ByDuckdb)):
                continue
            if way != BOTH or not has_nulls:
                yield f"{name}: {way}", check_way(name, way)
    for name, pair in PAIRS.items():
        yield f"parts that differ: {name}", check_pair(*pair)
    yield "CSV of what pyarrow writes", check_csv
    yield "CSV of what DuckDB writes", check_csv_by_duckdb
    for name, rows in SETS.items():
        if (name, VERIFY) in REFUSED:
            continue
        if isinstance(rows, ByPyarrow) and rows.has_metadata:
            yield f"{name}: verify finds another key", check_metadata_found(name)
        for column in rows.columns:
            for change in CHANGES:
                if changed := rows.changed(column, change):
                    yield f"{name}: verify finds {change} in {column}", check_found(rows, changed, column, change)


check_all(checks())
finish()
