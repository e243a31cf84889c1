"""Every example in a docstring, run from the clone; and every public name has a docstring that says what it must."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pathlib
import pkgutil
import re
from collections.abc import Callable
from typing import Any

import pytest

import forecast_export as fe

MODULES = ["forecast_export", *(f"forecast_export.{module.name}" for module in pkgutil.iter_modules(fe.__path__))]
MODULES = [name for name in MODULES if not name.endswith(("__main__", "_native"))]
CALLS: dict[str, Callable[..., Any]] = {
    name: getattr(fe, name) for name in fe.__all__ if inspect.isfunction(getattr(fe, name))
}


def examples(module: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(recurse=True, exclude_empty=True).find(importlib.import_module(module))
    return [test for test in found if test.examples]


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_say(module: str, folder: pathlib.Path, request: pytest.FixtureRequest) -> None:
    tests = examples(module)
    names: dict[str, object] = {"fe": fe, "folder": folder}
    if any("arn" in example.source for test in tests for example in test.examples):
        names["arn"] = request.getfixturevalue("arn")
    for number, test in enumerate(tests):
        (folder / str(number)).mkdir()
        test.globs = {**names, "folder": folder / str(number)}
        failed, run = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
        assert run > 0 and failed == 0, test.name


def test_there_is_an_example_for_every_call() -> None:
    with_examples = {test.name.rpartition(".")[2] for module in MODULES for test in examples(module)}
    assert len(CALLS) == 10
    assert CALLS.keys() - with_examples == set()


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_argument_is_described_in_order_and_nothing_else(name: str) -> None:
    text = inspect.getdoc(CALLS[name]) or ""
    described = text.partition("Args:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^    (\w+): ", described, re.MULTILINE) == list(inspect.signature(CALLS[name]).parameters)
    assert "Returns:\n" in text and "Raises:\n" in text


@pytest.mark.parametrize("name", sorted(set(CALLS)))
def test_options_can_only_be_named(name: str) -> None:
    kinds = [parameter.kind for parameter in inspect.signature(CALLS[name]).parameters.values()]
    positional = [kind for kind in kinds if kind is not inspect.Parameter.KEYWORD_ONLY]
    assert len(positional) == {"merge": 2, "convert": 2, "plan": 2, "verify": 2}.get(name, 1)


def test_event_loops_have_the_same_calls() -> None:
    assert sorted(fe.aio.__all__) == sorted(CALLS)
    for name in CALLS:
        assert inspect.signature(getattr(fe.aio, name)).parameters == inspect.signature(CALLS[name]).parameters
