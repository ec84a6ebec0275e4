"""Numbers and names that the provider gives out: all follow from the seed and a count."""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sandbox.state.rows import Row

# Issuer part of every ICCID here; 89 is telecommunication, 4 3108 an invented issuer.
ICCID_ISSUER = "894310817"
# Letters and digits that can't be mistaken for one another, as printed activation codes use.
_CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass
class Counters(Row):
    """How many names of each kind were given out."""

    esims: int = 0
    references: int = 0
    assignments: int = 0
    lots: int = 0
    topups: int = 0
    sequence: int = 0


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` followed by it valid by Luhn's rule."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a new eSIM is made of: everything printed on its card, so to speak."""

    iccid: str
    matching_id: str
    pin: str
    puk: str
    eid: str
    imei: str
    msisdn: str


class Ids:
    """Gives out the next name of each kind."""

    def __init__(self, seed: int, counters: Counters) -> None:
        self._seed = seed
        self._counters = counters

    def profile(self) -> Profile:
        """The next eSIM; up to a million differ for one seed."""
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
        """The next order or apply reference."""
        self._counters.references += 1
        return str(UUID(bytes=self._digest("order", self._counters.references)[:16], version=4))

    def assignment(self) -> str:
        """The next assignment id."""
        self._counters.assignments += 1
        return str(215_000_000 + self._counters.assignments)

    def lot(self) -> int:
        """The next usage id of the inventory."""
        self._counters.lots += 1
        return 4_500_000 + self._counters.lots

    def topup(self) -> int:
        """The next reference of a payment."""
        self._counters.topups += 1
        return 987_000_000 + self._counters.topups

    def sequence(self) -> int:
        """The next place in the order in which things happened."""
        self._counters.sequence += 1
        return self._counters.sequence

    def _digest(self, kind: str, count: int) -> bytes:
        return sha256(f"{self._seed}:{kind}:{count}".encode()).digest()
