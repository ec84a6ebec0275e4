"""The rendered network policies against a table of allowed connections; every other pair is refused."""

import pytest

from tests.architecture.kubernetes.reach import Party, reaches
from tests.architecture.kubernetes.rendered import OVERLAYS, of_kind, pods, render

NAMESPACE = "esimgo"
INGRESS = Party("ingress", {"app": "nginx"}, "edge", {"esimgo/ingress": "true"})
# Prometheus, and the collector of traces beside it.
MONITORING = Party("monitoring", {"app": "prometheus"}, "watch", {"esimgo/monitoring": "true"})
NAMES = Party(
    "names", {"k8s-app": "kube-dns"}, "kube-system", {"kubernetes.io/metadata.name": "kube-system"}
)
OTHER_NAMESPACE = Party(
    "other namespace", {"app": "shop"}, "shop", {"kubernetes.io/metadata.name": "shop"}
)
INTRUDER = Party("intruder", {"app": "unknown"}, NAMESPACE)
PROVIDER = Party("provider", address="203.0.113.7")
METADATA = Party("the cloud's metadata", address="169.254.169.254")
INSIDE = Party("the cloud's network", address="10.20.30.40")

PROCESSES = ("catalogue", "orders", "esims", "gateway", "webhooks")
ALLOWED = {
    ("ingress", "gateway", 4000),
    ("ingress", "webhooks", 4001),
    ("gateway", "catalogue", 50051),
    ("gateway", "orders", 50052),
    ("gateway", "esims", 50053),
    ("orders", "catalogue", 50051),
    ("orders", "esims", 50053),
    ("catalogue", "orders", 50052),
    ("esims", "orders", 50052),
    ("webhooks", "catalogue", 50051),
    ("webhooks", "orders", 50052),
    ("webhooks", "esims", 50053),
    *((name, "provider", 443) for name in PROCESSES),
    *((name, "monitoring", 4317) for name in PROCESSES),
    *((name, "names", 53) for name in (*PROCESSES, "migrations", "intruder")),
    ("monitoring", "gateway", 9400),
    ("monitoring", "webhooks", 9401),
    ("monitoring", "catalogue", 9451),
    ("monitoring", "orders", 9452),
    ("monitoring", "esims", 9453),
}
WITH_DATABASE = ("catalogue", "orders", "esims", "webhooks", "migrations")
WITH_REDIS = ("catalogue", "orders", "esims", "gateway")
ALLOWED_IN = {
    "production": {
        *((name, "the cloud's network", 5432) for name in WITH_DATABASE),
        *((name, "the cloud's network", 6543) for name in WITH_DATABASE),
        *((name, "the cloud's network", 6379) for name in WITH_REDIS),
    },
    "single-node": {
        *((name, "postgres", 5432) for name in WITH_DATABASE),
        *((name, "redis", 6379) for name in WITH_REDIS),
        *((name, "names", 53) for name in ("postgres", "redis")),
    },
}
# Connections that a variant of production allows in addition.
ADDED_IN = {
    "cache": {("ingress", "cache", 8080), ("cache", "gateway", 4000), ("cache", "names", 53)}
}
# 50054 is the admin API of webhooks, reached through `kubectl port-forward` instead of the network.
PORTS = (53, 80, 443, 4000, 4001, 4317, 8080, 5432, 6379, 6543, 9400, 9401, 9451, 9452, 9453)
GRPC_PORTS = (50051, 50052, 50053, 50054)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_the_listed_callers_reach_each_port(overlay: str) -> None:
    manifests = render(f"overlays/{overlay}")
    policies = of_kind(manifests, "NetworkPolicy")
    ours = [
        Party(
            name,
            template["metadata"]["labels"],
            NAMESPACE,
            {"kubernetes.io/metadata.name": NAMESPACE},
            {
                port["name"]: port["containerPort"]
                for container in template["spec"]["containers"]
                for port in container.get("ports", [])
            },
        )
        for name, template in pods(manifests).items()
    ]
    others = [INGRESS, MONITORING, NAMES, OTHER_NAMESPACE, INTRUDER, PROVIDER, METADATA, INSIDE]
    parties = [*ours, *others]
    elsewhere = {party.name for party in others if party is not INTRUDER}
    found = {
        (caller.name, callee.name, port)
        for caller in parties
        for callee in parties
        for port in (*PORTS, *GRPC_PORTS)
        # Connections among third parties, and a pod's own loopback, are out of scope.
        if caller is not callee and not {caller.name, callee.name} <= elsewhere
        if reaches(policies, caller, callee, port, "UDP" if port == 53 else "TCP")
    }
    base, _, variant = overlay.partition("production-")
    expected = ALLOWED | ALLOWED_IN[base or "production"] | ADDED_IN.get(variant, set())
    assert found - expected == set(), "reached, and not in the table"
    assert expected - found == set(), "in the table, and not reached"


def test_without_the_policies_every_pod_reaches_every_port() -> None:
    """A control for the evaluation: without policies everything is allowed."""
    assert reaches([], OTHER_NAMESPACE, INTRUDER, 50052)


def test_an_overly_broad_network_policy_is_detected() -> None:
    manifests = render("overlays/production")
    hole = {
        "metadata": {"namespace": NAMESPACE},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "orders"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"namespaceSelector": {}}]}],
        },
    }
    orders = Party("orders", {"app.kubernetes.io/name": "orders"}, NAMESPACE)
    policies = of_kind(manifests, "NetworkPolicy")
    assert not reaches(policies, OTHER_NAMESPACE, orders, 50052)
    assert reaches([*policies, hole], OTHER_NAMESPACE, orders, 50052)
