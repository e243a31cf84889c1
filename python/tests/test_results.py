"""Results: how they are shown, compared, kept and sent to other processes."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import pickle
from typing import Any

import pytest
from conftest import RUN, write_parts

import forecast_export as fe


def test_each_result_is_shown_on_one_line(folder: pathlib.Path) -> None:
    output = folder / "sales.parquet"
    plan = fe.plan("testdata/forecast", output)
    assert repr(plan) == f"<Plan: 12 parts, 3.64 kB -> {output} (transcode: CSV to Parquet)>"
    report = plan.run()
    assert repr(report).startswith(f"<Report: 36 rows from 12 parts, 3.64 kB -> {output}, ")
    proof = fe.verify(output, against="testdata/forecast")
    assert repr(proof).startswith(f"<Verified: 36 rows of {output} match testdata/forecast, in order; digest ")
    assert repr(fe.schema("testdata/two_runs", run="latest")) == (
        "<Schema: item_id: string, date: timestamp(us, UTC), p50: double (2 parts, csv)>"
    )
    assert repr(fe.ls("testdata/two_runs")[1]) == f"<Export: sales {RUN} (forecast), 2 parts, 92 B, no gaps>"
    assert repr(fe.read("testdata/two_runs", run="latest")) == "<Rows: item_id, date, p50>"
    sample = fe.sample(folder / "in", items=2, steps=2)
    assert repr(sample).startswith("<SampleReport: 4 rows in 4 parts, ")


def test_each_result_is_a_table_in_notebooks(folder: pathlib.Path) -> None:
    output = folder / "sales.parquet"
    plan = fe.plan("testdata/forecast", output)
    shown: list[Any] = [plan, plan.run(), fe.ls("testdata/two_runs"), fe.ls("testdata/two_runs")[0], fe.schema("testdata/forecast")]
    for result in shown:
        html = result._repr_html_()
        assert html.startswith("<table>") and html.endswith("</table>") and html.count("<table>") == html.count("</table>")
    assert "<td>sales</td>" in fe.ls("testdata/two_runs")._repr_html_()


def test_names_in_a_table_cannot_inject_markup(folder: pathlib.Path) -> None:
    source = write_parts(folder / "in", "item_id,<script>alert(1)</script>\na,1\n")
    assert "<script>" not in fe.schema(source)._repr_html_()
    assert "&lt;script&gt;" in fe.schema(source)._repr_html_()


def test_results_are_equal_if_their_values_are(folder: pathlib.Path) -> None:
    assert fe.ls("testdata/two_runs") == fe.ls("testdata/two_runs")
    assert fe.ls("testdata/two_runs") != fe.ls("testdata/forecast")
    one, other = fe.schema("testdata/forecast"), fe.schema("testdata/forecast")
    assert one == other and hash(one) == hash(other)
    assert one != fe.schema("testdata/two_runs", run="latest")
    assert fe.plan("testdata/forecast", folder / "a.csv") == fe.plan("testdata/forecast", folder / "a.csv")
    assert fe.read("testdata/forecast").schema == fe.read("testdata/forecast").schema
    assert fe.read("testdata/forecast").schema != fe.read("testdata/quoted").schema


def test_results_cannot_be_changed() -> None:
    schema = fe.schema("testdata/forecast")
    with pytest.raises(dataclasses.FrozenInstanceError):
        schema.parts = 3  # type: ignore[misc]


def test_results_survive_pickling_and_json(folder: pathlib.Path) -> None:
    report = fe.merge("testdata/forecast", folder / "sales.parquet", verify=True)
    proof = fe.verify(folder / "sales.parquet", against="testdata/forecast")
    sample = fe.sample(folder / "in", items=2, steps=2)
    found = fe.ls("testdata/bad_gap")
    for result in (report, proof, sample, fe.schema("testdata/forecast"), found):
        again = pickle.loads(pickle.dumps(result))
        assert type(again) is type(result) and again == result
        assert again.to_dict() == result.to_dict() == json.loads(json.dumps(result.to_dict()))
    assert pickle.loads(pickle.dumps(found)).markers == found.markers


def test_a_plan_cannot_be_sent_to_another_process(folder: pathlib.Path) -> None:
    with pytest.raises(TypeError, match="plan again there"):
        pickle.dumps(fe.plan("testdata/forecast", folder / "sales.csv"))


def test_a_list_of_exports_is_a_list() -> None:
    found = fe.ls("testdata/two_runs")
    assert isinstance(found, list) and len(found) == 2 and found[-1].run == RUN
    assert found.source == "testdata/two_runs"
