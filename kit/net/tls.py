"""TLS between the platform's processes: off without certificates, mutual by default with them."""

import logging
from dataclasses import dataclass
from pathlib import Path

import grpc

from kit.logs.episodes import Episodes
from kit.net import certificates
from kit.telemetry import metrics
from kit.values.env import Env

logger = logging.getLogger(__name__)
episodes = Episodes(logger)


@dataclass(frozen=True, slots=True)
class TLS:
    """Paths of this process's certificate and key and of the CA certificate, all PEM; none for no TLS.

    A server reads its files at every new connection, so renewed ones need no restart. A client reads
    them when it creates its channel.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    mutual: bool = True

    @classmethod
    def read(cls, env: Env) -> "TLS":
        """Read the variables. Adds a problem to `env` for each file that can't be used."""
        tls = cls(
            authority=_file(
                env,
                "GRPC_TLS_CA_FILE",
                "CA certificate (PEM) that signed the certificates of the other processes. If"
                " set, calls to them use TLS.",
            ),
            certificate=_file(
                env,
                "GRPC_TLS_CERT_FILE",
                "Certificate (PEM) of this process: a service uses it to listen with TLS, a"
                " caller presents it as client certificate.",
            ),
            key=_file(env, "GRPC_TLS_KEY_FILE", "Private key (PEM) of GRPC_TLS_CERT_FILE."),
            mutual=env.flag(
                "GRPC_TLS_MUTUAL",
                "With TLS, require callers to present a client certificate signed by"
                " GRPC_TLS_CA_FILE.",
                default=True,
            ),
        )
        if (tls.certificate is None) != (tls.key is None):
            env.problems.append(
                "GRPC_TLS_CERT_FILE and GRPC_TLS_KEY_FILE must be set together: set both"
            )
        elif tls.certificate and tls.key and tls.certificate.is_file() and tls.key.is_file():
            for name, problem in zip(
                ("GRPC_TLS_CERT_FILE", "GRPC_TLS_KEY_FILE"),
                certificates.pair_problems(tls.certificate, tls.key),
                strict=True,
            ):
                if problem:
                    env.problems.append(f"{name}: {problem}")
        if (
            tls.authority
            and tls.authority.is_file()
            and (problem := certificates.authority_problem(tls.authority))
        ):
            env.problems.append(f"GRPC_TLS_CA_FILE: {problem}")
        if tls.certificate and tls.key and tls.mutual and not tls.authority:
            env.problems.append(
                "GRPC_TLS_MUTUAL requires the CA certificate of the callers: set"
                " GRPC_TLS_CA_FILE, or GRPC_TLS_MUTUAL=false"
            )
        return tls

    def server(self) -> grpc.ServerCredentials | None:
        """Return a server's credentials, or None without TLS. Raises OSError if a file can't be read."""
        if self.certificate is None:
            return None
        first = self._certificates()
        return grpc.dynamic_ssl_server_credentials(
            first,
            self._renewed,  # type: ignore[arg-type]  # None is documented but missing in the types
            require_client_authentication=self.mutual,
        )

    def channel(self) -> grpc.ChannelCredentials | None:
        """Return a channel's credentials, or None without TLS. Raises OSError if a file can't be read."""
        if self.authority is None:
            return None
        if self.certificate is not None and (expires := certificates.expiry(self.certificate)):
            metrics.gauge(
                "esimgo_tls_certificate_expiry_timestamp_seconds",
                "Unix time at which the certificate expires that this process presents to others",
            ).set(expires.timestamp())
        return grpc.ssl_channel_credentials(
            root_certificates=self.authority.read_bytes(),
            private_key=self.key.read_bytes() if self.key else None,
            certificate_chain=self.certificate.read_bytes() if self.certificate else None,
        )

    def _certificates(self) -> grpc.ServerCertificateConfiguration:
        if self.certificate is None or self.key is None:
            raise ValueError("there is no certificate")
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        roots = self.authority.read_bytes() if self.authority and self.mutual else None
        return grpc.ssl_server_certificate_configuration([pair], roots)

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the certificates for a new connection; None to continue with the previous ones."""
        if self.certificate is None or self.key is None:
            return None
        problems = certificates.pair_problems(self.certificate, self.key)
        if problem := problems[0] or problems[1]:  # such as a half-replaced pair
            episodes.record(
                "a certificate can't be used",
                "the certificate can't be used; continuing with the previous one: %s",
                problem,
            )
            return None
        try:
            return self._certificates()
        except OSError as error:
            episodes.record(
                "a CA certificate can't be read",
                "the CA certificate can't be read; continuing with the previous one: %s",
                error,
            )
            return None


# No TLS, for one machine and for networks that encrypt.
PLAIN = TLS()


def _file(env: Env, name: str, about: str) -> Path | None:
    text = env.optional(name, about)
    if text is None:
        return None
    path = Path(text)
    if not path.is_file():
        env.problems.append(f"{name}: there is no file {text}")
    return path
