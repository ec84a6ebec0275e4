"""Which services `esimgo up` emulates, and the variables that each process gets."""

from pathlib import Path

import pytest

from cli.config.environment import complete, for_migrations, surroundings, with_login
from cli.config.local_secrets import FILE, SecretsError, load
from cli.config.processes import PROCESSES
from cli.config.settings import LocalSettings, merged
from kit.values.env import Env, SettingsError
from migrations.logins import LOGINS

SUPABASE = {
    "SUPABASE_URL": "https://project.supabase.co",
    "SUPABASE_ANON_KEY": "sb_publishable_mine",
    "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_mine",
}


def read(values: dict[str, str]) -> LocalSettings:
    env = Env(values)
    settings = LocalSettings.read(env, values)
    env.finish()
    return settings


def resolved(values: dict[str, str], home: Path) -> dict[str, str]:
    return complete(read(values), load(home), "/socket")


def test_without_credentials_every_dependency_runs_as_an_emulator(tmp_path: Path) -> None:
    values = resolved({}, tmp_path)
    assert values["ESIM_GO_BASE_URL"] == "http://127.0.0.1:4010/v2.5"
    assert values["SUPABASE_URL"] == "http://127.0.0.1:4011"
    assert values["ORDERS_DATABASE_URL"] == "postgresql://orders_service@/postgres?host=/socket"
    assert values["CATALOGUE_ADDRESS"] == "127.0.0.1:50051"


def test_secrets_are_never_written_into_a_file_that_others_can_read(tmp_path: Path) -> None:
    prepared = tmp_path / "secrets.new"
    prepared.touch(mode=0o644)
    load(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    assert prepared.read_text() == ""


def test_links_lead_to_the_port_of_the_gateway(tmp_path: Path) -> None:
    assert resolved({}, tmp_path)["GATEWAY_PUBLIC_URL"] == "http://localhost:4000"
    moved = {"GATEWAY_PORT": "5000"}
    assert resolved(moved, tmp_path)["GATEWAY_PUBLIC_URL"] == "http://localhost:5000"
    named = moved | {"GATEWAY_PUBLIC_URL": "https://api.shop.example"}
    assert resolved(named, tmp_path)["GATEWAY_PUBLIC_URL"] == "https://api.shop.example"


def test_metrics_ports_are_fixed_and_not_required_to_start(tmp_path: Path) -> None:
    values = {"GATEWAY_METRICS_PORT": "off", "ORDERS_METRICS_PORT": "0", "ESIMS_METRICS_PORT": "9"}
    settings = read(values)
    assert settings.metrics_ports == {"catalogue": 9451, "esims": 9, "webhooks": 9401}
    assert not any("METRICS" in name for name in settings.own_ports())
    gateway = next(process for process in PROCESSES if process.name == "gateway")
    assert gateway.environment(resolved(values, tmp_path))["GATEWAY_METRICS_PORT"] == "off"


def test_processes_log_text_locally_by_default(tmp_path: Path) -> None:
    assert resolved({}, tmp_path)["LOG_FORMAT"] == "text"
    assert resolved({"LOG_FORMAT": "json"}, tmp_path)["LOG_FORMAT"] == "json"


def test_a_real_provider_key_leaves_the_other_emulators(tmp_path: Path) -> None:
    values = {"ESIM_GO_API_KEY": "real-key"}
    assert "SANDBOX_PORT" not in read(values).own_ports()
    assert "SANDBOX_AUTH_PORT" in read(values).own_ports()
    result = resolved(values, tmp_path)
    assert result["ESIM_GO_API_KEY"] == "real-key"
    assert "ESIM_GO_BASE_URL" not in result
    assert result["SUPABASE_URL"] == "http://127.0.0.1:4011"


def test_customers_pay_nothing_by_default_unless_the_provider_is_real(tmp_path: Path) -> None:
    assert "SANDBOX_PAYMENTS_PORT" not in read({}).own_ports()
    assert resolved({}, tmp_path)["PAYMENTS"] == "off"
    assert "STRIPE_SECRET_KEY" not in resolved({}, tmp_path)
    # For real eSIMs, the operator has to choose.
    assert "PAYMENTS" not in resolved({"ESIM_GO_API_KEY": "real-key"}, tmp_path)


def test_required_payments_start_the_payment_sandbox(tmp_path: Path) -> None:
    values = {"PAYMENTS": "required", "SANDBOX_PAYMENTS_PORT": "5012"}
    assert read(values).own_ports()["SANDBOX_PAYMENTS_PORT"] == 5012
    result = resolved(values, tmp_path)
    assert result["PAYMENTS"] == "required"
    assert result["STRIPE_BASE_URL"] == "http://127.0.0.1:5012"
    assert result["STRIPE_SECRET_KEY"].startswith("sk_test_")
    assert result["STRIPE_WEBHOOK_SECRET"]


@pytest.mark.parametrize(
    "account",
    [
        {"STRIPE_SECRET_KEY": "sk_test_mine"},
        {"ESIM_GO_API_KEY": "real-key"},  # test cards must not buy real eSIMs
    ],
)
def test_with_an_account_required_payments_start_no_sandbox(
    account: dict[str, str], tmp_path: Path
) -> None:
    values = {"PAYMENTS": "required", **account}
    assert "SANDBOX_PAYMENTS_PORT" not in read(values).own_ports()
    result = resolved(values, tmp_path)
    assert "STRIPE_BASE_URL" not in result
    assert result.get("STRIPE_SECRET_KEY") == account.get("STRIPE_SECRET_KEY")


def test_callbacks_of_the_sandbox_are_accepted_beside_signed_ones(tmp_path: Path) -> None:
    secret = {"ESIM_GO_WEBHOOK_SECRET": "mine"}
    assert resolved(secret, tmp_path)["ESIM_GO_WEBHOOK_SECRET"] == "mine,sandbox-api-key"
    real = secret | {"ESIM_GO_API_KEY": "real-key"}
    assert resolved(real, tmp_path)["ESIM_GO_WEBHOOK_SECRET"] == "mine"


def test_a_real_project_leaves_the_provider_emulated(tmp_path: Path) -> None:
    assert "SANDBOX_AUTH_PORT" not in read(SUPABASE).own_ports()
    result = resolved(SUPABASE, tmp_path)
    assert result["SUPABASE_SERVICE_ROLE_KEY"] == "sb_secret_mine"
    assert result["ESIM_GO_BASE_URL"] == "http://127.0.0.1:4010/v2.5"


def test_an_incomplete_project_is_refused_with_the_missing_names() -> None:
    with pytest.raises(SettingsError, match="set SUPABASE_SERVICE_ROLE_KEY"):
        read({k: v for k, v in SUPABASE.items() if k != "SUPABASE_SERVICE_ROLE_KEY"})


def test_an_address_without_a_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="eSIM Go API key not configured"):
        read({"ESIM_GO_BASE_URL": "https://api.esim-go.com/v2.5"})


def test_two_processes_on_one_port_are_refused() -> None:
    with pytest.raises(SettingsError, match="ORDERS_PORT and CATALOGUE_PORT are both 50051"):
        read({"ORDERS_PORT": "50051"})


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_an_invalid_port_is_refused(port: str) -> None:
    with pytest.raises(SettingsError, match="GATEWAY_PORT"):
        read({"GATEWAY_PORT": port})


def test_a_malformed_database_is_reported_by_the_variable_that_was_set() -> None:
    with pytest.raises(SettingsError) as raised:
        read({"DATABASE_URL": "db.example:5432"})
    assert str(raised.value) == "DATABASE_URL must be a URL that starts with postgresql://"


def test_a_missing_catalogue_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SANDBOX_CATALOGUE: there is no file"):
        read({"SANDBOX_CATALOGUE": str(tmp_path / "none.json")})


def test_the_environment_overrides_the_file_and_empty_values_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("GATEWAY_PORT=4100\nORDERS_PORT=4200\nESIM_GO_API_KEY=\n")
    values = merged({"GATEWAY_PORT": "4300", "ORDERS_PORT": " "}, file)
    assert values == {"GATEWAY_PORT": "4300", "ORDERS_PORT": "4200"}


def test_secrets_are_stable_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = load(tmp_path / "state")
    assert load(tmp_path / "state") == first
    assert (tmp_path / "state" / FILE).stat().st_mode & 0o777 == 0o600
    assert set(first.passwords) == set(LOGINS)
    assert first.anon_key not in repr(first)


@pytest.mark.parametrize("text", ["no json", "[]", '{"passwords": 3}'])
def test_a_malformed_secrets_file_is_refused_and_not_changed(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(SecretsError, match="restore it, or remove it"):
        load(tmp_path)
    assert (tmp_path / FILE).read_text() == text


def test_a_folder_that_can_not_be_made_is_refused() -> None:
    with pytest.raises(SecretsError, match="set ESIMGO_HOME to a writable folder"):
        load(Path("/proc/esimgo"))


def test_every_service_login_uses_the_administrators_database(tmp_path: Path) -> None:
    values = {"DATABASE_URL": "postgresql://postgres:root@db.example:5433/shop?sslmode=require"}
    secrets = load(tmp_path)
    password = secrets.passwords["esims_service"]
    assert complete(read(values), secrets, None)["ESIMS_DATABASE_URL"] == (
        f"postgresql://esims_service:{password}@db.example:5433/shop?sslmode=require"
    )
    assert for_migrations(read(values), secrets, None)["ESIMS_DATABASE_PASSWORD"] == password


def test_a_configured_login_keeps_its_password(tmp_path: Path) -> None:
    values = {
        "DATABASE_URL": "postgresql://postgres:root@db.example/shop",
        "ESIMS_DATABASE_URL": "postgresql://esims_service:mine@db.example/shop",
    }
    secrets = load(tmp_path)
    assert complete(read(values), secrets, None)["ESIMS_DATABASE_URL"].endswith(
        "mine@db.example/shop"
    )
    assert "ESIMS_DATABASE_PASSWORD" not in for_migrations(read(values), secrets, None)


def test_behind_a_pooler_the_login_names_its_project() -> None:
    url = "postgresql://postgres.abc:root@aws-0.pooler.supabase.com:5432/postgres"
    assert with_login(url, "orders_service", "p@ss").startswith(
        "postgresql://orders_service.abc:p%40ss@aws-0.pooler.supabase.com:5432/"
    )


def test_a_process_receives_only_the_variables_that_it_reads(tmp_path: Path) -> None:
    values = resolved({"UNRELATED": "x", "AWS_SECRET_ACCESS_KEY": "x"}, tmp_path)
    environments = {process.name: process.environment(values) for process in PROCESSES}
    assert "ORDERS_DATABASE_URL" in environments["orders"]
    assert "ESIMS_DATABASE_URL" not in environments["orders"]
    assert "ESIM_GO_API_KEY" not in environments["gateway"]
    for environment in environments.values():
        assert "UNRELATED" not in environment
        assert "DATABASE_URL" not in environment
    assert "AWS_SECRET_ACCESS_KEY" not in surroundings(values)
