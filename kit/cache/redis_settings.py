"""Where Redis is, if anywhere; read from the environment."""

from redis.asyncio import ConnectionPool

from kit.values.env import Env

FORM = "REDIS_URL must be a URL such as redis://host:6379/0 (rediss:// for TLS)"


def read(env: Env) -> str | None:
    """The address, in which nothing is left for Redis's client to refuse; None without Redis."""
    url = env.optional(
        "REDIS_URL",
        "Redis server of a cache shared by all processes. By default, each process caches in"
        " its own memory.",
        secret=True,
    )
    if url is not None and not fits(url):
        env.problems.append(FORM)
    return url


def fits(url: str) -> bool:
    """Whether it is an address that names a host, with options that there are."""
    try:
        pool = ConnectionPool.from_url(url)
        pool.connection_class(
            **pool.connection_kwargs
        )  # the object alone: it connects when it is used
    except (TypeError, ValueError):
        return False
    return "host" in pool.connection_kwargs
