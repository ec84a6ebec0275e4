"""The address of Redis, from the environment."""

from redis.asyncio import ConnectionPool

from kit.values.env import Env

FORM = "REDIS_URL must be a URL such as redis://host:6379/0 (rediss:// for TLS)"


def read(env: Env) -> str | None:
    """Return the address if it is set. Adds a problem to `env` if the client would reject it."""
    url = env.optional(
        "REDIS_URL",
        "Redis server for caches, clients' rates and persisted queries, shared by all processes. By"
        " default, each process uses its own memory.",
        secret=True,
    )
    if url is not None and not fits(url):
        env.problems.append(FORM)
    return url


def fits(url: str) -> bool:
    """True if the URL has a host, and options that the client accepts."""
    try:
        pool = ConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)  # does not connect yet
    except (TypeError, ValueError):
        return False
    return "host" in pool.connection_kwargs
