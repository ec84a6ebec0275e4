"""Which bytes of two requests have to be the same, and which headers are passed over."""

import pytest

from gateway.same_bytes import (
    FORWARDED,
    ID,
    LONGEST_HEAD,
    MOST_HEADERS,
    PASSED_OVER,
    apart,
)

PLAIN = b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


def with_header(line: bytes) -> bytes:
    return PLAIN.replace(b"\r\nContent", b"\r\n" + line + b"\r\nContent")


def test_what_has_no_such_header_counts_as_it_is() -> None:
    assert apart(PLAIN) == (PLAIN, {})


def test_whole_lines_are_taken_out_and_told() -> None:
    sent = with_header(
        b"X-Request-Id: one\r\nUser-Agent: Mozilla/5.0 (X11)\r\nx-forwarded-FOR:  1.2.3.4, ::1 "
    )
    told = {ID: b"one", b"user-agent": b"Mozilla/5.0 (X11)", FORWARDED: b"1.2.3.4, ::1"}
    assert apart(sent) == (PLAIN, told)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"Authorization: x",
            b"Accept: x",
            b"Origin: x",
            b"Sec-Fetch-Site: x",
            b"If-None-Match: x",
        ),
        *(
            b"Content-Type: x",
            b"Apollo-Require-Preflight: x",
            b"X-Unheard-Of: x",
            b"User-Agent : x",
        ),
        *(b" User-Agent: x", b"X: y\nUser-Agent: x", b"User-Agent"[:-1] + b": x"),
    ],
)
def test_every_other_line_counts(line: bytes) -> None:
    found = apart(with_header(line))
    assert found is not None
    assert found[0] == with_header(line)


@pytest.mark.parametrize(
    "sent",
    [
        with_header(b"User-Agent: a\r\nUSER-AGENT: a"),
        with_header(b"User-Agent: a\tb"),
        with_header(b"User-Agent: a\nb"),
        with_header(b"User-Agent: a\rb"),
        with_header(b"User-Agent: a\0b"),
        with_header(b"User-Agent: \xc3\xa9"),
        with_header(b"User-Agent: \xff"),
        with_header(b"User-Agent: " + b"a" * LONGEST_HEAD),
        with_header(b"\r\n".join([b"X: y"] * MOST_HEADERS)),
        PLAIN.partition(b"\r\n\r\n")[0],
        b"",
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(sent: bytes) -> None:
    assert apart(sent) is None


def test_a_line_that_goes_on_in_the_next_leaves_that_behind() -> None:
    found = apart(with_header(b"User-Agent: a\r\n b"))
    assert found is not None
    assert b"\r\n b" in found[0]


def test_nothing_that_decides_about_an_answer_is_passed_over() -> None:
    deciding = (
        *("accept", "authorization", "cookie", "host", "origin", "sec-fetch-site", "content-type"),
        *(
            "content-length",
            "content-encoding",
            "transfer-encoding",
            "if-none-match",
            "graphql-cost",
        ),
        *("connection", "upgrade", "expect", "apollo-require-preflight", "x-apollo-operation-name"),
    )
    assert not PASSED_OVER & {name.encode() for name in deciding}
