from kit.errors import Failure, Kind
from kit.rpc.errors import to_status


def test_the_providers_message_is_not_sent_to_callers() -> None:
    details = {"provider_message": "a stranger's text", "provider_status": "400", "kept": "yes"}
    status = to_status(Failure(Kind.REFUSED, "REASON", "our words", details=details))
    sent = dict(status.trailing_metadata or ())["grpc-status-details-bin"]
    assert isinstance(sent, bytes)
    assert b"our words" in sent
    assert b"kept" in sent
    assert b"provider_" not in sent
    assert b"stranger" not in sent
