"""Spans: what took how long within one recorded request, and which one is at work now.

A span goes to the exporter when it ends. Names and attributes are ours and few; nothing that a client sent belongs in
them. Times are `time.monotonic_ns()`, and become wall-clock time when they are exported.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from enum import IntEnum
from types import TracebackType
from typing import Self

from serving.tracing.context import RANDOM, SAMPLED, TRACEPARENT, TRACERESPONSE, TRACESTATE

Value = str | bool | int

ERROR_TYPE = "error.type"
MODEL_NAME = "serveml.model.name"
MODEL_VERSION = "serveml.model.version"

_random_bits = random.getrandbits


class Kind(IntEnum):
    """Which side of a call a span is: none, the one that was called, or the caller. The numbers are OTLP's."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


class Trace:
    """What the spans of one request share."""

    __slots__ = ("clock_offset_ns", "export", "flags", "id", "state")

    def __init__(self, trace_id: bytes, flags: int, state: bytes, export: Callable[[Span], None]) -> None:
        self.id = trace_id
        """32 hexadecimal digits."""
        self.flags = SAMPLED | flags & RANDOM
        self.state = state
        self.export = export
        self.clock_offset_ns = time.time_ns() - time.monotonic_ns()
        """From monotonic to wall-clock time; read once, so that the clock's being set moves no span against another."""


class Span:
    """A timed operation. As a context manager it is the current span of its block and ends with it."""

    __slots__ = ("_token", "attributes", "ended_ns", "failed", "id", "kind", "name", "parent_id", "started_ns", "trace")

    def __init__(
        self, trace: Trace, parent_id: bytes, name: str, kind: Kind = Kind.INTERNAL, started_ns: int | None = None
    ) -> None:
        self.trace = trace
        self.id = b"%016x" % _random_bits(64)
        self.parent_id = parent_id
        """16 hexadecimal digits, or empty for the first span of a trace."""
        self.name = name
        self.kind = kind
        self.started_ns = time.monotonic_ns() if started_ns is None else started_ns
        self.ended_ns = 0
        self.failed = False
        self.attributes: dict[str, Value] = {}
        self._token: Token[Span | None] | None = None

    @property
    def trace_id(self) -> str:
        return self.trace.id.decode()

    @property
    def traceparent(self) -> bytes:
        """This span as the next service is told of it."""
        return b"00-%b-%b-%02x" % (self.trace.id, self.id, self.trace.flags)

    @property
    def answer_line(self) -> bytes:
        """The header line that tells the caller which span its request became.

        Levels 1 and 2 have headers for requests alone; `traceresponse` is what the draft of level 3 names for answers.
        """
        return b"%b: %b\r\n" % (TRACERESPONSE, self.traceparent)

    def set(self, name: str, value: Value) -> None:
        self.attributes[name] = value

    def child(self, name: str, kind: Kind = Kind.INTERNAL) -> Span:
        """A span within this one that starts now: end it, or use it as a context manager."""
        return Span(self.trace, self.id, name, kind)

    def child_done(self, name: str, start_ns: int, end_ns: int, kind: Kind = Kind.INTERNAL) -> None:
        """Record what was timed already."""
        Span(self.trace, self.id, name, kind, start_ns).end(end_ns)

    def fail(self, error_type: str) -> None:
        """Mark it as failed; the type is a class or a code, never a message."""
        self.failed = True
        self.attributes[ERROR_TYPE] = error_type

    def end(self, at_ns: int | None = None) -> None:
        """End it and hand it to the exporter: once, and with nothing set after that."""
        self.ended_ns = time.monotonic_ns() if at_ns is None else at_ns
        self.trace.export(self)

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        if error_type is not None:
            self.fail(error_type.__name__)
        self.end()


_current: ContextVar[Span | None] = ContextVar("span", default=None)
_NO_SPAN: AbstractContextManager[Span | None] = nullcontext()


def current() -> Span | None:
    """The span of whatever this task or thread is at, or None where nothing is recorded."""
    return _current.get()


@contextmanager
def active(span: Span) -> Generator[None]:
    """Make it the current span of the block, and of the tasks made in it, without ending it."""
    token = _current.set(span)
    try:
        yield
    finally:
        _current.reset(token)


def child(name: str, kind: Kind = Kind.INTERNAL) -> AbstractContextManager[Span | None]:
    """A span within the current one for the length of a block; nothing where nothing is recorded."""
    parent = _current.get()
    return _NO_SPAN if parent is None else parent.child(name, kind)


def current_headers() -> dict[str, str]:
    """What to add to a call that is made for the current request, so that its receiver can go on with the trace."""
    span = _current.get()
    if span is None:
        return {}
    headers = {TRACEPARENT.decode(): span.traceparent.decode()}
    if span.trace.state:
        headers[TRACESTATE.decode()] = span.trace.state.decode()
    return headers
