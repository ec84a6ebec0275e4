"""Work budgets: each operation's body, document and cost are charged to its user and address."""

from collections.abc import Sequence
from typing import Any, Protocol

from gateway.documents.cost import Measured
from kit.errors import Failure, Kind

# In units of cost, as gateway.documents.cost_units has them: 20 microseconds of a core.
#
# A character of a document that is not cached, and the maximum for a document, because the limits of
# gateway.documents.limits bound parsing and validation to some 120 ms.
CHARACTER = 2
MAX_DOCUMENT = 6_000
# A value in the variables; the first few are free.
VALUE = 2
FREE_VALUES = 50
# Bytes of a long body that are parsed in the time of one unit.
BYTES = 500
# Maximum charge before an operation runs; the difference to the actual cost, which is usually
# lower, is settled at the end. Without any charge in advance one caller could start any number of operations.
RESERVED = 10_000
# Operations up to this cost are not charged in advance: a full burst costs less than a second's worth.
CHEAP = 100


class Counter(Protocol):
    """The buckets of `gateway.http.rate_limits.Memory`."""

    def excess(self, buckets: Sequence[Any], own: float) -> float: ...

    def add(self, buckets: Sequence[Any], units: float) -> None: ...


class Share:
    """The budgets of one caller: those of its address and of its user."""

    def __init__(self, counter: Counter, buckets: Sequence[Any]) -> None:
        self._counter = counter
        self._buckets = buckets

    def charge(self, units: float, own: float) -> None:
        """Charge units; raise Failure EXHAUSTED, with the seconds to wait, if the budget is used up.

        `own` is what this operation was charged before, which doesn't count against it.
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
        """Charge units without a check; a negative number gives units back."""
        self._counter.add(self._buckets, units)


class Work:
    """The charges of one operation; without a share there is no limit."""

    def __init__(self, share: Share | None = None) -> None:
        self._share = share
        self._measured: Measured | None = None
        self._reserved = 0.0
        self._charged = 0.0

    def body(self, size: int) -> None:
        """Charge the parsing of a body of `size` bytes; raise Failure EXHAUSTED."""
        self._charge(size / BYTES)

    def document(self, text: str) -> None:
        """Charge the parsing of a document that is not cached; raise Failure EXHAUSTED."""
        self._charge(min(CHARACTER * len(text), MAX_DOCUMENT))

    def values(self, number: int) -> None:
        """Charge the conversion of so many values of variables; raise Failure EXHAUSTED."""
        if number > FREE_VALUES:
            self._charge(VALUE * number)

    def begin(self, measured: Measured) -> None:
        """Charge a part of the estimated cost before the operation runs; raise Failure EXHAUSTED."""
        self._reserved = min(measured.cost, RESERVED) if measured.cost > CHEAP else 0
        self._charge(self._reserved)
        self._measured = measured

    def end(self, objects: int) -> None:
        """Settle the actual cost of a response, or of a further event, with so many objects."""
        if self._share is None:
            return
        if self._measured is None:
            self._share.add(objects)
            return
        self._share.add(self._measured.actual(objects) - self._reserved)
        self._measured = None

    def _charge(self, units: float) -> None:
        if self._share is not None:
            self._share.charge(units, self._charged)
            self._charged += units


# Charges nothing.
FREE = Work()
