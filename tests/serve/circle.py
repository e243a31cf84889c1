"""The whole circle: tests/serve/circle.py, run by .ci/run with the Python that .ci/serve.txt pins.

A forecast of every kind of source is exported by CreateForecastExportJob, polled, and merged by its job's ARN through the
same endpoint; the rows must be the forecast's. Then what the files are called, how they are cut, and that two jobs of one
name do not mix. One line per check; exit code 1 where one failed.
"""

import csv
import io
import itertools
import math
import pathlib
import re
import shutil
import subprocess

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from sdk import FORECAST, TESTDATA, client, create, describe, destination, done, ended, environment, keys, served
from server import BINARY, LIMIT

from harness import check, finish

ENDINGS = {"CSV": "csv", "PARQUET": "parquet"}
FORMATS = [*ENDINGS]
OWN_ARN = "arn:aws:forecast:eu-west-1:210987654321:forecast/old_forecast"


def parts_of(folder):
    return sorted(folder.glob("*_part*.csv"), key=lambda path: int(re.search(r"_part(\d+)", path.name)[1]))


def table_of(files):
    """The rows of CSV files, each with a header."""
    tables = [file.read_text().split("\n", 1) for file in files]
    text = "\n".join([tables[0][0], *(rows.removesuffix("\n") for _, rows in tables)])
    return pacsv.read_csv(io.BytesIO(text.encode()))


SALES = table_of(parts_of(TESTDATA / "forecast"))
# What other exporters wrote in `testdata/exporters`.
AMOUNTS = pa.table({"id": ["a", "b", "c"], "amount": ["1", "2", "3"]})


def merged(server, arn, target, expected, **env):
    """Merges a job by its ARN, as a user does who knows the endpoint only. CSV is read with the types of what is
    expected."""
    known = environment(**{**keys(), **env}, HOME="/nonexistent")
    command = [BINARY, "merge", arn, "-o", str(target), "--endpoint-url", server.url, "--wait", "30s", "--poll", "100ms"]
    run = subprocess.run(command, capture_output=True, text=True, env=known, timeout=LIMIT)
    assert run.returncode == 0, f"exit code {run.returncode}: {run.stderr}"
    types = pacsv.ConvertOptions(column_types=expected.schema)
    return pacsv.read_csv(target, convert_options=types) if target.suffix == ".csv" else pq.read_table(target)


def comparable(table):
    """Rows by value: where CSV cannot tell types, neither does this."""
    values = [[plain(value) for value in column.to_pylist()] for column in table.columns]
    return table.column_names, list(zip(*values))


def plain(value):
    if isinstance(value, int | float):
        return "NaN" if math.isnan(value) else float(value)
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value


def same_rows(found, expected, what):
    (names, rows), (expected_names, expected_rows) = comparable(found), comparable(expected)
    assert names == expected_names, f"{what}: columns {names}, not {expected_names}"
    assert len(rows) == len(expected_rows), f"{what}: {len(rows)} rows, not {len(expected_rows)}"
    for number, (one, other) in enumerate(zip(rows, expected_rows)):
        assert one == other, f"{what}, row {number}: {one}, not {other}"


def goes_round(server, forecast, expected, scratch, made=itertools.count()):
    """Both formats of a forecast, each merged into the other."""
    client = server.client()
    for format in FORMATS:
        name = f"job{next(made)}"
        path = f"s3://exports/round/{name}/"
        arn = create(client, name, path, forecast, Format=format)
        target = scratch / f"{name}.{ENDINGS[FORMATS[format == 'CSV']]}"
        same_rows(merged(server, arn, target, expected), expected, f"{format} to {target.suffix}")
        job = describe(client, arn)
        files = server.files(f"round/{name}")
        ending = ENDINGS[format]
        assert job["Status"] == "ACTIVE" and files[:2] == ["_CHECK", "_SUCCESS"], (job, files)
        assert re.fullmatch(rf"{name}_\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\dZ_part0\.{ending}", files[2]), files
        assert len(files) == 3, files


def registered(server, name, source, *arguments):
    arn = server.register(name, source, *arguments).strip()
    assert arn == FORECAST.replace("sales", name), arn
    return arn


# Each makes a forecast, and gives its ARN and its rows.


def a_folder_of_csv_parts(server, folder):
    return registered(server, "csv_parts", TESTDATA / "forecast"), SALES


def a_parquet_export(server, folder):
    source = folder / "parquet"
    source.mkdir()
    for number in range(3):
        part = SALES.slice(number * 12, 12)
        pq.write_table(part, source / f"sales_2026-01-02T03-04-05Z_part{number}.parquet")
    return registered(server, "parquet_parts", source), SALES


def a_csv_file_of_any_name(server, folder):
    pacsv.write_csv(SALES.select(["item_id", "p10"]), folder / "any name.csv")
    return registered(server, "csv_file", folder / "any name.csv"), SALES.select(["item_id", "p10"])


def a_parquet_file_of_any_name(server, folder):
    pq.write_table(SALES, folder / "Table 1.parquet")
    return registered(server, "parquet_file", folder / "Table 1.parquet"), SALES


def a_folder_of_one_file_of_any_name(server, folder):
    (folder / "one").mkdir()
    pq.write_table(SALES, folder / "one" / "forecast.parquet")
    return registered(server, "file_in_folder", folder / "one"), SALES


def parts_of_spark(server, folder):
    return registered(server, "spark", TESTDATA / "exporters/spark"), AMOUNTS


def parts_of_redshift_snowflake_and_bigquery(server, folder):
    arns = [registered(server, name, TESTDATA / "exporters" / name) for name in ["redshift", "snowflake", "bigquery"]]
    for arn in arns[:2]:
        goes_round(server, arn, AMOUNTS, folder)
    return arns[2], AMOUNTS.slice(0, 2)


def a_preset_that_is_named(server, folder):
    return registered(server, "preset", TESTDATA / "exporters/spark", "--preset", "spark"), AMOUNTS


def the_newest_of_two_runs(server, folder):
    files = parts_of(TESTDATA / "two_runs")
    newest = table_of([file for file in files if "2026-01-02" in file.name])
    older = table_of([file for file in files if "2025-12-26" in file.name])
    goes_round(server, registered(server, "older", TESTDATA / "two_runs", "--run", "2025-12-26T03-04-05Z"), older, folder)
    return registered(server, "newest", TESTDATA / "two_runs", "--run", "latest"), newest


def one_that_lacks_a_part(server, folder):
    source = TESTDATA / "bad_gap"
    return registered(server, "gap", source, "--allow-gaps"), table_of(parts_of(source))


def parts_whose_columns_differ_in_order(server, folder):
    source = TESTDATA / "what_if"
    tables = [table_of([file]) for file in parts_of(source)]
    expected = pa.concat_tables(table.select(tables[0].column_names) for table in tables)
    return registered(server, "by_name", source, "--schema", "by-name"), expected


def one_kind_of_a_backtest(server, folder):
    arn = registered(server, "backtest", TESTDATA / "backtest", "--kind", "backtest-forecasts")
    expected = table_of(parts_of(TESTDATA / "backtest/forecasted-values"))
    # Ids are text, even where all of them are numbers.
    return arn, expected.set_column(0, "item_id", expected["item_id"].cast(pa.string()))


def a_folder_dropped_into_the_data_folder(server, folder):
    shutil.copytree(TESTDATA / "forecast", server.data / "dropped")
    return FORECAST.replace("sales", "dropped"), SALES


def one_with_an_arn_of_its_own(server, folder):
    """Of another region and account than the server's; its jobs have the same, and so has who asks about them."""
    asked = client(server.url, region="eu-west-1")
    assert asked.describe_forecast(ForecastArn=OWN_ARN)["ForecastName"] == "old_forecast"
    for region in ["eu-west-1", "us-east-1"]:
        name = region.replace("-", "_")
        role = destination(f"s3://exports/own/{name}", "arn:aws:iam::210987654321:role/export")
        made = client(server.url, region=region).create_forecast_export_job(
            ForecastExportJobName=name, ForecastArn=OWN_ARN, Destination=role
        )
        arn = made["ForecastExportJobArn"]
        assert arn == f"arn:aws:forecast:eu-west-1:210987654321:forecast-export-job/old_forecast/{name}", arn
        same_rows(merged(server, arn, folder / f"{name}.csv", SALES, AWS_DEFAULT_REGION=region), SALES, name)
    return None, None


def one_of_the_config_file(server, folder):
    return FORECAST.replace("sales", "configured"), SALES


def one_registered_before_the_server_ran(server, folder):
    return FORECAST.replace("sales", "earlier"), SALES


def an_export_that_the_server_wrote(server, folder):
    arns = {}
    for format in FORMATS:
        path = f"s3://exports/first/{format}"
        done(server.client(), f"first_{format}", path, FORECAST.replace("sales", "earlier"), Format=format)
        arns[path] = registered(server, f"again_{format}", server.exports / "first" / format)
    goes_round(server, arns.popitem()[1], SALES, folder)
    return arns.popitem()[1], SALES


def an_export_by_its_place_in_a_mapped_bucket(server, folder):
    return FORECAST.replace("sales", "mapped"), SALES


SOURCES = [
    a_folder_of_csv_parts,
    a_parquet_export,
    a_csv_file_of_any_name,
    a_parquet_file_of_any_name,
    a_folder_of_one_file_of_any_name,
    parts_of_spark,
    parts_of_redshift_snowflake_and_bigquery,
    a_preset_that_is_named,
    the_newest_of_two_runs,
    one_that_lacks_a_part,
    parts_whose_columns_differ_in_order,
    one_kind_of_a_backtest,
    a_folder_dropped_into_the_data_folder,
    one_with_an_arn_of_its_own,
    one_of_the_config_file,
    one_registered_before_the_server_ran,
    an_export_that_the_server_wrote,
    an_export_by_its_place_in_a_mapped_bucket,
]


def circle(source, server, folder):
    forecast, expected = source(server, folder)
    if forecast is not None:
        goes_round(server, forecast, expected, folder)


def register_early(folder):
    """Before any server has used the data folder."""
    data = folder / "data"
    command = [BINARY, "serve", "register", "earlier", str(TESTDATA / "forecast"), "--data", str(data), "--json"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=LIMIT)
    assert run.returncode == 0, run.stderr
    assert FORECAST.replace("sales", "earlier") in run.stdout, run.stdout


# How files are named and cut.


def many_rows(count):
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["item_id", "date", "p50"])
    writer.writerows([f"item {i}", "2026-01-03T00:00:00Z", i + 0.5] for i in range(count))
    return rows.getvalue()


def parts_are_cut_and_numbered_from_zero(folder):
    data = folder / "data/many"
    data.mkdir(parents=True)
    (data / "many_2026-01-02T03-04-05Z_part0.csv").write_text(many_rows(1000))
    expected = pacsv.read_csv(data / "many_2026-01-02T03-04-05Z_part0.csv")
    with served("--part-bytes", "2KB", forecasts=[], folder=folder) as server:
        for format, ending in ENDINGS.items():
            name = f"Cut_{format}"
            arn = done(server.client(), name, f"s3://exports/{format}", FORECAST.replace("sales", "many"), Format=format)
            names = server.files(format)
            assert names[-2:] == ["_CHECK", "_SUCCESS"], names
            found = [re.fullmatch(rf"({name}_\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\dZ)_part(0|[1-9]\d*)\.{ending}", file) for file in names[:-2]]
            assert all(found) and len({name[1] for name in found}) == 1, names
            numbers = sorted(int(name[2]) for name in found)
            assert numbers == list(range(len(numbers))) and len(numbers) > 10, names
            for name in ["_CHECK", "_SUCCESS"]:
                assert (server.exports / format / name).stat().st_size == 0, name
            if format == "CSV":
                sizes = [path.stat().st_size for path in parts_of(server.exports / format)]
                assert all(1500 < size <= 2100 for size in sizes[:-1]), sizes
                assert all(path.read_text().startswith("item_id,date,p50\n") for path in parts_of(server.exports / format))
                same_rows(table_of(parts_of(server.exports / format)), expected, "the parts one after another")
            same_rows(merged(server, arn, folder / f"{format}.csv", expected), expected, format)


def two_jobs_of_one_name_do_not_mix(folder):
    """Names are unique within a forecast only; both jobs write to one prefix in one second."""
    other = folder / "data/other"
    other.mkdir(parents=True)
    text = (TESTDATA / "forecast/sales_forecast_export_2026-01-02T03-04-05Z_part7.csv").read_text()
    (other / "other_2026-01-02T03-04-05Z_part0.csv").write_text(text)
    with served("--part-bytes", "1KB", folder=folder) as server:
        client = server.client()
        arns = [create(client, "same", path, FORECAST.replace("sales", name))
                for name, path in [("sales", "s3://exports/same"), ("other", "s3://exports/same/")]]
        for arn in arns:
            ended(client, arn)
        names = server.files("same")
        runs = sorted({name.split("_part")[0] for name in names if "_part" in name})
        assert len(runs) == 2 and len(names) > 4, names
        tables = [table_of(sorted((server.exports / "same").glob(f"{run}_part*.csv"), key=number_of)) for run in runs]
        tables.sort(key=len, reverse=True)
        same_rows(tables[0], SALES, "sales")
        same_rows(tables[1], table_of([other / "other_2026-01-02T03-04-05Z_part0.csv"]), "other")


def number_of(path):
    return int(re.search(r"_part(\d+)", path.name)[1])


def what_lies_there_already_is_left_alone(folder):
    with served(folder=folder) as server:
        there = server.exports / "x"
        there.mkdir(parents=True)
        files = ["mine.txt", "job_2026-01-02T03-04-05Z_part0.csv", "_SUCCESS"]
        for name in files:
            (there / name).write_text("kept" if name != "_SUCCESS" else "")
        done(server.client(), "job")
        assert set(files) < set(server.files("x")) and len(server.files("x")) == 5, server.files("x")
        assert all((there / name).read_text() == "kept" for name in files[:2])


def what_another_client_of_s3_sees_is_the_export(folder):
    with served() as server:
        done(server.client(), "seen", "s3://exports/a/b")
        s3 = client(server.url, service="s3")
        listed = s3.list_objects_v2(Bucket="exports", Prefix="a/b/")
        keys = [item["Key"] for item in listed["Contents"]]
        assert [key.removeprefix("a/b/") for key in keys] == server.files("a/b"), keys
        body = s3.get_object(Bucket="exports", Key=keys[-1])["Body"].read()
        assert pathlib.Path(server.exports / keys[-1]).read_bytes() == body
        same_rows(pacsv.read_csv(io.BytesIO(body)), SALES, keys[-1])


CONFIG = f"""
[[forecasts]]
name = "configured"
source = "{TESTDATA}/forecast"
[[forecasts]]
name = "mapped"
source = "s3://exports/first/PARQUET"
[[forecasts]]
arn = "{OWN_ARN}"
source = "{TESTDATA}/forecast"
"""


def circles(folder):
    register_early(folder)
    with served(config=CONFIG, folder=folder, forecasts=[]) as server:
        for source in SOURCES:
            check(f"source: {source.__name__.replace('_', ' ')}", lambda scratch, source=source: circle(source, server, scratch))
        assert server.client().list_forecasts()["Forecasts"]


def main():
    check("the server ends as it should", circles)
    for test in [parts_are_cut_and_numbered_from_zero, two_jobs_of_one_name_do_not_mix, what_lies_there_already_is_left_alone,
                 what_another_client_of_s3_sees_is_the_export]:
        check(test.__name__.replace("_", " "), test)
    finish()


if __name__ == "__main__":
    main()
