"""The Python runtime as a WebAssembly component: a `wasi:cli/command`.

componentize-py imports this when it builds the component and keeps the interpreter's memory as it is then, so what
was imported by then is there, and what was not never is.
"""

import logging
import random
import time

import stdlib  # noqa: F401
from kiln import serve, waiting


class Run:
    """The export `wasi:cli/run`."""

    def run(self):
        """Serves frames on stdin and stdout until stdin ends."""
        # Everything here was made when the component was: its clones must share neither a random state nor a clock.
        random.seed()
        logging._startTime = time.time_ns()
        loop = waiting.Loop()
        serve.serve(loop.run_until_complete)
