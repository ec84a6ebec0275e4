"""Unusable certificate files are reported before the process listens."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from kit.net.tls import TLS
from kit.telemetry import metrics
from kit.values.env import Env
from tests.fixtures.certificates import Authority

CA, CERT, KEY = "GRPC_TLS_CA_FILE", "GRPC_TLS_CERT_FILE", "GRPC_TLS_KEY_FILE"


def problems(values: Mapping[str, str]) -> list[str]:
    env = Env(values)
    TLS.read(env)
    return env.problems


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def files(tls: TLS) -> dict[str, str]:
    return {CA: str(tls.authority), CERT: str(tls.certificate), KEY: str(tls.key)}


def test_matching_files_are_not_reported(authority: Authority) -> None:
    assert problems(files(authority.issue("orders"))) == []


def test_a_certificate_with_its_chain_is_accepted(authority: Authority) -> None:
    tls = authority.issue("orders")
    assert tls.certificate is not None
    tls.certificate.write_bytes(tls.certificate.read_bytes() + authority.file.read_bytes())
    assert problems(files(tls)) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({CA: "/nowhere.pem"}, f"{CA}: there is no file /nowhere.pem"),
        ({CERT: "ours"}, f"{CERT} and {KEY} must be set together"),
        ({KEY: "ours"}, f"{CERT} and {KEY} must be set together"),
        (
            {CERT: "ours", KEY: "ours"},
            f"GRPC_TLS_MUTUAL requires the CA certificate of the callers: set {CA}",
        ),
    ],
)
def test_inconsistent_settings_are_reported(
    values: dict[str, str], message: str, authority: Authority
) -> None:
    whole = files(authority.issue("orders"))
    [problem] = problems({n: whole[n] if v == "ours" else v for n, v in values.items()})
    assert message in problem


def foreign_key(tls: TLS, authority: Authority) -> None:
    other = authority.issue("other")
    shutil.copy(str(other.key), str(tls.key))


def encrypted_key(tls: TLS, authority: Authority) -> None:
    assert tls.key is not None
    key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
    tls.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )


def swapped(tls: TLS, authority: Authority) -> None:
    certificate, key = Path(str(tls.certificate)), Path(str(tls.key))
    texts = certificate.read_bytes(), key.read_bytes()
    key.write_bytes(texts[0])
    certificate.write_bytes(texts[1])


def key_as_authority(tls: TLS, authority: Authority) -> None:
    shutil.copy(str(tls.key), str(tls.authority))


def emptied(tls: TLS, authority: Authority) -> None:
    for file in (tls.authority, tls.certificate, tls.key):
        Path(str(file)).write_text("")


def binary(tls: TLS, authority: Authority) -> None:
    for file in (tls.authority, tls.certificate, tls.key):
        Path(str(file)).write_bytes(b"\x30\x82\x00\xff")


def cut(tls: TLS, authority: Authority) -> None:
    certificate = Path(str(tls.certificate))
    certificate.write_bytes(certificate.read_bytes()[:200])


@pytest.mark.parametrize(
    ("spoil", "messages"),
    [
        (foreign_key, {KEY: "does not match the certificate in"}),
        (encrypted_key, {KEY: "is encrypted"}),
        (
            swapped,
            {
                CERT: "contains a private key instead of a certificate",
                KEY: "contains a certificate instead",
            },
        ),
        (key_as_authority, {CA: "contains a private key instead of a certificate"}),
        (
            emptied,
            {CERT: "no PEM certificate", KEY: "no PEM private key", CA: "no PEM certificate"},
        ),
        (binary, {CERT: "no PEM certificate", KEY: "no PEM private key", CA: "no PEM certificate"}),
        (cut, {CERT: "no PEM certificate"}),
    ],
)
def test_a_problem_with_a_file_is_reported_with_its_setting(
    spoil: Callable[[TLS, Authority], None], messages: dict[str, str], authority: Authority
) -> None:
    tls = authority.issue("orders")
    spoil(tls, authority)
    found = problems(files(tls))
    assert len(found) == len(messages)
    for name, message in messages.items():
        [problem] = [text for text in found if text.startswith(f"{name}: ")]
        assert message in problem


@pytest.mark.parametrize(
    ("begins", "ends", "message"),
    [(-2, -1, "the certificate expired at"), (1, 2, "not valid before")],
)
def test_a_certificate_outside_its_validity_is_reported(
    begins: float, ends: float, message: str, authority: Authority
) -> None:
    [problem] = problems(files(authority.issue("orders", begins=begins, ends=ends)))
    assert problem.startswith(f"{CERT}: ")
    assert message in problem


def test_an_authority_is_valid_while_one_of_its_certificates_is(authority: Authority) -> None:
    tls, old = authority.issue("orders"), authority.issue("old", begins=-2, ends=-1)
    assert tls.authority is not None
    expired = Path(str(old.certificate)).read_bytes()
    tls.authority.write_bytes(expired + tls.authority.read_bytes())
    assert problems(files(tls)) == []
    tls.authority.write_bytes(expired)
    [problem] = problems(files(tls))
    assert problem.startswith(f"{CA}: ")
    assert "expired" in problem


def test_an_unreadable_file_is_reported_with_the_reason(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = authority.issue("orders")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # tests may run as root, who reads everything
    found = problems(files(tls))
    assert len(found) == 3
    assert all("can't be read: Permission denied" in text for text in found)


def test_a_caller_exports_when_the_certificate_that_it_has_read_expires(
    authority: Authority,
) -> None:
    name = "esimgo_tls_certificate_expiry_timestamp_seconds"
    with metrics.separate_registry() as registry:
        TLS(authority.file).channel()
        assert registry.get_sample_value(name) is None
        before = time.time()
        authority.issue("orders", ends=2).channel()
        expires = registry.get_sample_value(name)
        authority.issue("orders", ends=90)  # is read at the next start
        assert registry.get_sample_value(name) == expires
    assert expires is not None
    assert 2 * 86_400 - 2 < expires - before < 2 * 86_400 + 60
