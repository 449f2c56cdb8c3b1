"""Token buckets that all worker processes of a pod share: for each key, so many requests a minute and a burst.

A bucket is one point in time, when it will be full again: each request moves it `interval` later, and a request is
let through while it lies no further than `burst` intervals ahead (the generic cell rate algorithm of ITU-T I.371).
Here the point is kept in parts that add up, so that no process writes what another one writes and nothing is locked:

    full again at = max(idle of each worker) + sum(spent by each worker)

`spent` counts the intervals of a worker's requests; `idle` is raised by whoever finds the point in the past, to what
makes it now. Both only grow, and each is one aligned 8-byte word, which processors load and store whole. A worker
killed at any instruction leaves nothing locked and nothing half done; its successor goes on with its words.

The bound: in any span of the callers' clock, over all workers, a key gets through at most

    burst + requests_per_minute * minutes + (workers - 1)

requests. The last term is what can happen between reading and writing: each other worker may hold one decision whose
request is not written yet. It is a debt, not a leak, since those requests are in the sum from then on and delay the
next ones; and nobody is refused for more than what was really let through. One worker alone is exact. Dividing the
rate among the workers instead would refuse a client whose one connection stays with one worker.

The limit holds for a pod: a service of several pods lets through as many times more as its balancer spreads a key.
Each worker has a table of its own in the shared memory, in sets of eight entries that a keyed hash selects. When all
eight of a set are in use, the one nearest to full makes room; `forgotten` counts how often that one was not full, and
its key thereby got a new burst.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from serving.access.memory import WAYS, SharedMemory
from serving.messages import Refused

DEFAULT_REQUESTS_PER_MINUTE = 100

_NANOSECONDS = 1_000_000_000
_MINUTE = 60 * _NANOSECONDS
_NEVER = -(2**62)


@dataclass(frozen=True)
class Limit:
    """So many requests a minute in the long run, and at most `burst` at once."""

    requests_per_minute: int
    burst: int

    def __post_init__(self) -> None:
        if self.requests_per_minute < 1 or self.burst < 1:
            raise ValueError(f"{self} lets nothing through: both figures must be 1 or more")

    @functools.cached_property
    def interval(self) -> int:
        """Nanoseconds between requests, rounded up: never more requests than the figure says."""
        return -(-_MINUTE // self.requests_per_minute)

    @functools.cached_property
    def depth(self) -> int:
        return self.interval * self.burst


@functools.lru_cache(maxsize=4096)
def per_minute(requests: int) -> Limit:
    """A minute's requests, all of them at once if the caller likes."""
    return Limit(requests, requests)


class Decision(NamedTuple):
    """Whether a request may pass, and what is left of the bucket after it."""

    allowed: bool
    limit: int
    """What the bucket holds when full."""
    remaining: int
    retry_after_seconds: int
    """Until one request passes, rounded up; 0 when this one did."""
    reset_seconds: int
    """Until the bucket is full again, rounded up."""


class _Bucket:
    """One key as this worker knows it. Only this worker writes its two words, so its own copies are the truth."""

    __slots__ = ("found", "idle", "others", "pair", "spent", "tag")

    def __init__(self, tag: int, others: tuple[int, ...], pair: int, spent: int, idle: int) -> None:
        self.tag = tag
        self.others = others
        """Where the key's set begins in each other worker's table, as an index of words."""
        self.found = [0] * len(others)
        """Where the key's tag was last found there, or 0."""
        self.pair = pair
        """Our own pair of words, as an index of words."""
        self.spent = spent
        self.idle = idle


class RateLimits:
    """The buckets as one worker uses them, from one thread.

    A worker's number is its own among all that live at once; the process that replaces a dead one takes its number.
    """

    def __init__(self, memory: SharedMemory, worker: int) -> None:
        if not 0 <= worker < memory.workers:
            raise ValueError(f"worker {worker} has no table: the memory was made for {memory.workers}, counted from 0")
        self._memory = memory
        self._worker = worker
        self._words = memory.words
        self._known: dict[str, _Bucket] = {}
        self._key_at: dict[int, str] = {}
        self.forgotten = 0

    def check(self, key: str, limit: Limit, now: float) -> Decision:
        """Take one request out of the key's bucket if it holds one. `now` is monotonic time."""
        # As below, without what several buckets need: this is on the path of every request.
        at = int(now * _NANOSECONDS)
        bucket = self._known.get(key) or self._claim(key, at)
        spent, idle = self._sums(bucket)
        interval, depth = limit.interval, limit.depth
        full_at = idle + spent
        if full_at <= at:
            ahead = interval
            self._take(bucket, at - spent, interval)
        else:
            ahead = full_at + interval - at
            if ahead > depth:
                return _refusal(limit, full_at - at, ahead - depth)
            self._take(bucket, None, interval)
        return Decision(True, limit.burst, (depth - ahead) // interval, 0, -(-ahead // _NANOSECONDS))

    def check_all(self, asked: Sequence[tuple[str, Limit]], now: float) -> Decision:
        """Take one request out of every bucket, or out of none if any is empty; the decision of the tightest one."""
        at = int(now * _NANOSECONDS)
        found: list[tuple[_Bucket, Limit, int, int]] = []
        refusal: Decision | None = None
        for key, limit in asked:
            bucket = self._known.get(key) or self._claim(key, at)
            spent, idle = self._sums(bucket)
            full_at = max(idle + spent, at)
            ahead = full_at + limit.interval - at
            if ahead > limit.depth:
                refused = _refusal(limit, full_at - at, ahead - limit.depth)
                if refusal is None or refused.retry_after_seconds > refusal.retry_after_seconds:
                    refusal = refused
            found.append((bucket, limit, spent, full_at))
        if refusal is not None:
            return refusal
        tightest: Decision | None = None
        for bucket, limit, spent, full_at in found:
            self._take(bucket, at - spent if full_at == at else None, limit.interval)
            ahead = full_at + limit.interval - at
            remaining = (limit.depth - ahead) // limit.interval
            if tightest is None or remaining < tightest.remaining:
                tightest = Decision(True, limit.burst, remaining, 0, -(-ahead // _NANOSECONDS))
        if tightest is None:
            raise ValueError("no bucket was named: give one or more")
        return tightest

    def _sums(self, bucket: _Bucket) -> tuple[int, int]:
        spent, idle = bucket.spent, bucket.idle
        words, tag, found = self._words, bucket.tag, bucket.found
        for number, start in enumerate(bucket.others):
            at = found[number]
            # Where the key's entry lay when last looked; its owner may have cleared it since.
            if at == 0 or words[at] != tag:
                tags = words[start : start + WAYS].tolist()
                if tag not in tags:
                    continue
                at = found[number] = start + tags.index(tag)
            pair = start + WAYS + 2 * (at - start)
            spent += words[pair]
            their_idle = words[pair + 1]
            if their_idle > idle:
                idle = their_idle
        return spent, idle

    def _take(self, bucket: _Bucket, idle: int | None, interval: int) -> None:
        words, pair = self._words, bucket.pair
        # First the idle time, then the request: a process that sees the request also sees what it was counted against.
        if idle is not None and idle > bucket.idle:
            bucket.idle = words[pair + 1] = idle
        bucket.spent = words[pair] = bucket.spent + interval

    def _claim(self, key: str, at: int) -> _Bucket:
        """This worker's entry for a key it has not met: one left by its predecessor, a free one, or another's."""
        memory, words = self._memory, self._words
        digest = hashlib.blake2b(key.encode(), digest_size=16, key=memory.salt).digest()
        # 0 marks a free entry.
        tag = int.from_bytes(digest[:8], signed=True) or 1
        chosen = int.from_bytes(digest[8:]) % memory.sets
        start = memory.set_start(self._worker, chosen)
        others = tuple(memory.set_start(n, chosen) for n in range(memory.workers) if n != self._worker)
        tags = list(words[start : start + WAYS])
        if tag in tags:
            pair = start + WAYS + 2 * tags.index(tag)
            bucket = _Bucket(tag, others, pair, words[pair], words[pair + 1])
        else:
            way = tags.index(0) if 0 in tags else self._clear_one(start, others, tags, at)
            pair = start + WAYS + 2 * way
            words[pair], words[pair + 1] = 0, _NEVER
            words[start + way] = tag
            bucket = _Bucket(tag, others, pair, 0, _NEVER)
        self._known[key] = bucket
        self._key_at[pair] = key
        return bucket

    def _clear_one(self, start: int, others: tuple[int, ...], tags: list[int], at: int) -> int:
        """Free the entry whose bucket is nearest to full, or full longest; its way in the set."""

        def full_at(way: int) -> int:
            pair = start + WAYS + 2 * way
            words = self._words
            spent, idle = self._sums(_Bucket(tags[way], others, pair, words[pair], words[pair + 1]))
            return idle + spent

        way = min(range(WAYS), key=full_at)
        if full_at(way) > at:
            self.forgotten += 1
        self._words[start + way] = 0
        key = self._key_at.pop(start + WAYS + 2 * way, None)
        if key is not None:
            del self._known[key]
        return way


def lines(decision: Decision) -> bytes:
    """`RateLimit-Limit`, `-Remaining` and `-Reset` as header lines, each with its line end.

    These three are the form of draft-ietf-httpapi-ratelimit-headers-06, the one that clients and gateways in the
    field read. Revisions 08 to 10 (September 2025) say the same in `RateLimit` and `RateLimit-Policy`, as structured
    fields; that form is not sent while it is a draft whose syntax still moves.
    """
    return b"ratelimit-limit: %d\r\nratelimit-remaining: %d\r\nratelimit-reset: %d\r\n" % (
        decision.limit,
        decision.remaining,
        decision.reset_seconds,
    )


def refusal(decision: Decision) -> Refused:
    """The 429 of a decision that did not allow the request."""
    return Refused(
        HTTPStatus.TOO_MANY_REQUESTS,
        "rate_limited",
        f"too many requests: try again in {decision.retry_after_seconds} s",
        headers=[
            (b"ratelimit-limit", b"%d" % decision.limit),
            (b"ratelimit-remaining", b"%d" % decision.remaining),
            (b"ratelimit-reset", b"%d" % decision.reset_seconds),
            (b"retry-after", b"%d" % decision.retry_after_seconds),
        ],
    )


def _refusal(limit: Limit, until_full: int, wait: int) -> Decision:
    return Decision(False, limit.burst, 0, math.ceil(wait / _NANOSECONDS), math.ceil(until_full / _NANOSECONDS))
