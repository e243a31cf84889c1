"""Every call with its main options: what it returns, and that `to_dict` is what the command prints with `--json`."""

from __future__ import annotations

import datetime as dt
import pathlib
import shutil
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from conftest import RUN, files_in, run_command, run_json, write_parts

import forecast_export as fe

PARTS = 12
COLUMNS = ["item_id", "date", "store", "p10", "p50", "p90"]


def untimed(data: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from run to run: times, and what tells one file from another."""
    data = {name: value for name, value in data.items() if name != "seconds"}
    if data.get("receipt"):
        [output, *_] = data["receipt"]["outputs"]
        assert output.keys() == {"file", "rows", "bytes", "e_tag", "modified"}
        data["receipt"] = {name: data["receipt"][name] for name in data["receipt"].keys() - {"written", "outputs", "checksum"}}
    return data


def test_the_command_runs_pieces_in_processes_of_its_own(folder: pathlib.Path) -> None:
    plan = folder / "plan.json"
    run_command("cluster", "plan", "testdata/forecast", "-o", folder / "sales.csv", "--pieces", 3, "--plan", plan)
    run_command("cluster", "run", plan, "--workers", 2)
    assert fe.verify(folder / "sales.csv", against="testdata/forecast").rows == 36
    assert fe.cluster.status(fe.cluster.ClusterPlan.read(plan)).committed


def test_merge_writes_one_file_and_reports_what_it_did(folder: pathlib.Path) -> None:
    report = fe.merge("testdata/forecast", folder / "sales.parquet")
    assert (report.rows, report.parts, report.bytes_read) == (36, PARTS, 3642)
    assert (report.job, report.runs, report.kind) == ("sales_forecast_export", (RUN,), "forecast")
    assert (report.from_, report.to, report.strategy) == ("csv", "parquet", "transcode")
    assert [column.name for column in report.columns] == COLUMNS
    assert [file.file for file in report.outputs] == [str(folder / "sales.parquet")]
    assert report.outputs[0].bytes == (folder / "sales.parquet").stat().st_size
    assert report.digest is None and not report.up_to_date and report.seconds > 0
    assert pq.read_table(folder / "sales.parquet").num_rows == 36


def test_merge_does_nothing_if_the_output_is_up_to_date_unless_it_is_to_overwrite(folder: pathlib.Path) -> None:
    fe.merge("testdata/forecast", folder / "sales.csv")
    again = fe.merge("testdata/forecast", folder / "sales.csv")
    assert again.up_to_date
    assert repr(again) == f"<Report: up to date: {folder / 'sales.csv'}, 36 rows>"
    assert not fe.merge("testdata/forecast", folder / "sales.csv", overwrite=True).up_to_date


def test_merge_takes_the_options_of_the_command(folder: pathlib.Path) -> None:
    report = fe.merge(
        pathlib.Path("testdata/two_runs"), folder / "sales.out", run="all", to="parquet", compression="zstd:3",
        types={"p50": "string"}, source_columns=True, row_group_rows=2, no_receipt=True, verify=True, threads=1,
        memory="64MB", expect_rows=3, expect_parts=3, bloom_filter="item_id", null=["nothing"],
    )
    file = pq.ParquetFile(folder / "sales.out")
    assert [group.num_rows for group in map(file.metadata.row_group, range(file.num_row_groups))] == [2, 1]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.schema_arrow.names == ["item_id", "date", "p50", "_job", "_run", "_part"]
    assert str(file.schema_arrow.field("p50").type) == "string"
    assert report.digest is not None and len(report.digest) == 64
    assert report.runs == ("2025-12-26T03-04-05Z", RUN)


def test_merge_reads_several_files_of_one_folder_and_a_glob(folder: pathlib.Path) -> None:
    parts = sorted(pathlib.Path("testdata/two_runs").glob(f"*{RUN}*"))
    assert fe.merge(parts, folder / "list.csv").rows == 2
    assert fe.merge(f"testdata/two_runs/*{RUN}*", folder / "glob.csv").rows == 2
    assert (folder / "list.csv").read_bytes() == (folder / "glob.csv").read_bytes()


def test_merge_names_the_columns_of_parts_without_a_header(folder: pathlib.Path) -> None:
    source = write_parts(folder / "in", "a,1\n", "b,2\n")
    report = fe.merge(source, folder / "out.parquet", columns=["item_id", "p50"])
    assert [(column.name, column.type) for column in report.columns] == [("item_id", "string"), ("p50", "double")]
    assert pq.read_table(folder / "out.parquet").to_pydict() == {"item_id": ["a", "b"], "p50": [1.0, 2.0]}


def test_convert_writes_part_files_split_as_asked(folder: pathlib.Path) -> None:
    report = fe.convert("testdata/forecast", folder / "parquet", split_rows=10)
    assert [file.rows for file in report.outputs] == [10, 10, 10, 6]
    assert report.to == "parquet" and report.created_folders == (f"{folder}/parquet/",)
    again = fe.read(folder / "parquet").to_pyarrow()
    assert again.equals(fe.read("testdata/forecast").to_pyarrow())
    back = fe.convert(folder / "parquet", folder / "csv", to="csv", split_bytes="1KB")
    assert all(file.bytes <= 1000 for file in back.outputs)


def test_plan_says_what_would_be_done_as_the_dry_run_does_and_runs_once(folder: pathlib.Path) -> None:
    output = folder / "sales.csv"
    plan = fe.plan("testdata/forecast", output)
    assert files_in(folder) == []
    assert str(plan) == run_command("merge", "testdata/forecast", "-o", output, "--dry-run")
    assert (plan.strategy, plan.why) == ("copy-bytes", "CSV to CSV, all parts have one header")
    assert [part.file.rpartition("_")[2] for part in plan.parts] == [f"part{number}.csv" for number in range(PARTS)]
    assert plan.run().rows == 36
    with pytest.raises(ValueError, match="carried out before"):
        plan.run()


def test_plan_is_of_a_conversion_if_the_output_is_a_folder_or_split(folder: pathlib.Path) -> None:
    assert fe.plan("testdata/forecast", f"{folder}/new/").to == "parquet"
    assert fe.plan("testdata/forecast", folder).to == "parquet"
    assert fe.plan("testdata/forecast", folder / "parts", split_rows=10).split_rows == 10
    assert fe.plan("testdata/forecast", folder / "parts.csv").to == "csv"


def test_a_plan_without_an_output_tells_and_cannot_run() -> None:
    plan = fe.plan("testdata/forecast")
    assert plan.outputs == () and plan.bytes == 3642
    with pytest.raises(ValueError, match="no output"):
        plan.run()


def test_verify_proves_an_output(folder: pathlib.Path) -> None:
    fe.merge("testdata/forecast", folder / "sales.parquet")
    proof = fe.verify(folder / "sales.parquet", against="testdata/forecast")
    assert (proof.rows, proof.parts, proof.files, proof.equal, proof.difference) == (36, PARTS, 1, True, None)
    assert proof.digest is not None and len(proof.digest) == 64


def test_ls_lists_runs_with_what_is_missing(folder: pathlib.Path) -> None:
    found = fe.ls("testdata/two_runs")
    assert [(one.job, one.run, len(one.parts)) for one in found] == [
        ("sales", "2025-12-26T03-04-05Z", 1), ("sales", RUN, 2)
    ]
    assert [one.run for one in fe.ls("testdata/two_runs", run="latest")] == [RUN]
    since = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    assert [one.run for one in fe.ls("testdata/two_runs", since=since)] == [RUN]
    [gappy] = fe.ls("testdata/bad_gap")
    assert [(gap.first, gap.last) for gap in gappy.gaps] == [(1, 1)]
    assert fe.ls("testdata/forecast", names=True).names_only
    assert [pathlib.Path(one.file).name for one in fe.ls("testdata/forecast").markers] == ["_CHECK", "_SUCCESS"]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="since has no time zone"):
        fe.ls("testdata/two_runs", since=dt.datetime(2026, 1, 1))


def test_schema_tells_columns_and_types() -> None:
    schema = fe.schema("testdata/forecast")
    assert schema.names == COLUMNS and len(schema) == 6
    assert [column.type for column in schema] == ["string", "timestamp(us, UTC)", "string", "double", "double", "double"]
    assert (schema.parts, schema.format) == (PARTS, "csv")
    assert {column.type for column in fe.schema("testdata/forecast", all_strings=True)} == {"string"}


def test_sample_writes_the_same_bytes_for_the_same_seed(folder: pathlib.Path) -> None:
    start = dt.date(2027, 2, 3)
    options: dict[str, Any] = {"items": 10, "steps": 5, "parts": 3, "quantiles": [0.25, "mean"], "start": start, "job": "mine"}
    report = fe.sample(folder / "one", seed=7, **options)
    fe.sample(folder / "two", seed=7, **options)
    assert (report.rows, report.seed, report.run) == (50, 7, RUN)
    assert [column.name for column in report.columns] == ["item_id", "date", "store", "p25", "mean"]
    names = files_in(folder / "one")
    assert names == ["_CHECK", "_SUCCESS", *(f"mine_{RUN}_part{number}.csv" for number in range(3))]
    for name in names:
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes()
    assert "2027-02-03T00:00:00Z" in (folder / "one" / names[2]).read_text()


# The command's JSON.


def test_ls_is_what_the_command_prints() -> None:
    for place in ("testdata/forecast", "testdata/bad_gap", "testdata/two_runs", "testdata/litter"):
        assert fe.ls(place).to_dict() == run_json("ls", place)
        assert fe.ls(place, names=True).to_dict() == run_json("ls", place, "--names")


def test_schema_is_what_the_command_prints() -> None:
    for place in ("testdata/forecast", "testdata/explainability", "testdata/quoted"):
        assert fe.schema(place).to_dict() == run_json("schema", place)


def test_merge_is_what_the_command_prints(folder: pathlib.Path) -> None:
    for name in ("sales.parquet", "sales.csv", "new/sales.csv.gz"):
        output = folder / "out" / name
        ours = fe.merge("testdata/forecast", output, verify=True).to_dict()
        shutil.rmtree(folder / "out")
        theirs = run_json("merge", "testdata/forecast", "-o", output, "--verify")
        shutil.rmtree(folder / "out")
        assert untimed(ours) == untimed(theirs)


def test_convert_is_what_the_command_prints(folder: pathlib.Path) -> None:
    ours = fe.convert("testdata/forecast", folder / "parquet").to_dict()
    shutil.rmtree(folder / "parquet")
    theirs = run_json("convert", "testdata/forecast", "-o", folder / "parquet")
    assert untimed(ours) == untimed(theirs)


def test_a_plan_is_what_the_dry_run_prints(folder: pathlib.Path) -> None:
    for source, name in (("testdata/forecast", "a.csv"), ("testdata/quoted", "b.parquet")):
        printed = run_json("merge", source, "-o", folder / name, "--dry-run")
        assert fe.plan(source, folder / name).to_dict() == printed
    printed = run_json("convert", "testdata/forecast", "-o", f"{folder}/", "--dry-run", "--split-rows", 10)
    assert fe.plan("testdata/forecast", folder, split_rows=10).to_dict() == printed


def test_verify_is_what_the_command_prints(folder: pathlib.Path) -> None:
    fe.merge("testdata/quoted", folder / "sales.parquet")
    ours = fe.verify(folder / "sales.parquet", against="testdata/quoted").to_dict()
    theirs = run_json("verify", folder / "sales.parquet", "--against", "testdata/quoted")
    assert untimed(ours) == untimed(theirs)


def test_sample_is_what_the_command_prints(folder: pathlib.Path) -> None:
    ours = fe.sample(folder / "s", kind="backtest-forecasts", items=5, steps=4).to_dict()
    shutil.rmtree(folder / "s")
    theirs = run_json("sample", folder / "s", "--kind", "backtest-forecasts", "--items", 5, "--steps", 4)
    assert untimed(ours) == untimed(theirs)


def test_the_command_is_the_program(folder: pathlib.Path) -> None:
    assert run_command("--version") == f"forecast-export {fe.__version__}\n"
    run_command("merge", "testdata/forecast", "-o", folder / "sales.csv")
    merged = pyarrow.csv.read_csv(folder / "sales.csv")
    assert merged.num_rows == 36
    run_command("merge", "testdata/bad_gap", "-o", folder / "gap.csv", code=4)
    run_command("merge", "--nonsense", code=2)
