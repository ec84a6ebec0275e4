"""Identifiers that the provider issues, derived from the seed and a counter."""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sandbox.state.rows import Row

# Issuer part of every ICCID: 89 is telecommunication, 4 3108 an invented issuer.
ICCID_ISSUER = "894310817"
# Letters and digits that can't be confused, as in printed activation codes.
_CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass
class Counters(Row):
    """Number of identifiers of each kind that were issued."""

    esims: int = 0
    references: int = 0
    assignments: int = 0
    lots: int = 0
    topups: int = 0
    sequence: int = 0


def luhn_digit(digits: str) -> str:
    """Return the Luhn check digit of `digits`."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


@dataclass(frozen=True, slots=True)
class Profile:
    """Identifiers and codes of a new eSIM."""

    iccid: str
    matching_id: str
    pin: str
    puk: str
    eid: str
    imei: str
    msisdn: str


class Ids:
    """Issues the next identifier of each kind."""

    def __init__(self, seed: int, counters: Counters) -> None:
        self._seed = seed
        self._counters = counters

    def profile(self) -> Profile:
        """Return the next eSIM; up to a million are different for one seed."""
        self._counters.esims += 1
        count = self._counters.esims
        print_ = self._digest("esim", count)
        body = f"{ICCID_ISSUER}{self._digest('batch', 0)[0] % 1000:03d}{count:06d}"
        code = "".join(_CODE_ALPHABET[byte % 32] for byte in print_[:13])
        digits = "".join(str(byte % 10) for byte in print_[13:32])
        imei = f"35693803{digits[8:14]}"
        return Profile(
            iccid=body + luhn_digit(body),
            matching_id=f"SB-{code[:6]}-{code[6:]}",
            pin=digits[14:18],
            puk=digits[:8],
            eid=f"89049032{count:022d}",
            imei=imei + luhn_digit(imei),
            msisdn=f"4477009{count % 100_000:05d}",
        )

    def reference(self) -> str:
        self._counters.references += 1
        return str(UUID(bytes=self._digest("order", self._counters.references)[:16], version=4))

    def assignment(self) -> str:
        self._counters.assignments += 1
        return str(215_000_000 + self._counters.assignments)

    def lot(self) -> int:
        """Return the next usage id of the inventory."""
        self._counters.lots += 1
        return 4_500_000 + self._counters.lots

    def topup(self) -> int:
        """Return the next reference of a payment."""
        self._counters.topups += 1
        return 987_000_000 + self._counters.topups

    def sequence(self) -> int:
        """Return the next sequence number of what happened."""
        self._counters.sequence += 1
        return self._counters.sequence

    def _digest(self, kind: str, count: int) -> bytes:
        return sha256(f"{self._seed}:{kind}:{count}".encode()).digest()
