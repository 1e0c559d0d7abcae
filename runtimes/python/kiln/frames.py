"""Kiln's frames: a header of 16 bytes, metadata in JSON, a body.

    u32 len (meta + body) | u8 kind | u8 flags = 0 | u16 meta_len | u64 call id      little-endian
"""

import io
import os
import struct
import sys

READY, REQUEST, RESPONSE, ERROR, INIT = 1, 2, 3, 4, 5

HEADER = struct.Struct("<IBBHQ")

#: Read at once where less is known to come: most requests in one call.
CHUNK = 64 << 10

#: What a length has to fit in.
LONGEST = (1 << 32) - 1


class Broken(Exception):
    """The stream can't be trusted any further."""


class Frame:
    """What came in: `lost` says why its meta and body couldn't be held."""

    __slots__ = ("kind", "call", "meta", "body", "lost")

    def __init__(self, kind, call, meta, body, lost=None):
        self.kind, self.call, self.meta, self.body, self.lost = kind, call, meta, body, lost


class Stream:
    """Frames over two file descriptors that nobody else has."""

    def __init__(self):
        self._input, self._output = _keep_for_frames()
        self._have = b""

    def read(self):
        """The next frame, or None where the host has closed the stream between two of them."""
        head = self._take(HEADER.size)
        if not head:
            return None
        length, kind, flags, meta_len, call = HEADER.unpack(head)
        if flags or meta_len > length:
            raise Broken(f"no frame's header: {head.hex()}")
        try:
            payload = self._take(length)
        except MemoryError:
            return Frame(kind, call, b"", b"", f"a frame of {length} bytes is more than the sandbox's memory holds")
        if len(payload) < length:
            raise Broken(f"stdin ended within a frame: {len(payload)} of {length} bytes")
        # A view of the body: 48 MB of code aren't copied.
        return Frame(kind, call, bytes(payload[:meta_len]), memoryview(payload)[meta_len:])

    def write(self, kind, call, meta, body):
        """Writes a frame, in one piece where the host takes it so."""
        if len(body) > LONGEST - len(meta):
            kind, meta, body = ERROR, b"", b"the result has more bytes than a frame carries (4 GiB)"
        piece = memoryview(HEADER.pack(len(meta) + len(body), kind, 0, len(meta), call) + meta + body)
        while piece:
            piece = piece[os.write(self._output, piece) :]

    def _take(self, count):
        """The next bytes: fewer than `count` only at stdin's end. Skips them all where there is no memory for them."""
        have = self._have
        if len(have) < count and count <= CHUNK:
            # The usual way: what one read gave has all that is asked for next.
            while len(have) < count:
                piece = os.read(self._input, CHUNK)
                if not piece:
                    break
                have += piece
        elif len(have) < count:
            return self._gather(count)
        self._have = have[count:]
        return have[:count]

    def _gather(self, count):
        have, self._have = self._have, b""
        at = len(have)
        try:
            whole = bytearray(count)
            whole[:at] = have
        except MemoryError:
            while at < count and (piece := os.read(self._input, min(CHUNK, count - at))):
                at += len(piece)
            raise
        while at < count:
            piece = os.read(self._input, min(16 * CHUNK, count - at))
            if not piece:
                return bytes(whole[:at])
            whole[at : at + len(piece)] = piece
            at += len(piece)
        return whole


def _keep_for_frames():
    """Takes stdin and stdout away from everybody else: a function's prints go to stderr, and it reads nothing."""
    sys.stdout, sys.stdin = sys.stderr, io.StringIO()
    if sys.platform == "wasi":
        # WASI can't duplicate a descriptor, and has no processes that would inherit one.
        return 0, 1
    streams = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return streams
