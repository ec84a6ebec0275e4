"""The settings of the orders service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kit.process.settings import ServiceSettings
from kit.reports.settings import ReportSettings
from kit.values.env import Env
from providers.esim_go.client import ProviderSettings
from services.orders.payments.disputes.settings import DisputeSettings
from services.orders.payments.settings import PaymentSettings, is_real
from services.orders.payments.stripe.settings import StripeSettings
from services.orders.purchase import limits
from services.orders.purchase.buyers import Buyers
from services.orders.statements.settings import StatementSettings

PORT = 50052


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the process; times in seconds."""

    service: ServiceSettings
    provider: ProviderSettings
    catalogue_address: str
    esims_address: str
    peer_wait: float = 5.0
    purchase_wait: float = 10.0
    settling: float = 600.0
    clock_tolerance: float = 300.0
    recovery_every: float = 1.0
    takeover: float = 30.0
    price_ttl: float = 300.0
    # The first attempt usually follows the claim within some milliseconds.
    price_holds: float = 3.0
    price_tolerance: Decimal = Decimal("0.02")
    buyers: Buyers = field(default_factory=Buyers)
    purchase_limits: Mapping[str, Decimal] = field(default_factory=dict)
    max_unfinished: int = 5
    audit_every: float = 900.0
    history_days: int = 730
    low_balance: float = 100.0
    invitation_days: int = 7
    propagation_wait: float = 2.0
    invitation_url: str = ""
    changes_days: int = 30
    batch_pause: float = 3.0
    stripe: StripeSettings = field(default_factory=StripeSettings)
    payments: PaymentSettings = field(default_factory=PaymentSettings)
    disputes: DisputeSettings = field(default_factory=DisputeSettings)
    statements: StatementSettings = field(default_factory=StatementSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)

    @classmethod
    def read(cls, env: Env) -> "Settings":
        """Declare and read the variables; problems are reported to `env`."""
        # Long but flat: one declaration after the other, in the order of docs/configuration.md.
        provider, stripe = ProviderSettings.read(env), StripeSettings.read(env)
        return cls(
            service=ServiceSettings.read(env, "orders", PORT),
            provider=provider,
            catalogue_address=env.text(
                "CATALOGUE_ADDRESS", "Address of the catalogue service.", "localhost:50051"
            ),
            esims_address=env.text(
                "ESIMS_ADDRESS", "Address of the esims service.", "localhost:50053"
            ),
            # Each is one indexed statement at the peer; more means that it is in trouble.
            peer_wait=env.number(
                "ORDERS_PEER_SECONDS",
                "Timeout of a call to the catalogue or esims service, in seconds; doubled for"
                " calls that involve eSIM Go.",
                5,
                low=0.1,
                high=60,
            ),
            purchase_wait=env.number(
                "ORDERS_PURCHASE_WAIT",
                "How long a purchase call waits for the purchase to finish, in seconds,"
                " before it returns with status PROCESSING.",
                10,
                low=0,
                high=60,
            ),
            settling=env.number(
                "ORDERS_SETTLING_SECONDS",
                "Time after which an order that the provider does not list is considered not"
                " placed, in seconds.",
                600,
                low=0,
                high=3600,
            ),
            clock_tolerance=env.number(
                "ORDERS_CLOCK_TOLERANCE_SECONDS",
                "Maximum time by which the provider's clock may lag behind the database's, in"
                " seconds.",
                300,
                low=0,
                high=86400,
            ),
            recovery_every=env.number(
                "ORDERS_RECOVERY_SECONDS",
                "Interval between searches for interrupted orders, in seconds.",
                1,
                low=0.05,
                high=60,
            ),
            # The default leaves room for the database's part around a call, a slow one too.
            takeover=env.number(
                "ORDERS_TAKEOVER_SECONDS",
                "When a process dies, another one takes over its orders after the longest time that a"
                " call to eSIM Go can take, plus this many seconds.",
                30,
                low=1,
                high=300,
            ),
            # One call to eSIM Go for each plan that is bought within this time.
            price_ttl=env.number(
                "ORDERS_PRICE_TTL_SECONDS",
                "Age of a catalogue price, in seconds, from which it is confirmed with eSIM Go"
                " before a purchase without a price limit. With a price limit it is always"
                " confirmed. Also how long a quote is valid.",
                300,
                low=0,
                high=86400,
            ),
            price_tolerance=Decimal(
                str(
                    env.number(
                        "ORDERS_PRICE_TOLERANCE_PERCENT",
                        "Amount by which eSIM Go's price may exceed the catalogue's in a purchase"
                        " without a price limit. Above it, the purchase is refused with"
                        " PRICE_CHANGED. With a price limit only that limit applies. With price"
                        " lists, the list's min_margin_to_absorb decides instead, and only a charge"
                        " above this tolerance is reported.",
                        2,
                        low=0,
                        high=1000,
                    )
                )
            )
            / 100,
            # A purchase takes seconds: a person who buys has one or two in work.
            max_unfinished=env.integer(
                "ORDERS_MAX_UNFINISHED",
                "Maximum number of unfinished purchases of one customer. Further ones are"
                " refused with PURCHASE_LIMIT_CUSTOMER_UNFINISHED_ORDERS."
                " CreateOrderForCustomer is exempt.",
                5,
                low=1,
                high=1_000_000,
            ),
            buyers=Buyers(
                service_only=env.choice(
                    "PURCHASES_BY",
                    "Who may buy: customers, with their own sessions through purchaseESIM; or"
                    " service, which allows only CreateOrderForCustomer with the service role"
                    " key, for shops that charge customers elsewhere.",
                    "customers",
                    ("customers", "service"),
                )
                == "service",
                anonymous=env.flag(
                    "ANONYMOUS_PURCHASES",
                    "Allow anonymous Supabase sessions (is_anonymous) to buy; they can always"
                    " browse.",
                    default=False,
                ),
            ),
            purchase_limits=_limits(env),
            # Four reads an hour of a short list take little of the rate limit.
            audit_every=env.number(
                "ORDERS_AUDIT_SECONDS",
                "Interval between comparisons of eSIM Go's order history with the orders"
                " here, in seconds.",
                900,
                low=1,
                high=86400,
            ),
            # The default threshold of the provider's own warning.
            low_balance=env.number(
                "ORDERS_LOW_BALANCE",
                "Balance at eSIM Go, in the currency of the account there, below which the alert"
                " ProviderBalanceLow fires; 0 disables it.",
                100,
                low=0,
                high=1_000_000_000,
            ),
            # Claims about a purchase usually arise within two years, the period of most laws.
            history_days=env.integer(
                "ORDERS_HISTORY_DAYS",
                "Days after which steps and attempts of finished orders, and the recorded"
                " balances at the provider, are deleted; 0 keeps them forever. Orders are"
                " never deleted.",
                730,
                low=0,
                high=36_500,
            ),
            invitation_days=env.integer(
                "ORDERS_INVITATION_DAYS",
                "Days for which an invitation to an organization can be accepted.",
                7,
                low=1,
                high=90,
            ),
            invitation_url=_invitation_url(env),
            # Within it, a removal counts everywhere, or its caller learns that it does not yet.
            propagation_wait=env.number(
                "ORDERS_PROPAGATION_SECONDS",
                "How long a change of a membership waits for the esims service to confirm it, in seconds,"
                " before it returns with PROPAGATING.",
                2,
                low=0.1,
                high=10,
            ),
            changes_days=env.integer(
                "ORDERS_CHANGES_DAYS",
                "Days after which entries of the feed of changes are deleted. Other services read the feed to"
                " learn of changes, such as those of memberships. A service that was down for longer reads"
                " the current state instead.",
                30,
                low=1,
                high=3_650,
            ),
            batch_pause=env.number(
                "BATCH_ORDER_PAUSE_SECONDS",
                "Pause between two orders of batches at eSIM Go, in seconds, for all processes together."
                " eSIM Go asks for three seconds between bulk orders.",
                3,
                low=0,
                high=600,
            ),
            stripe=stripe,
            payments=PaymentSettings.read(env, provider.base_url, stripe),
            disputes=DisputeSettings.read(env),
            statements=StatementSettings.read(env),
            reports=ReportSettings.read(env, "orders"),
        )

    @property
    def longest_run(self) -> float:
        """Seconds for the longest call to the provider and the work around it."""
        return self.provider.timeout + self.takeover

    @property
    def live(self) -> bool:
        """True if purchases reach the real provider, and not its sandbox."""
        return is_real(self.provider.base_url)

    def secrets(self) -> list[str]:
        return [
            *self.service.secrets(),
            self.reports.database_url or "",
            self.provider.api_key,
            self.stripe.api_key,
        ]


def _invitation_url(env: Env) -> str:
    text = env.text(
        "INVITATION_URL",
        "Page of your shop where an invited person signs in and accepts the invitation, with {token} where"
        " the token goes, such as https://shop.example.com/join#{token}. After a #, it does not reach the"
        " logs of web servers. Empty: inviteMember returns the token without a link.",
        "",
    )
    if text and ("{token}" not in text or not text.startswith(("https://", "http://"))):
        env.problems.append("INVITATION_URL: must be an http or https URL that contains {token}")
        return ""
    return text


def _limits(env: Env) -> dict[str, Decimal]:
    text = env.text(
        "PURCHASE_LIMITS",
        f"Spending limits, as name=value separated by commas: {', '.join(limits.NAMES)}. Amounts"
        " count costs, in the currency of the eSIM Go account; hours and days are the last 60 minutes and"
        " 24 hours. Empty means no limit.",
        "",
    )
    try:
        return limits.parse(text)
    except limits.LimitsError as error:
        env.problems.append(f"PURCHASE_LIMITS: {error}")
        return {}
