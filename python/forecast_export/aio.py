"""The calls for programs that run an event loop: each works in a thread, and cancelling its task stops it.

A task that is cancelled ends when everything that the call had begun is cleaned up. Progress is told on the call's
thread.

Example:
    >>> import asyncio
    >>> asyncio.run(fe.aio.merge("testdata/forecast", folder / "later.csv")).parts
    12
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from . import _api, _native

__all__ = ["convert", "describe", "ls", "merge", "plan", "read", "sample", "schema", "verify", "wait"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _twin(call: Callable[_P, _T]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    @functools.wraps(call)
    async def twin(*args: _P.args, **options: _P.kwargs) -> _T:
        stop = _native.Stop()
        token = _api.stopping.set(stop)
        try:
            # The thread takes this context with it, and so finds what it is stopped with.
            work = asyncio.ensure_future(asyncio.to_thread(call, *args, **options))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                stop.set()
                await asyncio.wait([work])
                if not work.cancelled():
                    # What the stopped call says is of no interest.
                    work.exception()
                raise
        finally:
            _api.stopping.reset(token)

    return twin


convert = _twin(_api.convert)
describe = _twin(_api.describe)
ls = _twin(_api.ls)
merge = _twin(_api.merge)
plan = _twin(_api.plan)
read = _twin(_api.read)
sample = _twin(_api.sample)
schema = _twin(_api.schema)
verify = _twin(_api.verify)
wait = _twin(_api.wait)
