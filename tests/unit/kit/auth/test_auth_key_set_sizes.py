import pytest

from kit.auth.sessions import Verifier
from kit.errors import Failure, Kind
from tests.unit.kit.auth.local_issuer import Issuer


async def test_a_compressed_key_set_is_read(verifier: Verifier, issuer: Issuer) -> None:
    issuer.padding = 1_000
    assert await verifier.session(f"Bearer {issuer.token()}")


async def test_a_key_set_that_decompresses_to_megabytes_is_refused(
    verifier: Verifier, issuer: Issuer
) -> None:
    issuer.padding = 100 * 1024 * 1024
    with pytest.raises(Failure) as raised:
        await verifier.session(f"Bearer {issuer.token()}")
    assert raised.value.kind is Kind.UNAVAILABLE
