"""`python -m kit.process.healthcheck`: whether the process of this container answers, as its exit status."""

import http.client
import os
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

# Seconds; a process that takes longer on its own machine is not well.
TIMEOUT = 3.0


def http_answers(host: str, port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def grpc_serves(address: str, name: str = "") -> bool:
    """Whether a gRPC server says SERVING; over TLS where the variables of kit.net.tls are set.

    Its certificate must be for the address, or for `name`. Raises ValueError for wrong variables.
    """
    import grpc  # not for the others: it takes longer to import than they to ask
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with _channel(address, name) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types lack the calls
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _channel(address: str, name: str) -> Any:
    import grpc

    from kit.net.tls import TLS
    from kit.values.env import Env, SettingsError

    env = Env(os.environ)
    tls = TLS.read(env)
    try:
        env.finish()
        credentials = tls.channel()
    except (SettingsError, OSError) as error:
        raise ValueError(str(error)) from error
    if credentials is None:
        return grpc.insecure_channel(address)
    options = [("grpc.ssl_target_name_override", name)] if name else []
    return grpc.secure_channel(address, credentials, options)


def answers(address: str) -> bool:
    """Asks an address as http://127.0.0.1:4000/healthz or grpc://127.0.0.1:50051.

    A certificate's name may follow, as in grpc://127.0.0.1:50052?name=orders.
    Raises ValueError when it is neither.
    """
    parts = urlsplit(address)
    if parts.scheme == "grpc" and parts.hostname and parts.port:
        (name,) = parse_qs(parts.query).get("name", [""])
        return grpc_serves(f"{parts.hostname}:{parts.port}", name)
    if parts.scheme == "http" and parts.hostname and parts.port:
        return http_answers(parts.hostname, parts.port, parts.path or "/")
    raise ValueError(
        "HEALTHCHECK must be a URL such as http://127.0.0.1:4000/healthz or grpc://127.0.0.1:50051"
    )


def main() -> None:
    """Exit status 0 when it answers, 1 when not, 2 when HEALTHCHECK names nothing to ask."""
    try:
        well = answers(os.environ.get("HEALTHCHECK", ""))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
