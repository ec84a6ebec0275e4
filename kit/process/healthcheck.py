"""`python -m kit.process.healthcheck`: the health check of a container, with the result as exit status."""

import http.client
import os
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

# Seconds. A healthy process responds far faster on its own machine.
TIMEOUT = 3.0


def http_answers(host: str, port: int, path: str) -> bool:
    """True if a GET request gets status 200."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def grpc_serves(address: str, name: str = "") -> bool:
    """True if a gRPC server reports SERVING. Uses TLS if the settings of kit.net.tls are set.

    The certificate must be for the address, or for `name`. Raises ValueError for invalid settings.
    """
    import grpc  # here, because it takes longer to import than an HTTP check to run
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with _channel(address, name) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # the published types lack the methods
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
    """Check a URL such as http://127.0.0.1:4000/healthz or grpc://127.0.0.1:50051.

    A gRPC URL may contain the name of the certificate, as in grpc://127.0.0.1:50052?name=orders.
    Raises ValueError for any other URL.
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
    """Exit with status 0 if the process is healthy, 1 if not, 2 if HEALTHCHECK is invalid."""
    try:
        healthy = answers(os.environ.get("HEALTHCHECK", ""))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    sys.exit(0 if healthy else 1)


if __name__ == "__main__":
    main()
