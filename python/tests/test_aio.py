"""The calls for event loops: the same results, several at once, and a cancelled task that leaves nothing."""

from __future__ import annotations

import asyncio
import pathlib
import time

import pytest
from conftest import files_in, threads_of_this_process

import forecast_export as fe


def test_each_call_has_a_twin_that_does_the_same(folder: pathlib.Path) -> None:
    async def all_of_them() -> None:
        report = await fe.aio.merge("testdata/forecast", folder / "sales.parquet")
        assert report.rows == 36
        assert (await fe.aio.convert("testdata/forecast", folder / "parts")).rows == 36
        assert (await fe.aio.verify(folder / "sales.parquet", against="testdata/forecast")).rows == 36
        assert await fe.aio.ls("testdata/forecast") == fe.ls("testdata/forecast")
        assert await fe.aio.schema("testdata/forecast") == fe.schema("testdata/forecast")
        assert (await fe.aio.plan("testdata/forecast")).bytes == 3642
        assert (await fe.aio.sample(folder / "in", items=2, steps=2)).rows == 4
        rows = await fe.aio.read("testdata/forecast")
        assert sum([len(batch) async for batch in rows]) == 36

    asyncio.run(all_of_them())


def test_errors_are_the_same() -> None:
    with pytest.raises(fe.Incomplete):
        asyncio.run(fe.aio.read("testdata/bad_gap"))


def test_the_loop_goes_on_and_several_runs_work_at_once(large: pathlib.Path, folder: pathlib.Path) -> None:
    async def main() -> tuple[list[fe.Report], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        reports = await asyncio.gather(*(fe.aio.merge(large, folder / f"{n}.parquet") for n in range(3)))
        ticking.cancel()
        return reports, ticks

    reports, ticks = asyncio.run(main())
    assert [report.rows for report in reports] == [600_000] * 3
    assert ticks > 20
    assert (folder / "0.parquet").stat().st_size == (folder / "2.parquet").stat().st_size


@pytest.mark.parametrize("after", [0.0, 0.02, 0.1, 0.4])
def test_a_task_that_is_cancelled_leaves_nothing(large: pathlib.Path, folder: pathlib.Path, after: float) -> None:
    async def main() -> float:
        task = asyncio.ensure_future(fe.aio.merge(large, folder / "new" / "all.parquet"))
        await asyncio.sleep(after)
        task.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - started

    assert asyncio.run(main()) < 1
    assert files_in(folder) == []


def test_a_time_limit_ends_a_run(large: pathlib.Path, folder: pathlib.Path) -> None:
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(fe.aio.merge(large, folder / "all.parquet"), 0.2))
    assert files_in(folder) == []
