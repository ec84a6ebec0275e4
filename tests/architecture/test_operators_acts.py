"""Every call that changes something or exports personal data is logged when an operator makes it."""

import pytest
from google.protobuf.descriptor import FieldDescriptor, ServiceDescriptor

from kit.rpc.access import Rules
from protos.catalogue.v1 import catalogue_pb2, prices_pb2
from protos.esims.v1 import esims_pb2, travelers_pb2
from protos.esims.v1 import exports_pb2 as esims_exports_pb2
from protos.orders.v1 import coupons_pb2, exports_pb2, orders_pb2
from protos.webhooks.v1 import webhooks_pb2
from services.catalogue.access import ACCESS as CATALOGUE
from services.catalogue.access import PRICES_ACCESS as PRICES
from services.esims.access import ACCESS as ESIMS
from services.esims.exports.access import ACCESS as ESIMS_EXPORTS
from services.esims.travelers.access import ACCESS as TRAVELERS
from services.orders.access import ACCESS as ORDERS
from services.orders.coupons.access import ACCESS as COUPONS
from services.orders.exports.access import ACCESS as EXPORTS
from webhooks.access import ACCESS as WEBHOOKS

SERVICES = [
    (catalogue_pb2.DESCRIPTOR.services_by_name["CatalogueService"], CATALOGUE),
    (prices_pb2.DESCRIPTOR.services_by_name["PricesService"], PRICES),
    (orders_pb2.DESCRIPTOR.services_by_name["OrdersService"], ORDERS),
    (exports_pb2.DESCRIPTOR.services_by_name["ExportsService"], EXPORTS),
    (esims_exports_pb2.DESCRIPTOR.services_by_name["ExportsService"], ESIMS_EXPORTS),
    (coupons_pb2.DESCRIPTOR.services_by_name["CouponsService"], COUPONS),
    (esims_pb2.DESCRIPTOR.services_by_name["ESIMsService"], ESIMS),
    (travelers_pb2.DESCRIPTOR.services_by_name["TravelersService"], TRAVELERS),
    (webhooks_pb2.DESCRIPTOR.services_by_name["WebhooksService"], WEBHOOKS),
]
READS = (
    *("List", "Get", "BatchList", "BatchGet", "Watch", "Validate", "Check"),
    *("Preview", "Explain", "Quote", "BatchQuote"),
)
# Calls between the platform's services, and purchases, whose steps are logged separately.
OTHERS = {
    "RegisterESIMs",
    "CancelOrderBundles",
    "ApplyEvents",
    "ApplyMemberships",
    "OpenShareLink",
    "CreateOrder",
    "CreateOrderForCustomer",
}
# Free text may contain personal data.
FREE_TEXT = {"note", "reference", "customer_reference"}


@pytest.mark.parametrize(("service", "rules"), SERVICES, ids=lambda part: getattr(part, "name", ""))
def test_every_logged_operator_action_names_fields_of_its_request(
    service: ServiceDescriptor, rules: Rules
) -> None:
    acts = {name: rule.logged for name, rule in rules.items() if rule.logged is not None}
    changing = {m.name for m in service.methods if not m.name.startswith(READS)} - OTHERS
    assert set(acts) == changing
    for name, shown in acts.items():
        fields = service.methods_by_name[name].input_type.fields_by_name
        assert set(shown) <= set(fields) - FREE_TEXT, name
        ids = {f.name for f in fields.values() if f.name.endswith(("_id", "_ids"))}
        assert name == "EraseCustomer" or ids <= set(shown), name
        numbers = (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_DOUBLE)
        assert not [f for f in shown if fields[f].type in numbers], name
