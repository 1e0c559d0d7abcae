"""An event loop for WASI, which has clocks and no sockets to wait on: timers, tasks and futures."""

import asyncio
import time


class Loop(asyncio.BaseEventLoop):
    """asyncio's own loop over nothing but the clock."""

    def __init__(self):
        super().__init__()
        self._selector = _Clock()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


class _Clock:
    """What a selector with nothing to select from comes down to."""

    def select(self, timeout):
        """Sleeps. Without a time-out nothing could ever end it: there is no thread and no signal that would."""
        if timeout is None:
            raise RuntimeError("main awaits what can never happen: no timer and no task is left that would end it")
        if timeout > 0:
            time.sleep(timeout)
        return ()
