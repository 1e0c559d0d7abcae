#!/usr/bin/env python3
"""Runs runtimes/cases.json against a runtime's sandbox over its stdin and stdout, without Kiln.

use: check.py js|python COMMAND [ARGUMENT...]

COMMAND is anything that is such a sandbox: the native program, `python3 runtimes/python/runtime.py`, a WebAssembly
host with a module (`wasmtime run runtimes/js/js.wasm`), `docker run -i --rm kiln-runtime-js:1`.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

HEADER = struct.Struct("<IBBHQ")
READY, REQUEST, RESPONSE, ERROR, INIT = 1, 2, 3, 4, 5
FILES = {"js": "hello.js", "python": "hello.py"}


class Sandbox:
    """One process, and frames with it."""

    def __init__(self, command):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, bufsize=0
        )
        self.calls = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.log.close()

    def ask(self, kind, meta, body):
        """Sends a frame and reads its answer: kind, meta, body."""
        self.calls += 1
        meta = json.dumps(meta).encode() if meta else b""
        frame = memoryview(HEADER.pack(len(meta) + len(body), kind, 0, len(meta), self.calls) + meta + body)
        while frame:
            frame = frame[self.process.stdin.write(frame) :]
        answer = self.read()
        same(answer[1], self.calls, "the answer's call id")
        return answer[0], answer[2], answer[3]

    def read(self):
        """The next frame: kind, call id, meta, body."""
        length, kind, flags, meta, call = HEADER.unpack(self.exactly(HEADER.size))
        same(flags, 0, "flags")
        payload = self.exactly(length)
        return kind, call, json.loads(payload[:meta] or b"{}"), payload[meta:]

    def exactly(self, count):
        have = b""
        while len(have) < count:
            piece = self.process.stdout.read(count - len(have))
            if not piece:
                raise AssertionError(f"the sandbox ended: {self.said()[-2000:]}")
            have += piece
        return have

    def said(self):
        """All of stderr so far."""
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def says(self, text):
        """Waits until stderr has a text: a container engine may bring it later than the answer."""
        until = time.monotonic() + 10
        while text not in (said := self.said()):
            if time.monotonic() > until:
                raise AssertionError(f"stderr has no {text!r}: {said!r}")
            time.sleep(0.01)


def same(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {str(found)[:1000]!r}, not {str(wanted)[:1000]!r}")


def fails(answer, wanted, language):
    kind, _, body = answer
    text = body.decode()
    same(kind, ERROR, f"the answer's kind ({text[:1000]})")
    wanted = wanted[language] if isinstance(wanted, dict) else wanted
    if not text.startswith(wanted):
        raise AssertionError(f"the error is {text!r}, not {wanted!r}")


def call(sandbox, language, one):
    """Makes one of a case's calls and compares its answer."""
    body = b""
    if "raw" in one:
        body = one["raw"].encode()
    elif "nest" in one:
        body = b'{"in":%s%s}' % (b"[" * one["nest"], b"]" * one["nest"])
    elif "params" in one:
        params = one["params"]
        for name, count in one.get("fill", {}).items():
            params = {**params, name: "x" * count}
        body = json.dumps(params).encode()
    answer = sandbox.ask(REQUEST, one.get("meta"), body)
    if "error" in one:
        fails(answer, one["error"], language)
    else:
        kind, meta, reply = answer
        same(kind, RESPONSE, f"the answer's kind ({reply[:1000]})")
        same(meta.get("content_type"), "application/json", "its content type")
        result = one["result"]
        for name, (text, times) in one.get("result_fill", {}).items():
            result = {**result, name: text * times}
        same(json.loads(reply.decode()), result, "the result")
    sandbox.says(one.get("stderr", ""))


def run(case, language, command):
    """Runs one case in a sandbox of its own."""
    with Sandbox(command) as sandbox:
        same(sandbox.read()[:2], (READY, 0), "the first frame")
        fails(sandbox.ask(REQUEST, None, b"{}"), "this sandbox has no code yet", language)
        init = {
            "name": case["name"],
            "namespace": "guest",
            "main": case.get("main", "main"),
            "file": FILES[language],
            "env": case.get("env", {}),
        }
        answer = sandbox.ask(INIT, init, case[language].encode())
        if "load_error" in case:
            fails(answer, case["load_error"], language)
            fails(sandbox.ask(REQUEST, None, b"{}"), "this sandbox has no code", language)
        else:
            same(answer[0], READY, f"the answer to init ({answer[2].decode()})")
        fails(sandbox.ask(INIT, init, b""), "this sandbox has been given its code already", language)
        for one in case.get("calls", []):
            call(sandbox, language, one)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in FILES:
        print(__doc__, file=sys.stderr)
        return 2
    language, command = sys.argv[1], sys.argv[2:]
    table = json.loads(pathlib.Path(__file__).with_name("cases.json").read_text())
    done, failed = 0, 0
    for case in table["cases"]:
        if language not in case:
            continue
        done += 1
        try:
            run(case, language, command)
        except (AssertionError, OSError) as error:
            failed += 1
            print(f"{case['name']}: {error}", file=sys.stderr)
    print(f"{done - failed} of {done} cases of {language} hold: {' '.join(command)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
