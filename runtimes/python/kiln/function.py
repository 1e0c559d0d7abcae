"""The function in a sandbox: OpenWhisk's convention `main(params) -> dict or list`, plain or `async`."""

import inspect
import json
import linecache
import os
import re
import sys
import traceback
import types

#: The module that a function's code becomes. Not `__main__`: what a file does where it is run as a program isn't wanted.
MODULE = "main__"

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


#: How deep params may be nested: in a component, CPython doesn't know how little of the host's stack is left for more.
DEPTH = 1000

_BRACKETS_AND_TEXTS = re.compile(r'[][{}]|"[^"\\]*(?:\\.[^"\\]*)*"?')


class Failed(Exception):
    """The function's own error, as its caller is told."""


class Function:
    """A function whose code is loaded."""

    def __init__(self, wait, file, main, code, env):
        """Loads code. `wait` runs what an `async def` gives to its end. Raises Failed."""
        self._wait, self._file, self._activation = wait, file, {}
        _set_environment(env)
        module = types.ModuleType(MODULE)
        module.__file__ = file
        sys.modules[MODULE] = module
        with self._errors():
            source = str(code, "utf-8", "replace")
            # For the lines of code in tracebacks.
            linecache.cache[file] = (len(source), None, source.splitlines(True), file)
            exec(compile(code, file, "exec", dont_inherit=True), module.__dict__)
        self._main = self._resolve(module, main)

    def call(self, body, meta):
        """Calls main with params in JSON; its result in JSON. Raises Failed."""
        self._tell(meta)
        params = self._params(body)
        with self._errors():
            result = self._main(params)
            if inspect.isawaitable(result):
                result = self._wait(_awaited(result))
            if not isinstance(result, (dict, list, tuple)):
                kind = type(result).__name__
                raise Failed(f"{self._file}: main returned {kind}: it has to return a dict or a list")
        return self._encoded(result)

    def _encoded(self, result):
        try:
            return _to_json(result)
        except (TypeError, ValueError, RecursionError, MemoryError) as error:
            raise Failed(f"{self._file}: main's result can't be written as JSON: {error}") from None

    def _resolve(self, module, path):
        found = module
        for name in path.split("."):
            found = getattr(found, name, None)
        if not callable(found):
            raise Failed(f"{self._file}: no function {path}: define {path}(params), or say which one main is")
        return found

    def _params(self, body):
        if not body:
            return {}
        try:
            text = str(body, "utf-8")
            if _is_deeper(text):
                raise Failed(f"the params are nested more than {DEPTH} deep")
            params = _decode(text)
        except (ValueError, RecursionError, MemoryError) as error:
            raise Failed(f"the params are no JSON that can be read: {error}") from None
        if not isinstance(params, (dict, list)):
            raise Failed(f"the params are a JSON {type(params).__name__}: an object is what main takes")
        return params

    def _tell(self, meta):
        """Puts what is known of this activation in the environment."""
        for name, key in (("__OW_ACTIVATION_ID", "id"), ("__OW_DEADLINE", "deadline_ms")):
            value = meta.get(key)
            if value == self._activation.get(name):
                continue
            self._activation[name] = value
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = str(value)

    def _errors(self):
        return _Errors(self._file)


def _set_environment(env):
    """The environment that a function was given, the same on every backend, and not its sandbox's own."""
    os.environ.clear()
    try:
        os.environ.update(env)
    except (TypeError, ValueError, UnicodeError, OSError) as error:
        raise Failed(f"the env can't be set: {error}") from None


async def _awaited(result):
    return await result


def _is_deeper(text):
    """Whether JSON is nested too deep. Costs next to nothing where it hasn't enough brackets for that."""
    if text.count("[") + text.count("{") <= DEPTH:
        return False
    depth = 0
    for found in _BRACKETS_AND_TEXTS.finditer(text):
        if found[0] in "[{":
            depth += 1
        elif found[0] in "]}":
            depth -= 1
        if depth > DEPTH:
            return True
    return False


def _to_json(result):
    try:
        return _encode(result).encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair: JSON has an escape for it, UTF-8 has nothing.
        return _encode_ascii(result).encode()


class _Errors:
    """Makes Failed of whatever the function's code raises, and writes the traceback to stderr."""

    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None or isinstance(error, Failed):
            return False
        # Neither SystemExit nor a KeyboardInterrupt of its own making ends the sandbox: it is the function's error.
        own = _own(trace, self._file)
        traceback.print_exception(kind, error, own)
        raise Failed(f"{_place(error, own, self._file)}: {_said(error)}") from None


def _own(trace, file):
    """A traceback from the function's first own frame on: what is before that is this runtime."""
    while trace and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    return trace


def _place(error, trace, file):
    """`file:line`, the innermost line of the function's own code."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{file}:{error.lineno or 1}"
    line = None
    while trace:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return file if line is None else f"{file}:{line}"


def _said(error):
    name = type(error).__name__
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        # Its own __str__ may be what is wrong.
        text = ""
    return f"{name}: {text}" if text else name
