"""Converts exchange rates to protos."""

from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices.rate import ECB
from services.catalogue.prices.rates import Listed


def to_proto(listed: Listed) -> pb.ExchangeRate:
    """Convert a rate; one that is missing has no rate, time and source."""
    message = pb.ExchangeRate(
        base=listed.base,
        quote=listed.quote,
        held=listed.held,
        stale=listed.stale,
        needed=listed.needed,
    )
    if listed.rate is not None:
        message.rate = f"{listed.rate.rate:f}"
        message.at.FromDatetime(listed.rate.at)
        message.source = (
            pb.EXCHANGE_RATE_SOURCE_ECB
            if listed.rate.source == ECB
            else pb.EXCHANGE_RATE_SOURCE_MANUAL
        )
    return message
