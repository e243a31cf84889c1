"""Progress and logging: what is told, when, and what happens if the function that is told fails."""

from __future__ import annotations

import logging
import os
import pathlib
import pty
import subprocess
import sys
import threading
import time

import pytest
from conftest import LIMIT, files_in, run_python, write_parts

import forecast_export as fe


def test_progress_is_told_in_order_on_the_calling_thread(large: pathlib.Path, folder: pathlib.Path) -> None:
    events: list[tuple[float, int, fe.Event]] = []

    def told(event: fe.Event) -> None:
        events.append((time.monotonic(), threading.get_ident(), event))

    report = fe.merge(large, folder / "all.parquet", verify=True, progress=told)
    assert {thread for _, thread, _ in events} == {threading.get_ident()}
    told_events = [event for _, _, event in events]
    assert {event.total_bytes for event in told_events} == {report.bytes_read}
    assert {event.parts for event in told_events} == {24}
    for stage in ("writing", "verifying"):
        amounts = [event.bytes for event in told_events if event.stage == stage]
        assert amounts == sorted(amounts) and len(amounts) > 1
    order = list(dict.fromkeys(event.stage for event in told_events))
    assert order[:2] == ["writing", "verifying"]
    assert told_events[-1].rows == 600_000 and told_events[-1].fraction == 1.0


def test_progress_is_told_at_most_ten_times_a_second(large: pathlib.Path, folder: pathlib.Path) -> None:
    times: list[float] = []
    fe.merge(large, folder / "all.parquet", progress=lambda _: times.append(time.monotonic()))
    assert len(times) > 3
    # The last one is told when all is done, whenever that is. One may come late, and the next one not.
    assert len(times) - 2 <= (times[-1] - times[0]) / 0.1 + 1


def test_verify_sample_and_a_plan_tell_too(large: pathlib.Path, folder: pathlib.Path) -> None:
    seen: list[fe.Event] = []
    fe.sample(folder / "in", items=1000, steps=100, progress=seen.append)
    assert seen[-1].rows == 100_000
    seen.clear()
    fe.plan(folder / "in", folder / "out.csv").run(progress=seen.append)
    assert seen[-1].parts == 4 and seen[-1].fraction == 1.0
    seen.clear()
    fe.verify(folder / "out.csv", against=folder / "in", progress=seen.append)
    assert seen[-1].stage == "verifying"


@pytest.mark.parametrize("error", [ValueError("enough"), KeyboardInterrupt(), SystemExit(3)])
def test_an_exception_in_progress_ends_the_run_and_leaves_nothing(
    large: pathlib.Path, folder: pathlib.Path, error: BaseException
) -> None:
    calls = 0

    def fail(_: fe.Event) -> None:
        nonlocal calls
        calls += 1
        raise error

    started = time.monotonic()
    with pytest.raises(type(error)) as caught:
        fe.merge(large, folder / "new" / "all.parquet", progress=fail)
    assert caught.value is error and calls == 1
    assert time.monotonic() - started < 2
    assert files_in(folder) == []


def test_an_exception_in_progress_leaves_the_old_output(large: pathlib.Path, folder: pathlib.Path) -> None:
    (folder / "all.parquet").write_text("old")
    with pytest.raises(ZeroDivisionError):
        fe.merge(large, folder / "all.parquet", overwrite=True, progress=lambda _: 1 / 0)
    assert (folder / "all.parquet").read_text() == "old" and files_in(folder) == ["all.parquet"]


BAR = "import sys, forecast_export as fe; fe.merge(sys.argv[1], sys.argv[2], progress=True); print('done')"


def test_a_bar_is_silent_where_there_is_no_terminal(large: pathlib.Path, folder: pathlib.Path) -> None:
    done = run_python(BAR, large, folder / "all.parquet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_bar_is_drawn_on_a_terminal_and_taken_away(large: pathlib.Path, folder: pathlib.Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", BAR, str(large), str(folder / "all.parquet")]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # it has ended
            break
        if not data:
            break
        shown += data
    os.close(ours)
    assert running.wait(LIMIT) == 0
    text = shown.decode()
    assert "\r\x1b[2K[=" in text and "] 100%  58 MB of 58 MB, " in text
    assert text.endswith("\r\x1b[2K")


def test_a_bar_in_a_notebook_is_one_output_that_changes(
    large: pathlib.Path, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    IPython = pytest.importorskip("IPython")
    from IPython.display import HTML

    shown: list[str] = []

    class Cell:
        def update(self, html: HTML) -> None:
            shown.append(html.data)

    def display(html: HTML, display_id: bool) -> Cell:
        assert display_id and not shown
        shown.append(html.data)
        return Cell()

    monkeypatch.setattr(IPython, "get_ipython", lambda: type("Shell", (), {"kernel": object()})())
    monkeypatch.setattr(IPython.display, "display", display)
    fe.merge(large, folder / "all.parquet", progress=True)
    assert len(shown) > 2
    assert shown[-1].startswith("<progress max='1' value='1.0000'></progress> 58 MB of 58 MB, ")


# Logging.


def test_runs_and_plans_are_logged(folder: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="forecast_export"):
        report = fe.merge("testdata/forecast", folder / "sales.csv")
    levels = [(record.name, record.levelname) for record in caplog.records]
    assert levels == [("forecast_export", "DEBUG"), ("forecast_export", "INFO")]
    assert caplog.records[1].getMessage() == repr(report)


def test_warnings_are_logged_once_each(folder: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    source = write_parts(folder / "in", "item_id,store\na,x\n", "item_id,store\nb,y\n")
    report = fe.merge(source, folder / "out.csv", columns=["item", "place"])
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == list(report.warnings) and len(warned) == 1
    assert "looks like a header" in warned[0] and "use header yes in place of columns" in warned[0]
    caplog.clear()
    rows = fe.read(source, column_names=["item", "place"])
    assert [record.getMessage() for record in caplog.records] == rows.warnings
