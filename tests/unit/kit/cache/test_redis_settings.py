"""An unusable Redis address is an error at start-up, not at run time."""

import pytest

from kit.cache import redis_settings
from kit.values.env import Env


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/0",
        "redis://host",
        "rediss://user:p%40ss@host:6380/1",
        "redis://host?health_check_interval=5",
    ],
)
def test_a_valid_address_is_used_unchanged(url: str) -> None:
    env = Env({"REDIS_URL": url})
    assert redis_settings.read(env) == url
    env.finish()


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://host:6379",
        "redis://",
        "redis://host:port",
        "redis://host:99999",
        "redis://:secret@",
        "redis://host?unknown=1",
        "redis://host?socket_timeout=soon",
        "unix:///run/redis.sock",
        "rubbish",
    ],
)
def test_an_invalid_address_is_refused_with_a_message_without_its_password(url: str) -> None:
    env = Env({"REDIS_URL": url})
    redis_settings.read(env)
    assert env.problems == [
        "REDIS_URL must be a URL such as redis://host:6379/0 (rediss:// for TLS)"
    ]


def test_an_empty_address_means_no_redis() -> None:
    env = Env({"REDIS_URL": " "})
    assert redis_settings.read(env) is None
    env.finish()
