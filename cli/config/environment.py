"""What each local process is told: the settings of the machine, filled up with what runs here."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from cli.config.local_secrets import LocalSecrets
from cli.config.processes import PROCESSES
from cli.config.settings import LocalSettings
from migrations.runner import LOGINS

# What any program needs of its surroundings; the rest of our environment is none of its business.
SURROUNDINGS = (
    "PATH", "LD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
SANDBOX_KEY = "sandbox-api-key"
# Supabase's connection pooler finds the project by what follows the login's name.
POOLER = ".pooler.supabase.com"


def surroundings(values: Mapping[str, str]) -> dict[str, str]:
    """The part of the environment that every program gets."""
    return {
        **{name: values[name] for name in SURROUNDINGS if name in values},
        "PYTHONUNBUFFERED": "1",  # lines are shown when they are written
    }


def complete(
    settings: LocalSettings, secrets: LocalSecrets, socket_folder: str | None
) -> dict[str, str]:
    """Every variable of the platform; what the user set explicitly stands.

    `socket_folder` is that of the PostgreSQL started here; without one and without DATABASE_URL the
    addresses of the database are left out.
    """
    local = {process.port: str(settings.ports[process.port]) for process in PROCESSES}
    local |= {
        f"{process.name.upper()}_ADDRESS": settings.address(process.port)
        for process in PROCESSES
        if process.speaks == "grpc"
    }
    local["WEBHOOKS_ADMIN_PORT"] = str(settings.ports["WEBHOOKS_ADMIN_PORT"])
    # The explorer, the schema, and calls from pages of localhost.
    local["APP_ENV"] = "development"
    # They write to a pipe, and somebody reads it at the other end of ours.
    local["LOG_FORMAT"] = "text"
    # Nobody but us watches their health here, so nobody needs time to notice.
    local["DRAIN_SECONDS"] = "0"
    if not settings.real_provider:
        local["ESIM_GO_API_KEY"] = SANDBOX_KEY
        local["ESIM_GO_BASE_URL"] = f"http://{settings.address('SANDBOX_PORT')}/v2.5"
        # Who uses data at the sandbox's admin API wants to see it, not to wait five minutes.
        local["ESIMS_FRESH_SECONDS"] = "5"
        # A developer may go from a large catalogue file to a small one; the provider never does.
        local["CATALOGUE_ALLOW_SHRINK"] = "true"
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
    told = {**local, **settings.values}
    if settings.webhook_secret and not settings.real_provider:
        # The sandbox signs with its own key, as the provider does with that of the organisation.
        told["ESIM_GO_WEBHOOK_SECRET"] = f"{settings.webhook_secret},{SANDBOX_KEY}"
    return told


def for_migrations(
    settings: LocalSettings, secrets: LocalSecrets, socket_folder: str | None
) -> dict[str, str]:
    """What `python -m migrations` is told: an administrator's address, and the logins' passwords.

    A login whose address the user gave keeps the password that it has.
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
    """The same database for another login."""
    parts = urlsplit(url)
    _, _, place = parts.netloc.rpartition("@")
    if (parts.hostname or "").endswith(POOLER) and "." in (parts.username or ""):
        project = (parts.username or "").split(".", 1)[1]
        login = f"{login}.{project}"
    return urlunsplit(parts._replace(netloc=f"{quote(login)}:{quote(password, safe='')}@{place}"))
