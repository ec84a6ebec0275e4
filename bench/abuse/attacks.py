"""All attacks: target, function, and the settings that switch off the bound against each."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bench.abuse import connections, grpc_server, memory, work

Run = Callable[[str, float], Awaitable[Counter[str]]]
# More than any attack reaches.
NO_BOUND = "1000000000"
A_DAY = "86400"


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack. `run` takes the target's address (host:port) and seconds, and counts the answers.

    `target` is gateway, webhooks or catalogue; `off` are the settings that switch the bound off, none if no
    setting does.
    """

    target: str
    run: Run
    off: Mapping[str, str]

    @property
    def name(self) -> str:
        module = self.run.__module__.rpartition(".")[2]
        return f"{self.target}-{module}-{self.run.__name__}".replace("_", "-")


def _none(*bounds: str) -> dict[str, str]:
    return dict.fromkeys(bounds, NO_BOUND)


WORK = "GATEWAY_ADDRESS_WORK"
RATE = {"GATEWAY_ADDRESS_RATE": "0"}
HEADS, BODIES = {"HTTP_HEADER_SECONDS": A_DAY}, {"HTTP_BODY_SECONDS": A_DAY}
UNSENT = _none("HTTP_MAX_UNSENT", "GATEWAY_MAX_COST_ANONYMOUS", WORK) | {"HTTP_SEND_SECONDS": A_DAY}
PER_ADDRESS = {"HTTP_MAX_CONNECTIONS_PER_ADDRESS": "1000000"}
# An attack opens more connections than this, as any client could with the default of 8,000.
CONNECTIONS = PER_ADDRESS | {"HTTP_MAX_CONNECTIONS": "900"}
SOCKETS = PER_ADDRESS | {
    "GATEWAY_MAX_SOCKETS_PER_ADDRESS": "100000",
    "GATEWAY_ADDRESS_RATE": "0",
    "GATEWAY_SOCKET_INIT_SECONDS": "60",
}
FRAMES = SOCKETS | _none("HTTP_WEBSOCKET_RATE")
UNREAD = _none("GRPC_MAX_UNREAD_BYTES", "GRPC_SEND_SECONDS")
CALLS = _none("GRPC_MAX_CALLS_WITHOUT_SESSION")

ATTACKS = (
    Attack("gateway", work.long_documents, {}),
    Attack(
        "gateway",
        work.lines_and_errors,
        _none("GATEWAY_MAX_DOCUMENT", "GATEWAY_MAX_VALUES", "GATEWAY_MAX_ERRORS", WORK),
    ),
    Attack("gateway", work.equal_names, _none("GATEWAY_MAX_COMPARISONS", WORK)),
    Attack("gateway", work.many_values, _none("GATEWAY_MAX_VALUES", WORK)),
    Attack("gateway", work.faulty_entities, _none("GATEWAY_MAX_ERRORS", WORK)),
    Attack("gateway", work.unseen_documents, {}),
    Attack("gateway", work.whole_catalogues, _none(WORK)),
    Attack("gateway", work.aliased_values, _none("GATEWAY_MAX_COST_ANONYMOUS", WORK)),
    Attack("gateway", memory.unread_answers, UNSENT),
    Attack("gateway", memory.undeclared_variables, {}),
    Attack("gateway", memory.many_answers, _none("GATEWAY_RESPONSE_CACHE_BYTES", WORK) | RATE),
    Attack("gateway", memory.long_documents, {}),
    Attack("gateway", memory.large_heads, _none("HTTP_MAX_HEAD") | HEADS),
    Attack("gateway", memory.pipelined_bodies, {}),
    Attack("gateway", connections.slow_heads, HEADS | CONNECTIONS),
    Attack("webhooks", connections.slow_heads, HEADS | CONNECTIONS),
    Attack("gateway", connections.slow_bodies, BODIES | CONNECTIONS),
    Attack("webhooks", connections.slow_callbacks, BODIES | CONNECTIONS),
    Attack("gateway", connections.idle_connections, CONNECTIONS | {"HTTP_IDLE_SECONDS": A_DAY}),
    Attack("gateway", connections.flood_of_requests, CONNECTIONS),
    Attack("webhooks", connections.flood_of_requests, CONNECTIONS),
    Attack("gateway", connections.socket_pings, FRAMES | {"GATEWAY_SOCKET_MESSAGE_RATE": "0"}),
    Attack("gateway", connections.socket_frames, FRAMES),
    Attack("gateway", connections.many_sockets, SOCKETS | CONNECTIONS),
    Attack("catalogue", grpc_server.unread_answers, UNREAD),
    Attack("catalogue", grpc_server.unread_answers_on_many_connections, UNREAD),
    Attack("catalogue", grpc_server.heavy_calls, _none("GRPC_MAX_WORK_WITHOUT_SESSION")),
    Attack("catalogue", grpc_server.silent_calls, CALLS | _none("GRPC_REQUEST_SECONDS")),
    Attack("catalogue", grpc_server.large_requests, _none("GRPC_MAX_REQUEST_BYTES")),
    Attack("catalogue", grpc_server.large_metadata, _none("GRPC_MAX_METADATA_BYTES")),
    Attack("catalogue", grpc_server.rapid_resets, _none("GRPC_MAX_STREAMS_PER_CONNECTION")),
    Attack("catalogue", grpc_server.endless_streams, CALLS),
    Attack("catalogue", grpc_server.idle_connections, _none("GRPC_MAX_CONNECTIONS")),
)
