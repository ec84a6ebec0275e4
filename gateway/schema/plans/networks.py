"""Schema types of mobile networks."""

import strawberry

from gateway.execution.columns import strings, text
from gateway.execution.views import View, listed, read
from protos.catalogue.v1 import catalogue_pb2


@strawberry.type(description="A mobile network that eSIMs use in a country.")
class Network(View):
    name: str = read("name", description='Name of the operator, such as "Orange France".')
    brand: str = read("brand", description='Name that customers know, such as "Orange".')
    mcc: str | None = read(
        text("mcc"),
        description="Mobile country code, three digits; null if the provider reports none.",
    )
    mnc: str | None = read(
        text("mnc"),
        description="Mobile network code, two or three digits; null if the provider reports none.",
    )
    speeds: list[str] = read(strings("speeds"), description='Radio technologies, such as "5G".')
    proto: strawberry.Private[catalogue_pb2.Network]


@strawberry.type(description="The mobile networks of one country of a plan.")
class CountryNetworks(View):
    iso: str = read("iso", description="Code of the country, as in `Country.iso`.")
    networks: list[Network] = listed(
        "networks", Network, description="Its networks; empty if the provider reports none."
    )
    proto: strawberry.Private[catalogue_pb2.CountryNetworks]
