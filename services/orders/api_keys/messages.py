"""Translates API keys into their protos."""

from kit.values import timestamps
from protos.orders.v1 import api_keys_pb2 as pb
from services.orders.api_keys.api_key import APIKey


def key_to_proto(key: APIKey) -> pb.APIKey:
    return pb.APIKey(
        id=str(key.id),
        organization_id=str(key.organization_id),
        name=key.name,
        hint=key.hint,
        scopes=key.scopes,
        addresses=key.addresses,
        created_at=timestamps.to_proto(key.created_at),
        created_by=key.created_by,
        expires_at=timestamps.to_proto(key.expires_at),
        last_used_at=timestamps.to_proto(key.last_used_at),
        revoked_at=timestamps.to_proto(key.revoked_at),
        revoked_by=key.revoked_by,
    )
