"""A sandbox's life: ready, code in once, then requests one after the other."""

import json
import sys

from kiln import frames
from kiln.function import Failed, Function

RESULT_META = b'{"content_type":"application/json"}'


def serve(wait):
    """Serves frames until the host closes stdin. The process's exit code."""
    try:
        stream = frames.Stream()
        stream.write(frames.READY, 0, b"", b"")
        sandbox = Sandbox(wait)
        while frame := stream.read():
            stream.write(*sandbox.answer(frame))
            # A megabyte of a request isn't kept for as long as the next one takes to come.
            del frame
    except frames.Broken as error:
        print(f"kiln: {error}", file=sys.stderr)
        return 1
    return 0


class Sandbox:
    """A stem cell until its code came, then that function."""

    def __init__(self, wait):
        self._wait = wait
        self._function = None
        self._spent = False

    def answer(self, frame):
        """What is written in answer to a frame: kind, call id, meta, body."""
        try:
            if frame.lost:
                raise Failed(frame.lost)
            meta = _meta(frame.meta)
            if frame.kind == frames.REQUEST:
                if self._function is None:
                    raise Failed("this sandbox has no code yet: an init frame has to come first")
                return frames.RESPONSE, frame.call, RESULT_META, self._function.call(frame.body, meta)
            if frame.kind == frames.INIT:
                self._initialise(meta, frame.body)
                return frames.READY, frame.call, b"", b""
            raise frames.Broken(f"a frame of kind {frame.kind}: 2 (request) and 5 (init) are what a sandbox is sent")
        except Failed as error:
            return frames.ERROR, frame.call, b"", str(error).encode("utf-8", "replace")
        finally:
            sys.stderr.flush()

    def _initialise(self, meta, code):
        # Code that failed has run, too: a sandbox gets code once.
        if self._spent:
            raise Failed("this sandbox has been given its code already")
        self._spent = True
        main = meta.get("main") or "main"
        self._function = Function(self._wait, meta.get("file") or "main.py", main, code, meta.get("env") or {})


def _meta(text):
    if not text:
        return {}
    try:
        meta = json.loads(text)
    except ValueError as error:
        raise frames.Broken(f"a frame's metadata is no JSON: {error}") from None
    if not isinstance(meta, dict):
        raise frames.Broken("a frame's metadata is no JSON object")
    return meta
