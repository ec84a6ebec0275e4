"""deploy/compose.yaml sets only variables that the processes read, and each process sees only its secrets."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.config.processes import PROCESSES, Process
from cli.config.variables import readers

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())[
    "services"
]
# Read by the image's health command, and by options of commands, instead of a process.
READ_ELSEWHERE = {"HEALTHCHECK", "ESIMGO_TOKEN"}
# The same in every container, or needs a mounted file.
OF_THE_CONTAINER = re.compile(
    r"_PORT$|^GRPC_TLS_|^TRUSTED_DOCUMENTS|^(DATABASE_POOLER|DRAIN_SECONDS)$"
    r"|^GRPC_MAX_CONNECTION_AGE_SECONDS$"
)
READ = [variable for program in readers().values() for variable in program]
KNOWN = {variable.name for variable in READ}
SECRET = {variable.name for variable in READ if variable.secret}
OURS = ("migrate", "cli", *(process.name for process in PROCESSES))


def test_no_default_contains_another_variable() -> None:
    """Compose 1 reads `${A:-${B}}` as text."""
    assert not re.search(r"\$\{[^}]*\$", (DEPLOY / "compose.yaml").read_text())


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_read_by_its_process(service: str) -> None:
    for name in SERVICES[service]["environment"].keys() - READ_ELSEWHERE:
        assert name in KNOWN or name.removesuffix("_FILE") in SECRET, name


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_every_setting_can_be_set_in_the_env_file(process: Process) -> None:
    settable = SERVICES[process.name]["environment"].keys()
    for variable in process.variables():
        if not variable.secret and not OF_THE_CONTAINER.search(variable.name):
            assert variable.name in settable, f"add {variable.name}: to {process.name}"


@pytest.mark.parametrize("service", [*OURS, "auth"])
def test_the_named_secret_files_are_the_mounted_secrets(service: str) -> None:
    named = {n: v for n, v in SERVICES[service]["environment"].items() if n.endswith("_FILE")}
    assert set(named.values()) == {f"/run/secrets/{name}" for name in SERVICES[service]["secrets"]}
    for name, path in named.items():
        assert path == f"/run/secrets/{name.removesuffix('_FILE')}"


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_a_process_gets_no_secret_that_it_does_not_read(process: Process) -> None:
    own = {variable.name for variable in process.variables() if variable.secret}
    assert set(SERVICES[process.name]["secrets"]) <= own


def test_every_secret_is_created() -> None:
    made = (DEPLOY / "make-secrets").read_text()
    mounted = {name for service in SERVICES.values() for name in service.get("secrets", ())}
    for name in mounted:
        owner, _, rest = name.partition("_")
        by_owner = owner in ("CATALOGUE", "ORDERS", "ESIMS", "WEBHOOKS")
        assert f"keep {name} " in made or (by_owner and f'keep "${{upper}}_{rest}"' in made), name


def test_secrets_are_created_in_a_folder_that_excludes_other_users(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    subprocess.run(
        (str(DEPLOY / "make-secrets"),),
        env={**os.environ, "ESIMGO_SECRETS": str(tmp_path)},
        check=True,
    )
    assert (tmp_path / "SUPABASE_SERVICE_ROLE_KEY").read_text().startswith("sb_secret_")
    assert tmp_path.stat().st_mode & 0o077 == 0


def test_nothing_runs_as_root_or_with_capabilities_or_writes_to_its_disk() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_health_checks_use_http(process: Process) -> None:
    url = SERVICES[process.name]["environment"]["HEALTHCHECK"]
    assert url.startswith("http://127.0.0.1:")
    if process.speaks == "grpc":
        metrics = process.name.upper() + "_METRICS_PORT"
        [port] = [v.default for v in process.variables() if v.name == metrics]
        assert url == f"http://127.0.0.1:{port}/readyz"


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_a_process_has_as_long_to_stop_as_on_kubernetes(process: Process) -> None:
    manifests = yaml.safe_load_all((DEPLOY / "k8s" / "base" / f"{process.name}.yaml").read_text())
    [deployment] = [one for one in manifests if one["kind"] == "Deployment"]
    seconds = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    # Docker's default of 10 s is shorter than what calls in flight get.
    assert SERVICES[process.name].get("stop_grace_period") == f"{seconds}s"
