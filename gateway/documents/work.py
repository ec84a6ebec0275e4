"""The work that one operation orders: its body, its document and its cost, taken from its caller's share."""

from collections.abc import Sequence
from typing import Any, Protocol

from gateway.documents.cost import Measured
from kit.errors import Failure, Kind

# In units of cost, as gateway.documents.cost_units has them: 20 microseconds of a core.
#
# One character of a document that is not cached, and the maximum for a document: gateway.documents.limits
# ends its parsing and validation after some 120 ms.
CHARACTER = 2
MOST_DOCUMENT = 6_000
# A value of the variables; a few are free, as every operation has them.
VALUE = 2
FEW = 50
# Bytes of a long body that are parsed in the time of a unit.
BYTES = 500
# What an operation takes before it runs. In the end it has usually cost less than it may, as lists are
# expected to be long; without any part taken before, one caller could start any number at once.
RESERVED = 10_000
# What costs no more than this takes nothing before: as many as an address may have at once cost it less than
# a second's worth.
CHEAP = 100


class Counter(Protocol):
    """Buckets in memory, as `gateway.http.rate_limits.Memory` keeps them."""

    def excess(self, buckets: Sequence[Any], beside: float) -> float: ...

    def add(self, buckets: Sequence[Any], units: float) -> None: ...


class Share:
    """The shares of one caller: those of its address, and of its user."""

    def __init__(self, counter: Counter, buckets: Sequence[Any]) -> None:
        self._counter = counter
        self._buckets = buckets

    def take(self, units: float, own: float) -> None:
        """Raises Failure EXHAUSTED, with the seconds to wait, for a caller who ordered too much before.

        `own` is what this operation has taken already, which is no reason to refuse it.
        """
        wait = self._counter.excess(self._buckets, own)
        if wait > 0:
            seconds = max(0.001, round(wait, 3))
            raise Failure(
                Kind.EXHAUSTED,
                "TOO_MUCH_WORK",
                f"The rate limit for query cost was exceeded; try again in {seconds:g} s. Request"
                " fewer items with `first`, and reuse the same document with variables, because"
                " each new document has to be parsed",
                retry_after=seconds,
            )
        if units:
            self.add(units)

    def add(self, units: float) -> None:
        """Count work that can't be refused any more, or, if negative, that was not needed."""
        self._counter.add(self._buckets, units)


class Work:
    """The work of one operation; without a share it is not limited."""

    def __init__(self, share: Share | None = None) -> None:
        self._share = share
        self._measured: Measured | None = None
        self._reserved = 0.0
        self._taken = 0.0

    def body(self, size: int) -> None:
        """Take what it costs to parse so many bytes; raises Failure EXHAUSTED."""
        self._take(size / BYTES)

    def document(self, text: str) -> None:
        """Take what it costs to read an unknown document; raises Failure EXHAUSTED."""
        self._take(min(CHARACTER * len(text), MOST_DOCUMENT))

    def values(self, number: int) -> None:
        """Take what it costs to convert so many values of variables; raises Failure EXHAUSTED."""
        if number > FEW:
            self._take(VALUE * number)

    def begin(self, measured: Measured) -> None:
        """Take a part of what the operation may cost before it runs; raises Failure EXHAUSTED."""
        self._reserved = min(measured.cost, RESERVED) if measured.cost > CHEAP else 0
        self._take(self._reserved)
        self._measured = measured

    def end(self, objects: int) -> None:
        """Count what an answer of so many objects has cost: the operation's, or a further event's."""
        if self._share is None:
            return
        if self._measured is None:
            self._share.add(objects)
            return
        self._share.add(self._measured.actual(objects) - self._reserved)
        self._measured = None

    def _take(self, units: float) -> None:
        if self._share is not None:
            self._share.take(units, self._taken)
            self._taken += units


# Work that is not limited.
FREE = Work()
