"""The parts of API keys, as services that the process serves."""

from functools import partial

from kit.process.service import Opened
from kit.rpc.guard import Service
from protos.auth.v1 import issuer_pb2, issuer_pb2_grpc
from protos.orders.v1 import api_keys_pb2, api_keys_pb2_grpc
from services.orders.api_keys import access
from services.orders.api_keys.exchange import Exchange
from services.orders.api_keys.servicer import APIKeysServicer, IssuerServicer
from services.orders.api_keys.signing_keys import SigningKeys
from services.orders.organizations.propagate import Propagation


def services(opened: Opened, propagation: Propagation, *, live: bool) -> list[Service]:
    """Return the gRPC services of API keys, whose tokens this process trusts from now on.

    `live` is False for a test system.
    """
    signing_keys = SigningKeys(opened.database, opened.settings.sessions.service_role_key)
    # The process reads its own keys from the database, without a call to itself.
    opened.api_keys = signing_keys.key_set
    servicer = APIKeysServicer(
        opened.database,
        Exchange(opened.database, signing_keys),
        signing_keys,
        propagation,
        live=live,
    )
    return [
        Service(
            api_keys_pb2.DESCRIPTOR.services_by_name["APIKeysService"],
            partial(api_keys_pb2_grpc.add_APIKeysServiceServicer_to_server, servicer),
            access.ACCESS,
        ),
        Service(
            issuer_pb2.DESCRIPTOR.services_by_name["IssuerService"],
            partial(
                issuer_pb2_grpc.add_IssuerServiceServicer_to_server, IssuerServicer(signing_keys)
            ),
            access.ISSUER_ACCESS,
        ),
    ]
