"""What all engines share: which work their tasks do, when it is at an end, and the commit.

An engine places tasks, sees workers die and tries again. It is asked for nothing else: what is done is read from the
receipts of the pieces, never from an engine's results.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from . import cluster
from ._api import Progress, Source
from ._errors import Error, StoreError
from ._progress import Event
from ._results import Report

#: What a worker cannot bring along: it has credentials of its own.
_HERE_ONLY = frozenset(["session"])
#: Seconds between two looks at an engine.
LOOK = 0.2
#: Seconds without any worker after which there is no hope.
LONELY = 60.0
#: How often a piece is tried that fails over a store, or whose worker died.
TRIES = 4


def carry_out(place: str, index: int, options: Mapping[str, Any]) -> bytes | None:
    """A task: carries out a piece on a worker, which reads the plan by itself.

    An error that no other try would mend is returned, so that no engine tries again; it is pickled, because engines
    differ in what they make of exceptions. What may go away is raised.
    """
    try:
        cluster.piece(cluster.ClusterPlan.read(place, **_only(options, cluster.OF_STORES)), index, **options)
    except StoreError as error:
        if error.is_retryable:
            raise
        return pickle.dumps(error)
    except Error as error:
        return pickle.dumps(error)
    return None


def _only(options: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in names}


class Tasks(Protocol):
    """Pieces that an engine works on."""

    def look(self) -> list[tuple[int, bytes | BaseException | None]]:
        """The pieces that have ended since the last look: without an error, with a final one, or with one that may go
        away."""
        ...

    def has_workers(self) -> bool:
        """Whether there is anyone to work."""
        ...

    def again(self, index: int) -> None:
        """Tries a piece once more."""

    def stop(self) -> None:
        """Ends all that is under way."""


def run(
    begin: Callable[[str, list[int], dict[str, Any]], Tasks],
    source: Source,
    output: str | os.PathLike[str],
    into_folder: bool,
    options: dict[str, Any],
) -> Report:
    """Plans, has the missing pieces carried out, and commits."""
    progress: Progress = options.pop("progress", None)
    deadline = _seconds(options.pop("deadline", None))
    pieces, piece_bytes = options.pop("pieces", None), options.pop("piece_bytes", None)
    plan = cluster.plan(source, output, pieces=pieces, piece_bytes=piece_bytes, convert=into_folder, **options)
    brought = _only(options, cluster.OF_MACHINES)
    status = cluster.status(plan, **brought)
    if not status.committed and status.missing:
        # Beside the pieces, where every worker can read it and the commit removes it: no engine has to keep it.
        folder = plan.output.rstrip("/") if plan.converts else plan.output.rpartition("/")[0]
        place = f"{folder}/.forecast-export/{plan.id}/plan.json"
        plan.write(place, **_only(brought, cluster.OF_STORES | cluster.OF_OBJECTS))
        of_workers = _only(brought, cluster.OF_MACHINES - _HERE_ONLY)
        _work(begin(place, list(status.missing), of_workers), plan, len(status.done), deadline, progress)
    return cluster.commit(plan, progress=progress, **brought)


def _seconds(deadline: float | str | timedelta | None) -> float | None:
    if isinstance(deadline, timedelta):
        return deadline.total_seconds()
    if isinstance(deadline, str):
        units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
        if deadline[:-1].isdigit() and deadline[-1:] in units:
            return int(deadline[:-1]) * units[deadline[-1]]
        raise ValueError(f"deadline: {deadline!r} is not a time such as 90s, 30m or 2h")
    return deadline


def _work(tasks: Tasks, plan: cluster.ClusterPlan, done: int, deadline: float | None, progress: Progress) -> None:
    began = seen = time.monotonic()
    waiting, tries = plan.pieces - done, dict.fromkeys(range(plan.pieces), 1)
    tell: Callable[[Event], object] | None = progress if callable(progress) else None
    try:
        while waiting:
            for index, outcome in tasks.look():
                if isinstance(outcome, bytes):
                    raise pickle.loads(outcome)
                if outcome is None:
                    waiting -= 1
                    done += 1
                    if tell:
                        tell(Event(plan.bytes * done // plan.pieces, plan.bytes, None, None, "writing"))
                elif tries[index] < TRIES:
                    tries[index] += 1
                    tasks.again(index)
                else:
                    raise outcome if isinstance(outcome, Error) else _failed(plan, f"piece {index}: {outcome}") from outcome
            now = time.monotonic()
            if tasks.has_workers():
                seen = now
            if deadline is not None and now - began > deadline:
                raise _failed(plan, f"it is not done after {deadline:g} s; the same call goes on from there")
            if now - seen > LONELY:
                raise _failed(plan, "there is no worker left; the same call goes on from there")
            if waiting:
                time.sleep(LOOK)
    finally:
        tasks.stop()


def _failed(plan: cluster.ClusterPlan, reason: str) -> StoreError:
    error = StoreError(f"carrying out the pieces of {plan.output}: {reason}")
    error.url, error.operation = plan.output, "carrying out pieces"
    return error
