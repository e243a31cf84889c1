"""What a run tells while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ._results import _size

__all__ = ["Event"]


@dataclass(frozen=True)
class Event:
    """How far a run is.

    Attributes:
        bytes: Bytes of the parts that were read or copied; for a sample, bytes written.
        total_bytes: Bytes of all parts; for a sample, an estimate.
        rows: Rows so far; ``None`` if the server copies text unread.
        parts: The number of parts; ``None`` where it is not known yet.
        stage: ``writing``, ``verifying`` or ``publishing``.
    """

    bytes: int
    total_bytes: int
    rows: int | None
    parts: int | None
    stage: str

    @property
    def fraction(self) -> float:
        """How much of the stage is done, from 0 to 1."""
        return min(self.bytes / self.total_bytes, 1.0) if self.total_bytes else 1.0


Tell = Callable[[int, int, int | None, int | None, str], object]


def telling(progress: Callable[[Event], object] | bool | None) -> tuple[Tell | None, Callable[[], None]]:
    """What the native half calls, and what ends it."""
    if progress is None or progress is False:
        return None, lambda: None
    bar = Bar() if progress is True else None
    show = bar.show if bar else cast("Callable[[Event], object]", progress)

    def tell(bytes: int, total_bytes: int, rows: int | None, parts: int | None, stage: str) -> object:
        return show(Event(bytes, total_bytes, rows, parts, stage))

    return tell, bar.close if bar else lambda: None


class Bar:
    """A bar on a terminal or in a notebook; elsewhere it is silent."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._stage = ""
        self._in_notebook = _notebook()
        self._cell: Any = None
        self._is_shown = False

    def show(self, event: Event) -> None:
        """Draws the bar anew."""
        # Publishing is the end of the stage before it.
        if event.stage not in (self._stage, "publishing"):
            self._stage, self._began = event.stage, time.monotonic()
        seconds = max(time.monotonic() - self._began, 1e-3)
        rows = "copied by the server" if event.rows is None else f"{event.rows:,} rows"
        speed = _size(int(event.bytes / seconds))
        text = f"{_size(event.bytes)} of {_size(event.total_bytes)}, {speed}/s, {rows}"
        if self._stage == "verifying":
            text += " verified"
        if self._in_notebook is not None:
            self._show_in_notebook(event.fraction, text)
        elif sys.stderr.isatty():
            done = "=" * int(event.fraction * 30)
            sys.stderr.write(f"\r\x1b[2K[{done:30}] {event.fraction:4.0%}  {text}")
            sys.stderr.flush()
            self._is_shown = True

    def _show_in_notebook(self, fraction: float, text: str) -> None:
        html = self._in_notebook.HTML(f"<progress max='1' value='{fraction:.4f}'></progress> {text}")
        if self._cell is None:
            self._cell = self._in_notebook.display(html, display_id=True)
        else:
            self._cell.update(html)

    def close(self) -> None:
        """Takes the bar away from a terminal."""
        if self._is_shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _notebook() -> Any:
    """IPython's way to show things, within a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    import IPython.display

    return IPython.display
