"""Identifiers in Stripe's format."""

import hashlib
import random
import string

_ALPHABET = string.ascii_letters + string.digits


class Ids:
    """Random identifiers; a seed makes them reproducible."""

    def __init__(self, seed: int | None) -> None:
        self._random = random.Random(seed)

    def text(self, length: int) -> str:
        """Return random letters and digits."""
        return "".join(self._random.choices(_ALPHABET, k=length))

    def new(self, prefix: str) -> str:
        """Return an id such as `pi_3Q...`."""
        return f"{prefix}_3{self.text(23)}"

    def session(self) -> str:
        """Return the id of a Checkout Session."""
        return f"cs_test_a1{self.text(56)}"

    def client_secret(self, id_: str) -> str:
        """Return the secret with which a browser pays a PaymentIntent."""
        return f"{id_}_secret_{self.text(25)}"

    def request(self) -> str:
        """Return a request id."""
        return f"req_{self.text(14)}"


def fingerprint(card_number: str) -> str:
    """Return the fingerprint of a card, which is the same for each payment with it."""
    digest = hashlib.sha256(f"sandbox card {card_number}".encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:16])
