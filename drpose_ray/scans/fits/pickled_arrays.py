"""Arrays out of a pickle without unpickling it: the published fits of THuman are pickled dicts of NumPy arrays.

Unpickling runs whatever the file asks for. Here the file's operations are listed by ``pickletools``, which runs none,
and replayed by a machine that can build plain values and nothing else. It knows by name the few functions that NumPy's
own pickles ask for, imports none of them, and refuses every other name.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import read_limited

_MAX_GROWTH: Final = 4
"""Bytes made for one byte that a file may have: text, its bytes and an array's copy of them are three."""
MAX_OPERATIONS: Final = 200_000
"""A fit has a few hundred."""

_CONVERT: Final = (
    "if you trust where the file is from, load it in a process of your own and write it as plain arrays: "
    "np.savez(name, **{key: np.asarray(value, float) for key, value in fit.items()})"
)
_TORCH: Final = "torch tensors are refused like all else that is no NumPy array; .cpu().numpy() them. " + _CONVERT


class _Mark:
    """The place on the stack that MARK leaves."""


@dataclass(frozen=True)
class _Name:
    """A function that the file names; it stays a name."""

    text: str


@dataclass
class _Array:
    """An array, or a type of number, whose pieces have not all been seen."""

    dtype: np.dtype[Any] | None = None
    value: NDArray[Any] | None = None


@dataclass
class _Machine:
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    bytes_left: int = 0

    def spend(self, num: int) -> None:
        """Count ``num`` bytes about to be made: a file can ask for copies of one value over and over."""
        self.bytes_left -= num
        if self.bytes_left < 0:
            raise _RefusedError("its values take far more room than its file may")


class _RefusedError(ValueError):
    """The file does what a file of arrays does not."""


def load_pickled_arrays(file: Path, max_bytes: int) -> dict[str, Any]:
    """The dict of ``file``: text keys; values are arrays, numbers, text, bytes, None, or lists, tuples, dicts of such.

    Every protocol of pickle is read. Nothing of the file is run or imported.

    Raises:
        InputError: the file is missing, larger than ``max_bytes``, cut short, no pickle, asks for anything but NumPy
            arrays of numbers, or is no dict.
    """
    data = read_limited(file, max_bytes, "scans.checks.max_fit_bytes", "fit")
    try:
        value = _replay(data, _MAX_GROWTH * max_bytes)
    except _RefusedError as refusal:
        text = str(refusal)
        remedy = _TORCH if re.search(r"\btorch\b", text) else _CONVERT
        raise InputError(f"not a pickle of plain arrays ({text})", file=file, field="fit", remedy=remedy) from refusal
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise InputError(
            f"not a whole pickle ({type(error).__name__})", file=file, field="fit", remedy="copy the file again"
        ) from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(
            "not a dict of named arrays",
            file=file,
            field="fit",
            value=type(value).__name__,
            remedy="give a fit's parameters",
        )
    return value


def _replay(data: bytes, max_made: int) -> Any:
    machine = _Machine(bytes_left=max_made)
    for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
        if count > MAX_OPERATIONS:
            raise _RefusedError(f"more than {MAX_OPERATIONS} operations")
        if operation.name == "STOP":
            if len(machine.stack) != 1:
                raise _RefusedError("values left over at the end")
            return _finished(machine, machine.stack.pop())
        if operation.name in _STEPS:
            _STEPS[operation.name](machine)
        elif operation.name in _STEPS_WITH:
            _STEPS_WITH[operation.name](machine, argument)
        else:
            raise _RefusedError(f"operation {operation.name}")
    raise _RefusedError("no end")


def _since_mark(machine: _Machine) -> list[Any]:
    values = []
    while not isinstance(value := machine.stack.pop(), _Mark):
        values.append(value)
    return values[::-1]


def _finished(machine: _Machine, value: Any) -> Any:
    """``value`` as an array if it is one whose pieces are all there, else itself; types and names are no values."""
    if isinstance(value, _Array):
        if value.value is None:
            raise _RefusedError("an array without contents")
        return value.value
    if isinstance(value, _Name):
        raise _RefusedError(f"the function {value.text} as a value")
    if isinstance(value, tuple):
        if any(isinstance(part, tuple) for part in value):  # nested ones can grow without end when walked
            raise _RefusedError("tuples within tuples")
        machine.spend(8 * len(value))
        return tuple(_finished(machine, part) for part in value)
    return value


def _key(value: Any) -> Hashable:
    if not isinstance(value, str | int | float | bytes | None):
        raise _RefusedError(f"a key of type {type(value).__name__}")
    return value


def _set_items(machine: _Machine, pairs: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict) or len(pairs) % 2:
        raise _RefusedError("items for something that is no dict")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        target[_key(key)] = _finished(machine, value)


def _append(machine: _Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise _RefusedError("elements for something that is no list")
    target.extend(_finished(machine, value) for value in values)


# What NumPy's pickles call, by version of Python and NumPy and by protocol.
_MODULES: Final = ("numpy.core", "numpy._core")
_RECONSTRUCT: Final = {f"{module}.multiarray._reconstruct" for module in _MODULES}
_SCALAR: Final = {f"{module}.multiarray.scalar" for module in _MODULES}
_FROM_BUFFER: Final = {f"{module}.numeric._frombuffer" for module in _MODULES}
_BYTES: Final = {"builtins.bytes", "__builtin__.bytes", "builtins.bytearray", "__builtin__.bytearray"}
_KNOWN: Final = {*_RECONSTRUCT, *_SCALAR, *_FROM_BUFFER, *_BYTES, "_codecs.encode", "numpy.ndarray", "numpy.dtype"}


def _name(machine: _Machine, text: str) -> None:
    if text not in _KNOWN:
        raise _RefusedError(f"asks for {text[:100]!r}")
    machine.stack.append(_Name(text))


def _stack_global(machine: _Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise _RefusedError("a name that is no text")
    _name(machine, f"{module}.{name}")


def _reduce(machine: _Machine) -> None:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise _RefusedError("a call of something that is no function")
    machine.stack.append(_call(machine, function.text, arguments))


def _call(machine: _Machine, function: str, arguments: tuple[Any, ...]) -> Any:
    if function in _RECONSTRUCT and len(arguments) == 3 and arguments[0] == _Name("numpy.ndarray"):
        return _Array()
    if function == "numpy.dtype" and arguments and isinstance(arguments[0], str):
        return _Array(dtype=_number_type(arguments[0]))
    if function in _SCALAR and len(arguments) == 2:
        return _Array(value=_contents(machine, arguments[1], arguments[0], (), fortran=False))
    if function in _FROM_BUFFER and len(arguments) == 4 and isinstance(arguments[3], str):
        contents, dtype, shape, order = arguments
        return _Array(value=_contents(machine, contents, dtype, shape, fortran=order == "F"))
    if (
        function == "_codecs.encode"
        and len(arguments) == 2
        and arguments[1] == "latin1"
        and isinstance(arguments[0], str)
    ):
        machine.spend(len(arguments[0]))
        return arguments[0].encode("latin1")
    if function in _BYTES and not arguments:
        return b""
    if function in _BYTES and len(arguments) == 1 and isinstance(arguments[0], bytes | bytearray):
        machine.spend(len(arguments[0]))
        return bytes(arguments[0])
    raise _RefusedError(f"a call of {function} that NumPy's pickles do not make")


def _build(machine: _Machine) -> None:
    state, target = machine.stack.pop(), machine.stack[-1]
    if not isinstance(target, _Array) or not isinstance(state, tuple):
        raise _RefusedError("a state for something that is no array")
    if target.dtype is not None and target.value is None:
        if state[2:5] != (None, None, None) or not isinstance(state[1], str):
            raise _RefusedError("an array of records")
        target.dtype = _number_type(state[1] + target.dtype.str[1:])
        return
    _, shape, dtype, fortran, contents = state
    target.value = _contents(machine, contents, dtype, shape, fortran=bool(fortran))


def _number_type(code: str) -> np.dtype[Any]:
    if not re.fullmatch(r"[<>|=]?([iu][1248]|f[248]|b1)", code):
        raise _RefusedError(f"an array of type {code[:20]!r}")
    return np.dtype(code)


def _contents(machine: _Machine, contents: Any, dtype: Any, shape: Any, *, fortran: bool) -> NDArray[Any]:
    """The bytes as an array; Python 2 wrote them as text."""
    if isinstance(contents, str):
        machine.spend(len(contents))
        contents = contents.encode("latin1")
    if not isinstance(dtype, _Array) or dtype.dtype is None or not isinstance(contents, bytes | bytearray):
        raise _RefusedError("an array without a type or without bytes")
    if not isinstance(shape, tuple) or len(shape) > 4 or not all(isinstance(n, int) and 0 <= n < 2**40 for n in shape):
        raise _RefusedError("an array without a shape")
    count = 1
    for length in shape:
        count *= length
    if count * dtype.dtype.itemsize != len(contents):
        raise _RefusedError(f"an array of shape {shape} in {len(contents)} bytes")
    machine.spend(len(contents))
    return np.frombuffer(contents, dtype.dtype).reshape(shape, order="F" if fortran else "C").copy()


def _put(machine: _Machine, key: int) -> None:
    machine.memo[int(key)] = machine.stack[-1]


def _get(machine: _Machine, key: int) -> None:
    machine.stack.append(machine.memo[int(key)])


def _dict(machine: _Machine) -> None:
    pairs = _since_mark(machine)
    machine.stack.append({})
    _set_items(machine, pairs)


def _fold(machine: _Machine, count: int) -> None:
    values = [machine.stack.pop() for _ in range(count)][::-1]
    machine.stack.append(tuple(values))


_STEPS: Final[dict[str, Callable[[_Machine], Any]]] = {
    "PROTO": lambda _: None,
    "FRAME": lambda _: None,
    "MARK": lambda m: m.stack.append(_Mark()),
    "POP": lambda m: m.stack.pop(),
    "POP_MARK": _since_mark,
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "NONE": lambda m: m.stack.append(None),
    "NEWTRUE": lambda m: m.stack.append(True),
    "NEWFALSE": lambda m: m.stack.append(False),
    "EMPTY_LIST": lambda m: m.stack.append([]),
    "EMPTY_DICT": lambda m: m.stack.append({}),
    "EMPTY_TUPLE": lambda m: m.stack.append(()),
    "LIST": lambda m: m.stack.append([_finished(m, value) for value in _since_mark(m)]),
    "DICT": _dict,
    "TUPLE": lambda m: m.stack.append(tuple(_since_mark(m))),
    "TUPLE1": lambda m: _fold(m, 1),
    "TUPLE2": lambda m: _fold(m, 2),
    "TUPLE3": lambda m: _fold(m, 3),
    "APPEND": lambda m: _append(m, [m.stack.pop()]),
    "APPENDS": lambda m: _append(m, _since_mark(m)),
    "SETITEM": lambda m: _set_items(m, [m.stack.pop(), m.stack.pop()][::-1]),
    "SETITEMS": lambda m: _set_items(m, _since_mark(m)),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
    "MEMOIZE": lambda m: _put(m, len(m.memo)),
}
_STEPS_WITH: Final[dict[str, Callable[[_Machine, Any], Any]]] = {
    "GLOBAL": lambda m, names: _name(m, names.replace(" ", ".", 1)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
         "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
         "BINBYTES8", "BYTEARRAY8"), lambda m, value: m.stack.append(value),
    ),
}  # fmt: skip
"""Operations that carry something."""
