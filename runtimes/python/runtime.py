"""A Python runtime's sandbox: source code in once, then requests, all as frames on stdin and stdout.

Run as a program this serves an image; `component.py` serves the same from within a WebAssembly component.
"""

import asyncio
import sys

from kiln import serve


def main():
    # One loop for the sandbox's life: what a function keeps between calls may belong to it.
    with asyncio.Runner() as runner:
        serve.serve(runner.run)


if __name__ == "__main__":
    sys.exit(main())
