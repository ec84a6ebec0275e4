"""A gateway whose services know the plans of a sheet."""

import pytest

from tests.fixtures.answers.sheets import plans_of, validated
from tests.fixtures.gateway import Client, Gateway


@pytest.fixture
def buying(gateway: Gateway, ann: Client) -> Gateway:
    gateway.batches.answers["ValidateBatch"] = validated
    gateway.catalogue.answers["BatchGetPlans"] = plans_of
    return gateway
