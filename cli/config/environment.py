"""Environment of the local processes: the settings of the machine, completed for what runs here."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from cli.config.local_secrets import LocalSecrets
from cli.config.processes import PROCESSES
from cli.config.settings import LocalSettings
from migrations.logins import LOGINS

# Variables that every program gets; the rest of the environment is not passed on.
SURROUNDINGS = (
    "PATH", "LD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
SANDBOX_KEY = "sandbox-api-key"
PAYMENTS_KEY = "sk_test_sandbox"
PAYMENTS_WEBHOOK_SECRET = "whsec_sandbox"  # noqa: S105 - not a secret: it signs the sandbox's events
# Supabase's connection pooler reads the project from the login: LOGIN.PROJECT.
POOLER = ".pooler.supabase.com"


def surroundings(values: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the environment that every program gets."""
    return {
        **{name: values[name] for name in SURROUNDINGS if name in values},
        "PYTHONUNBUFFERED": "1",  # lines appear when they are written
    }


def complete(
    settings: LocalSettings, secrets: LocalSecrets, socket_folder: str | None
) -> dict[str, str]:
    """Return every variable of the platform; what the user set takes precedence.

    `socket_folder` is that of the bundled PostgreSQL. Without it and without DATABASE_URL there are no
    addresses of the database.
    """
    local = {process.port: str(settings.ports[process.port]) for process in PROCESSES}
    local |= {
        f"{process.name.upper()}_ADDRESS": settings.address(process.port)
        for process in PROCESSES
        if process.speaks == "grpc"
    }
    local["WEBHOOKS_ADMIN_PORT"] = str(settings.ports["WEBHOOKS_ADMIN_PORT"])
    local["GATEWAY_PUBLIC_URL"] = f"http://localhost:{settings.ports['GATEWAY_PORT']}"
    # The explorer, the schema, and calls from pages of localhost.
    local["APP_ENV"] = "development"
    # They write to a pipe, but a person reads the lines.
    local["LOG_FORMAT"] = "text"
    # No load balancer watches their health, so none needs time to notice.
    local["DRAIN_SECONDS"] = "0"
    if not settings.real_provider:
        local["ESIM_GO_API_KEY"] = SANDBOX_KEY
        local["ESIM_GO_BASE_URL"] = f"http://{settings.address('SANDBOX_PORT')}/v2.5"
        local["EXCHANGE_RATES_URL"] = f"http://{settings.address('SANDBOX_PORT')}/rates/daily.xml"
        # Data used through the sandbox's admin API should show soon, not after five minutes.
        local["ESIMS_FRESH_SECONDS"] = "5"
        # A developer may go from a large catalogue file to a small one; the provider never does.
        local["CATALOGUE_ALLOW_SHRINK"] = "true"
        # The documented examples buy without paying. For real eSIMs, the operator has to choose.
        local["PAYMENTS"] = "off"
    if settings.payments_sandbox:
        local["STRIPE_SECRET_KEY"] = PAYMENTS_KEY
        local["STRIPE_BASE_URL"] = f"http://{settings.address('SANDBOX_PAYMENTS_PORT')}"
        local["STRIPE_WEBHOOK_SECRET"] = PAYMENTS_WEBHOOK_SECRET
    if not settings.real_supabase:
        local["SUPABASE_URL"] = f"http://{settings.address('SANDBOX_AUTH_PORT')}"
        local["SUPABASE_ANON_KEY"] = secrets.anon_key
        local["SUPABASE_SERVICE_ROLE_KEY"] = secrets.service_role_key
    for login in LOGINS:
        owner = login.removesuffix("_service").upper()
        if settings.database_url is not None:
            url = with_login(settings.database_url, login, secrets.passwords[login])
        elif socket_folder is not None:
            url = f"postgresql://{login}@/postgres?host={socket_folder}"
        else:
            continue
        local[f"{owner}_DATABASE_URL"] = url
    result = {**local, **settings.values}
    if settings.webhook_secret and not settings.real_provider:
        # The sandbox signs callbacks with its API key, as the provider does with the organisation's.
        result["ESIM_GO_WEBHOOK_SECRET"] = f"{settings.webhook_secret},{SANDBOX_KEY}"
    return result


def for_migrations(
    settings: LocalSettings, secrets: LocalSecrets, socket_folder: str | None
) -> dict[str, str]:
    """Return the environment of `python -m migrations`: an administrator's URL and the logins' passwords.

    A login whose URL the user set keeps its password.
    """
    if settings.database_url is None:
        return {"DATABASE_URL": f"postgresql://postgres@/postgres?host={socket_folder}"}
    environment = {"DATABASE_URL": settings.database_url}
    for login in LOGINS:
        owner = login.removesuffix("_service").upper()
        if f"{owner}_DATABASE_URL" not in settings.values:
            environment[f"{owner}_DATABASE_PASSWORD"] = secrets.passwords[login]
    return environment


def with_login(url: str, login: str, password: str) -> str:
    """Return the URL of the same database for another login."""
    parts = urlsplit(url)
    _, _, host = parts.netloc.rpartition("@")
    if (parts.hostname or "").endswith(POOLER) and "." in (parts.username or ""):
        project = (parts.username or "").split(".", 1)[1]
        login = f"{login}.{project}"
    return urlunsplit(parts._replace(netloc=f"{quote(login)}:{quote(password, safe='')}@{host}"))
