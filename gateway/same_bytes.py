"""What of a request's bytes has to be the same for the same answer, and what is passed over."""

from collections.abc import Mapping

# Bytes of a head: what aiohttp takes for a single line of it. And headers: fewer than it takes. So
# nothing passes here that it would refuse.
LONGEST_HEAD = 8_190
MOST_HEADERS = 100
# These are not compared, but read: the id is the answer's too, rates are counted by the address, and
# a trace goes on.
ID, FORWARDED, PARENT, STATE = b"x-request-id", b"x-forwarded-for", b"traceparent", b"tracestate"
# Nor are these, which differ from one client, proxy or request to the next: no answer depends on
# them. Everything else has to be the same, whatever it is called.
PASSED_OVER = frozenset((ID, FORWARDED, PARENT, STATE)) | frozenset(
    b"""
    accept-encoding accept-language baggage cache-control cdn-loop cf-connecting-ip cf-ipcountry cf-ray
    cf-visitor dnt forwarded pragma priority referer save-data sec-ch-ua sec-ch-ua-mobile
    sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-gpc true-client-ip user-agent via x-amz-cf-id
    x-amzn-trace-id x-cloud-trace-context x-forwarded-host x-forwarded-port x-forwarded-proto
    x-forwarded-scheme x-forwarded-server x-real-ip x-scheme
    """.split()
)

Told = Mapping[bytes, bytes]


def apart(request: bytes) -> tuple[bytes, Told] | None:
    """The bytes that count, and the headers that were taken out of them; None where that isn't clear.

    Only whole lines are taken out, and only such as nobody reads otherwise: of printable ASCII, each
    name once.
    """
    head, end, body = request.partition(b"\r\n\r\n")
    if not end or len(head) > LONGEST_HEAD:
        return None
    lines = head.split(b"\r\n")
    if len(lines) > MOST_HEADERS:
        return None
    told: dict[bytes, bytes] = {}
    counting = []
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in PASSED_OVER:
            counting.append(line)
        elif name in told:
            return None
        else:
            told[name] = value.strip(b" ")
    passed = b"".join(told.values())
    if not (passed.isascii() and passed.decode().isprintable()):
        return None
    return b"\r\n".join((*counting, b"", body)), told
