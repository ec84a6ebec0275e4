"""Every call that changes something or shows personal data is logged when an operator makes it."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor, ServiceDescriptor

from kit.rpc.access import Rules

ROOT = Path(__file__).parents[2]
MODULES = [*sorted((ROOT / "services").rglob("access.py")), ROOT / "webhooks" / "access.py"]
READS = (
    *("List", "Get", "BatchList", "BatchGet", "Watch", "Validate", "Check"),
    *("Preview", "Explain", "Quote", "BatchQuote"),
)
# Reads that are logged, because they show activation codes or where a customer was.
LOGGED_READS = {"ListBatchESIMs", "GetDisputeEvidence"}
# Calls between the platform's services, and purchases, whose steps are logged separately.
OTHERS = {
    *("RegisterESIMs", "CancelOrderBundles", "ApplyEvents", "ApplyMemberships", "OpenShareLink"),
    *("ApplyPaymentEvents", "ExchangeAPIKey", "TakeExportLink"),
    *("CreateOrder", "CreateOrderForCustomer", "CreateBatch"),
}
# Free text may contain personal data.
FREE_TEXT = {
    "note",
    "reference",
    "customer_reference",
    "name",
    "email",
    "emails",
    "billing_address",
}
# Fields that are called ids and identify no row.
NO_IDS = {"tax_id"}


def modules() -> Iterator[Rules]:
    """Yield the rules of each service."""
    for path in MODULES:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for key, value in vars(import_module(name)).items():
            if key.endswith("ACCESS"):
                yield value


def services() -> Iterator[tuple[ServiceDescriptor, Rules]]:
    """Yield each service with its rules, which name exactly its methods."""
    every = [
        service
        for path in sorted((ROOT / "protos").rglob("*.proto"))
        for service in import_module(
            f"protos.{path.relative_to(ROOT / 'protos').parts[0]}.v1.{path.stem}_pb2"
        ).DESCRIPTOR.services_by_name.values()
    ]
    for rules in modules():
        (service,) = (one for one in every if {m.name for m in one.methods} == set(rules))
        yield service, rules


@pytest.mark.parametrize(
    ("service", "rules"), list(services()), ids=lambda part: getattr(part, "name", "")
)
def test_every_logged_operator_action_names_fields_of_its_request(
    service: ServiceDescriptor, rules: Rules
) -> None:
    acts = {name: rule.logged for name, rule in rules.items() if rule.logged is not None}
    changing = {m.name for m in service.methods if not m.name.startswith(READS)} - OTHERS
    assert set(acts) - LOGGED_READS == changing
    for name, shown in acts.items():
        fields = service.methods_by_name[name].input_type.fields_by_name
        assert set(shown) <= set(fields) - FREE_TEXT, name
        ids = {f.name for f in fields.values() if f.name.endswith(("_id", "_ids"))} - NO_IDS
        assert name == "EraseCustomer" or ids <= set(shown), name
        numbers = (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_DOUBLE)
        assert not [f for f in shown if fields[f].type in numbers], name


def test_every_service_is_examined() -> None:
    found = list(services())
    assert len(found) == len({service.full_name for service, _ in found}) >= 19
    methods = {name for _, rules in found for name in rules}
    assert methods >= OTHERS | LOGGED_READS
