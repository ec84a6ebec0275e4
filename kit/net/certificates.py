"""Checks of certificate files before a server or a client uses them."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def authority_problem(file: Path) -> str | None:
    """Return what is wrong with a file of CA certificates, or None if gRPC can use it."""
    found, problem = _certificates(file)
    if problem is None and all(_validity_problem(one) for one in found):
        return f"{file}: {_validity_problem(found[0])}"
    return problem


def pair_problems(certificate: Path, key: Path) -> tuple[str | None, str | None]:
    """Return what is wrong with a certificate and with its key; (None, None) if a server can use both."""
    found, problem = _certificates(certificate)
    if problem is None and (dated := _validity_problem(found[0])):
        problem = f"{certificate}: {dated}"
    try:
        text = key.read_bytes()
        private = serialization.load_pem_private_key(text, None)
    except OSError as error:
        return problem, _unreadable(key, error)
    except TypeError:
        return (
            problem,
            f"{key} is encrypted: store the key without a passphrase, readable only by the process",
        )
    except ValueError:
        kind = (
            "a certificate instead of a private key"
            if b"BEGIN CERTIFICATE" in text
            else "no PEM private key"
        )
        return problem, f"{key} contains {kind}"
    if found and _public(found[0].public_key()) != _public(private.public_key()):
        return problem, (
            f"the private key in {key} does not match the certificate in {certificate}: use both"
            " from the same request. If the file contains several certificates, the process's own"
            " must come first"
        )
    return problem, None


def expiry(file: Path) -> datetime | None:
    """Return when the first certificate of a file expires; None if it has none."""
    found, _ = _certificates(file)
    return found[0].not_valid_after_utc if found else None


def _certificates(file: Path) -> tuple[list[x509.Certificate], str | None]:
    try:
        text = file.read_bytes()
    except OSError as error:
        return [], _unreadable(file, error)
    try:
        return x509.load_pem_x509_certificates(text), None
    except ValueError:
        kind = (
            "a private key instead of a certificate"
            if b"PRIVATE KEY" in text
            else "no PEM certificate"
        )
        return [], f"{file} contains {kind}"


def _validity_problem(one: x509.Certificate) -> str | None:
    now = datetime.now(UTC)
    if one.not_valid_after_utc < now:
        return f"the certificate expired at {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: renew it"
    if one.not_valid_before_utc > now:
        return (
            f"the certificate is not valid before {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC:"
            " check this machine's clock"
        )
    return None


def _public(key: object) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))  # type: ignore[attr-defined]  # no common base class declares it


def _unreadable(file: Path, error: OSError) -> str:
    return f"{file} can't be read: {error.strerror}"
