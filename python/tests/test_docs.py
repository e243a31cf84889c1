"""The Python in `docs/python.md` and in both READMEs runs, and prints what stands beside it."""

from __future__ import annotations

import contextlib
import io
import pathlib
import re
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from conftest import CLONE, Service
from test_jobs import event

import forecast_export as fe

PAGES = ["docs/python.md", "README.md", "python/README.md"]


def blocks(page: str) -> list[str]:
    """The blocks of Python that use this package."""
    found = re.findall(r"^```python\n(.*?)^```$", (CLONE / page).read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in found if "import forecast_export" in block]


BLOCKS = [pytest.param(block, id=f"{page} {number}") for page in PAGES for number, block in enumerate(blocks(page), 1)]


def run(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "docs"}
    exec(compile(block, "docs", "exec"), names)
    return names


def printed_beside(block: str) -> list[str]:
    """What the comments after `print(...)` say."""
    return re.findall(r"^ *print\(.*\)  # (.*)$", block, re.MULTILINE)


@pytest.fixture
def in_folder(
    folder: pathlib.Path, arn: str, in_service: Service, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    """A folder with the test data, beside a bucket `exports` that has the same export below `sales`."""
    monkeypatch.chdir(folder)
    (folder / "testdata").symlink_to(CLONE / "testdata")
    return folder


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    """Stands in for Airflow: a decorator that keeps the function, and its exception."""
    class AirflowFailException(Exception):
        pass

    def task(**_: object) -> Callable[[Any], Any]:
        return lambda function: function

    modules: dict[str, dict[str, Any]] = {"airflow": {}, "airflow.sdk": {"task": task}, "airflow.exceptions": {"AirflowFailException": AirflowFailException}}
    for name, values in modules.items():
        module = types.ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    return AirflowFailException


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_runs_and_prints_what_stands_beside_it(
    block: str, in_folder: pathlib.Path, airflow: type[Exception]
) -> None:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        run(block)
    assert shown.getvalue().splitlines() == printed_beside(block)


def test_the_pages_have_blocks_and_five_recipes() -> None:
    assert [len(blocks(page)) > 0 for page in PAGES] == [True] * len(PAGES)
    recipes = (CLONE / "docs/python.md").read_text().partition("## Recipes")[2]
    assert re.findall(r"^### (.*)$", recipes, re.MULTILINE) == ["pandas", "Polars", "DuckDB", "Airflow", "Lambda"]


def block_with(text: str) -> str:
    [found] = [block for block in blocks("docs/python.md") if text in block]
    return found


def test_the_airflow_task_merges_and_knows_which_errors_to_try_again(
    in_folder: pathlib.Path, airflow: type[Exception], arn: str
) -> None:
    merge_export = run(block_with("airflow.sdk"))["merge_export"]
    report = merge_export(arn, "nightly.parquet")
    assert report["rows"] == 36 and report["digest"] is not None
    with pytest.raises(airflow, match="nobody"):
        merge_export(arn.replace("nightly", "nobody"), "nobody.parquet")


def test_the_lambda_handler_merges_what_an_event_names(
    in_folder: pathlib.Path, arn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPUT", str(in_folder / "merged"))
    handler = run(block_with("def handler"))["handler"]
    for _ in range(2):
        assert handler(event(arn), None) == {"rows": 36, "file": f"{in_folder}/merged/nightly.parquet"}
    with pytest.raises(fe.JobNotActive):
        handler(event(arn, "CREATE_FAILED"), None)


def test_the_tables_of_the_page_name_every_function_and_exception() -> None:
    page = (CLONE / "docs/python.md").read_text()
    for name in fe.__all__:
        thing = getattr(fe, name)
        if isinstance(thing, types.FunctionType):
            assert re.search(rf"^\|.*`{name}\(", page, re.MULTILINE), name
        if isinstance(thing, type) and issubclass(thing, fe.Error) and thing is not fe.Error:
            [code, also] = re.findall(rf"^\| (\d) \| `{name}` \| ?(.*?) ?\|", page, re.MULTILINE)[0]
            assert int(code) == thing.exit_code
            bases = {base.__name__ for base in thing.__bases__} - {"Error"}
            assert set(re.findall(r"`(\w+)`", also)) == bases
