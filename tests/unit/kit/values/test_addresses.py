"""Unusable addresses and ports in settings are reported by name, without the password."""

import pytest

from kit.values.env import Env

POSTGRES = ("postgresql", "postgres")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me:hidden@db/x", "starts with postgresql://"),
        ("postgresql://me:hid/den@db:5432/x", "write / ? # @ in a password as"),
        ("postgresql://me:hid#den@db:5432/x", "write / ? # @ in a password as"),
        ("postgresql://me:hidden@db:70000/x", "must have a port from 1 to 65535"),
        ("postgresql://me:hidden@db:port/x", "must have a port from 1 to 65535"),
        ("postgresql://me:hidden@one:5432,two:0/x", "must have a port from 1 to 65535"),
        ("postgresql://me:hidden@[::1/x", "its host can't be parsed"),
        ("postgresql://me:hidden@db/x?sslmode=always", "an sslmode of"),
        ("postgresql://me:hidden@db/x?sslrootcert=/nowhere.pem", "/nowhere.pem as sslrootcert"),
    ],
)
def test_an_address_of_postgresql_that_cannot_be_used_is_reported(url: str, message: str) -> None:
    env = Env({"DATABASE_URL": url})
    env.url("DATABASE_URL", "", schemes=POSTGRES, secret=True)
    [problem] = env.problems
    assert problem.startswith("DATABASE_URL ")
    assert message in problem
    assert "hid" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:word@db/x",
        "postgres://me@db:5432/x?sslmode=require",
        "postgresql://me:w%2Frd@one:5432,two:5433/x",
        "postgresql://me:word@[::1]:5432/x",
        "postgresql://me:word@[::1]/x",
        "postgresql:///x?host=/var/run/postgresql",
        "postgresql://me@/x?host=/var/run/postgresql",
        "postgresql://me@db/x?sslmode=verify-full&sslrootcert=system",
    ],
)
def test_every_form_of_a_valid_address_is_accepted(url: str) -> None:
    env = Env({"DATABASE_URL": url})
    assert env.url("DATABASE_URL", "", schemes=POSTGRES, secret=True) == url
    assert env.problems == []


@pytest.mark.parametrize(
    "url", ["http://", "http://:80", "http://host:99999", "http://[x", "ftp://h"]
)
def test_an_address_over_http_that_cannot_be_used_is_reported(url: str) -> None:
    env = Env({"SUPABASE_URL": url})
    env.url("SUPABASE_URL", "")
    [problem] = env.problems
    assert problem.startswith("SUPABASE_URL must ")


@pytest.mark.parametrize("port", ["70000", "-1", "4000.5", "1e3", "nan", "http", "٤٠٠٠"])
def test_an_invalid_port_is_reported(port: str) -> None:
    env = Env({"GATEWAY_PORT": port})
    env.port("GATEWAY_PORT", "", 4000)
    assert env.problems == [f"GATEWAY_PORT must be a port from 0 to 65535, not {port!r}"]
