"""Every overlay has valid objects, nothing privileged, and only settings that the processes know."""

import importlib
import re

import kubernetes_validate
import pytest

from kit.values.env import Env
from tests.architecture.kubernetes.rendered import K8S, OVERLAYS, Manifest, of_kind, pods, render

PROCESSES = {
    "catalogue": "services.catalogue.settings",
    "orders": "services.orders.settings",
    "esims": "services.esims.settings",
    "gateway": "gateway.settings",
    "webhooks": "webhooks.settings",
}
# A current stable version, and the oldest that enables `sleep` before a stop by default.
VERSIONS = ("1.30", "1.34")
# Those that speak gRPC alone.
SERVICES = ("catalogue", "orders", "esims")
HPA = "HorizontalPodAutoscaler"


def settings_of(manifests: list[Manifest]) -> Manifest:
    """Return the ConfigMap of the processes' settings; its name ends with a digest."""
    maps = of_kind(manifests, "ConfigMap")
    [found] = [one for one in maps if one["metadata"]["name"].startswith("esimgo-")]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid_for_kubernetes(overlay: str, version: str) -> None:
    for manifest in render(f"overlays/{overlay}"):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_field_is_refused() -> None:
    manifest: Manifest = of_kind(render("overlays/production"), "PodDisruptionBudget")[0]
    wrong = {**manifest, "spec": {**manifest["spec"], "maxUnavailible": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_meets_the_restricted_standard(overlay: str) -> None:
    for name, template in pods(render(f"overlays/{overlay}")).items():
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["serviceAccountName"] == name
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_secret_is_a_reference(overlay: str) -> None:
    manifests = render(f"overlays/{overlay}")
    assert of_kind(manifests, "Secret") == []
    secret = re.compile("KEY|PASSWORD|SECRET|DATABASE_URL$|REDIS_URL$")
    secret_settings = [name for name in settings_of(manifests)["data"] if secret.search(name)]
    assert [name for name in secret_settings if not name.endswith("_FILE")] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", PROCESSES)
def test_every_port_that_a_process_listens_on_is_configured(name: str, overlay: str) -> None:
    manifests = render(f"overlays/{overlay}")
    [container] = pods(manifests)[name]["spec"]["containers"]
    configured = settings_of(manifests)
    env = Env({k: v for k, v in configured["data"].items() if not k.endswith("_FILE")})
    settings = importlib.import_module(PROCESSES[name]).Settings.read(env)
    service = settings if hasattr(settings, "host") else settings.service
    assert service.host == "0.0.0.0"  # noqa: S104 - inside a pod, behind its policies
    assert service.port in {port["containerPort"] for port in container["ports"]}


def test_every_process_is_replaced_without_downtime_and_scaled_in_production() -> None:
    manifests = render("overlays/production")
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(manifests, HPA)}
    budgets = {one["metadata"]["name"] for one in of_kind(manifests, "PodDisruptionBudget")}
    assert scaled == budgets == set(PROCESSES)
    for deployment in of_kind(manifests, "Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {
            "maxSurge": 1,
            "maxUnavailable": 0,
        }
    assert all(one["spec"]["minReplicas"] >= 2 for one in of_kind(manifests, HPA))


@pytest.mark.parametrize("name", ["catalogue", "orders", "esims"])
def test_callers_resolve_every_replica_by_name(name: str) -> None:
    manifests = render("overlays/production")
    [service] = [s for s in of_kind(manifests, "Service") if s["metadata"]["name"] == name]
    configured = settings_of(manifests)
    port = service["spec"]["ports"][0]["port"]
    assert service["spec"]["clusterIP"] == "None"
    assert configured["data"][f"{name.upper()}_ADDRESS"] == f"dns:///{name}:{port}"


def test_with_mutual_tls_every_process_has_its_own_certificate_and_finds_it() -> None:
    manifests = render("overlays/production-mtls")
    configured = settings_of(manifests)
    files = {n: v for n, v in configured["data"].items() if n.startswith("GRPC_TLS_")}
    assert set(files) == {"GRPC_TLS_CA_FILE", "GRPC_TLS_CERT_FILE", "GRPC_TLS_KEY_FILE"}
    templates = pods(manifests)
    for name in PROCESSES:
        spec = templates[name]["spec"]
        secrets = {volume["name"]: volume.get("secret", {}) for volume in spec["volumes"]}
        mounts = {
            mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]
        }
        assert secrets["tls"]["secretName"] == f"{name}-tls"
        assert all(file.startswith(f"{mounts['tls']}/") for file in files.values())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_are_probed_on_a_port_that_a_flood_of_calls_cannot_block(overlay: str) -> None:
    for name, template in pods(render(f"overlays/{overlay}")).items():
        container = template["spec"]["containers"][0]
        if name in SERVICES:
            assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert "grpc" not in container.get(kind, {}), name


def test_the_cache_stands_between_the_ingress_and_the_gateway() -> None:
    manifests = render("overlays/production-cache")
    [ingress] = of_kind(manifests, "Ingress")
    backends = {
        rule["host"]: path["backend"]["service"]["name"]
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    assert backends == {"api.example.com": "cache", "hooks.example.com": "webhooks"}
    [configured] = [
        one
        for one in of_kind(manifests, "ConfigMap")
        if one["metadata"]["name"].startswith("cache-")
    ]
    assert configured["data"].keys() == {"nginx.conf", "gateway.conf"}
    [service] = [s for s in of_kind(manifests, "Service") if s["metadata"]["name"] == "gateway"]
    assert (
        f"server gateway:{service['spec']['ports'][0]['port']};"
        in configured["data"]["gateway.conf"]
    )
    volumes = {v["name"]: v for v in pods(manifests)["cache"]["spec"]["volumes"]}
    assert volumes["configuration"]["configMap"]["name"] == configured["metadata"]["name"]


def test_the_database_of_a_single_node_is_the_one_of_the_documented_addresses() -> None:
    page = (K8S.parents[1] / "docs" / "kubernetes.md").read_text()
    documented = set(re.findall(r"@postgres/(\w+)", page))
    [container] = pods(render("overlays/single-node"))["postgres"]["spec"]["containers"]
    made = {one["name"]: one["value"] for one in container["env"]}
    assert documented == {made["POSTGRES_DB"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_links_begin_with_the_host_of_the_gateway(overlay: str) -> None:
    manifests = render(f"overlays/{overlay}")
    [ingress] = of_kind(manifests, "Ingress")
    hosts = [
        rule["host"]
        for rule in ingress["spec"]["rules"]
        if any(path["path"] == "/graphql" for path in rule["http"]["paths"])
    ]
    assert [settings_of(manifests)["data"]["GATEWAY_PUBLIC_URL"]] == [f"https://{h}" for h in hosts]
