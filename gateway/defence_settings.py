"""Limits of one caller: operation cost, rates and deadline, and whether introspection is allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.documents.work_settings import WorkSettings
from kit.auth.sessions import Role
from kit.net.client_address import Networks, networks
from kit.values.env import Env

# The provider's whole catalogue, with all fields, costs 30,010.
COST_ANONYMOUS = 50_000
# A customer's 500 newest orders with their eSIMs, bundles and QR codes cost some 120,000.
COST_CUSTOMER = 250_000
# Staff is trusted, and lists the data of all customers.
COST_STAFF = 500_000
# Operations per second. A page sends a handful when it opens; subscriptions replace polling.
USER_RATE = 20.0
# Operations per second. A household, an office or a mobile carrier shares an address.
ADDRESS_RATE = 100.0
# Coupon codes per minute. A person types a few; a program that guesses codes tries thousands.
COUPON_RATE = 10.0
# Seconds. A purchase may take 30, and its order is read after that.
OPERATION_SECONDS = 35.0


def _costs() -> Mapping[Role, int]:
    staff = dict.fromkeys((Role.SUPPORT, Role.FINANCE, Role.ADMIN), COST_STAFF)
    return {Role.ANONYMOUS: COST_ANONYMOUS, Role.CUSTOMER: COST_CUSTOMER} | staff


@dataclass(frozen=True, slots=True)
class DefenceSettings:
    """Limits of one caller; 0 sets no limit.

    Rates are in operations per second, `coupon_rate` is in codes per minute.
    """

    costs: Mapping[Role, int] = field(default_factory=_costs)
    introspection: bool = False
    plain_get: bool = True
    operation_seconds: float = OPERATION_SECONDS
    user_rate: float = USER_RATE
    address_rate: float = ADDRESS_RATE
    coupon_rate: float = COUPON_RATE
    trusted_proxies: Networks = ()
    work: WorkSettings = field(default_factory=WorkSettings)

    @classmethod
    def read(cls, env: Env, *, development: bool = False) -> "DefenceSettings":
        return cls(
            costs={role: _cost(env, role, default) for role, default in _costs().items()},
            introspection=env.flag(
                "GATEWAY_INTROSPECTION",
                "Allow clients to introspect the schema, and suggest similar names for misspelled"
                " ones. With APP_ENV=development the default is true.",
                default=development,
            ),
            plain_get=env.flag(
                "GATEWAY_PLAIN_GET",
                "Accept a GET request without a header that forces a CORS preflight. False"
                " refuses it, as Apollo Server does.",
                default=True,
            ),
            operation_seconds=env.number(
                "GATEWAY_OPERATION_SECONDS",
                "Deadline of an operation, in seconds, including all its calls to services.",
                OPERATION_SECONDS,
                low=1,
                high=300,
            ),
            user_rate=_rate(env, "GATEWAY_USER_RATE", "a signed-in user", USER_RATE),
            address_rate=_rate(env, "GATEWAY_ADDRESS_RATE", "one network address", ADDRESS_RATE),
            coupon_rate=env.number(
                "GATEWAY_COUPON_RATE",
                "Number of coupon codes per minute that one network address may check. Also the number of"
                " unusable codes per minute that one network address, or one signed-in user, may send in"
                " quotes and purchases. 0 sets no limit.",
                COUPON_RATE,
                low=0,
                high=1_000_000,
            ),
            trusted_proxies=_networks(env),
            work=WorkSettings.read(env),
        )


def _cost(env: Env, role: Role, default: int) -> int:
    return env.integer(
        f"GATEWAY_MAX_COST_{role.upper()}",
        f"Maximum cost of an operation of {_WHO[role]}; docs/graphql.md describes how cost"
        " is calculated.",
        default,
        low=1,
        high=1_000_000_000,
    )


_WHO = {
    Role.ANONYMOUS: "a caller without a session",
    Role.CUSTOMER: "a customer",
    Role.SUPPORT: "the support staff",
    Role.FINANCE: "the finance staff",
    Role.ADMIN: "an administrator",
}


def _rate(env: Env, name: str, client: str, default: float) -> float:
    return env.number(
        name,
        f"Average number of operations per second that {client} may send, with bursts of ten"
        " seconds' worth. 0 sets no limit.",
        default,
        low=0,
        high=1_000_000,
    )


def _networks(env: Env) -> Networks:
    text = env.optional(
        "GATEWAY_TRUSTED_PROXIES",
        "Networks of your own reverse proxies, separated by commas, such as 10.0.0.0/8. For"
        " requests from these networks, the client address is taken from X-Forwarded-For.",
    )
    try:
        return networks(text or "")
    except ValueError as error:
        env.problems.append(f"GATEWAY_TRUSTED_PROXIES must contain networks: {error}")
        return ()
