"""Settings of the work that one request, one user and one address may cause."""

from dataclasses import dataclass

from kit.values.env import Env

# Characters. Typical documents have a few hundred to a few thousand.
DOCUMENT = 16_384
# Characters of a trusted document, which may contain the fragments of a whole app.
TRUSTED_DOCUMENT = 65_536
# Values in the variables of a request: items of lists and fields of objects, at every level. Converting one
# takes some 50 microseconds. A federation router's list of 600 representations has about as many.
VALUES = 2_000
# Comparisons of fields with the same response name, some 5 microseconds each. They grow with the square of
# the number of fields; typical documents need a few hundred.
COMPARISONS = 10_000
# Errors in one response. Clients show the first few.
ERRORS = 50
# Purchases in one operation. A shop sends one request, with its own idempotency key, per plan.
PURCHASES = 1
# Units of cost per second, of 20 microseconds each: two fifths of a core.
WORK = 20_000.0
# The maximum of every setting, which disables the limit in practice.
MAX = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """Rates are in units of cost per second; 0 sets no limit."""

    document: int = DOCUMENT
    trusted_document: int = TRUSTED_DOCUMENT
    values: int = VALUES
    comparisons: int = COMPARISONS
    errors: int = ERRORS
    purchases: int = PURCHASES
    user_rate: float = WORK
    address_rate: float = WORK

    @classmethod
    def read(cls, env: Env) -> "WorkSettings":
        return cls(
            document=_count(
                env,
                "GATEWAY_MAX_DOCUMENT",
                "Maximum length of a document that a client sends, in characters.",
                DOCUMENT,
                low=1_024,
            ),
            trusted_document=_count(
                env,
                "GATEWAY_MAX_TRUSTED_DOCUMENT",
                "Maximum length of a document in TRUSTED_DOCUMENTS_FILE, in characters.",
                TRUSTED_DOCUMENT,
                low=1_024,
            ),
            values=_count(
                env,
                "GATEWAY_MAX_VALUES",
                "Maximum number of values in the variables of a request: items of lists and"
                " fields of objects.",
                VALUES,
                low=100,
            ),
            comparisons=_count(
                env,
                "GATEWAY_MAX_COMPARISONS",
                "Maximum number of comparisons of fields with the same response name while"
                " validating a document.",
                COMPARISONS,
                low=1_000,
            ),
            errors=_count(
                env,
                "GATEWAY_MAX_ERRORS",
                "Maximum number of errors in one response.",
                ERRORS,
                low=2,
                above="Further errors are left out, and the last one says so.",
            ),
            purchases=_count(
                env,
                "GATEWAY_MAX_PURCHASES",
                "Maximum number of `purchaseESIM` fields in one operation, including those that"
                " @skip or @include may exclude.",
                PURCHASES,
                low=1,
            ),
            user_rate=_rate(env, "GATEWAY_USER_WORK", "a signed-in user"),
            address_rate=_rate(env, "GATEWAY_ADDRESS_WORK", "one network address"),
        )


def _count(
    env: Env,
    name: str,
    what: str,
    default: int,
    *,
    low: int,
    above: str = "A request above the limit is refused.",
) -> int:
    return env.integer(name, f"{what} {above}", default, low=low, high=MAX)


def _rate(env: Env, name: str, client: str) -> float:
    return env.number(
        name,
        f"Average units of cost per second that {client} may request from each process; unknown"
        " documents are charged by their length. 0 sets no limit.",
        WORK,
        low=0,
        high=MAX,
    )


# For tests and benchmarks, which send the load of many users from one address.
UNLIMITED = WorkSettings(user_rate=0, address_rate=0)
