"""What `esimgo organizations create` and `update` set."""

from dataclasses import dataclass
from decimal import Decimal

from cli.errors import CommandError
from kit.values import money
from protos.common.v1 import money_pb2
from protos.orders.v1 import organizations_pb2 as pb


@dataclass(frozen=True, slots=True)
class NewOrganization:
    """The options of `create`."""

    currency: str
    billing: str = "prepaid"
    credit: Decimal | None = None
    address: str = ""
    country: str = ""
    tax_id: str = ""
    locale: str = ""
    time_zone: str = ""

    def to_proto(self, name: str) -> pb.CreateOrganizationRequest:
        """Return the request; raise CommandError for an amount that is none."""
        currency = self.currency.upper()
        return pb.CreateOrganizationRequest(
            name=name,
            currency=currency,
            billing=_billing_of(self.billing),
            credit_limit=_limit(self.credit, currency),
            billing_address=self.address,
            country=self.country.upper(),
            tax_id=self.tax_id,
            locale=self.locale,
            time_zone=self.time_zone,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """The options of `update`; None leaves a field as it is."""

    name: str | None = None
    billing: str | None = None
    credit: Decimal | None = None
    address: str | None = None
    country: str | None = None
    tax_id: str | None = None
    locale: str | None = None
    time_zone: str | None = None

    def to_proto(self, organization: str, currency: str) -> pb.UpdateOrganizationRequest:
        """Return the request; raise CommandError for an amount that is none."""
        return pb.UpdateOrganizationRequest(
            organization_id=organization,
            name=self.name,
            billing=pb.BILLING_UNSPECIFIED if self.billing is None else _billing_of(self.billing),
            credit_limit=_limit(self.credit, currency),
            billing_address=self.address,
            country=None if self.country is None else self.country.upper(),
            tax_id=self.tax_id,
            locale=self.locale,
            time_zone=self.time_zone,
        )


def _limit(amount: Decimal | None, currency: str) -> money_pb2.Money | None:
    try:
        return None if amount is None else money.to_proto(amount, currency)
    except ValueError as error:
        raise CommandError(f"{amount} is not an amount of money: {error}") from error


def _billing_of(name: str) -> "pb.Billing.ValueType":
    return pb.Billing.Value(f"BILLING_{name.upper()}")
