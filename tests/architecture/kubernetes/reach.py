"""An evaluation of NetworkPolicies: which pod may connect to which."""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any


@dataclass(frozen=True)
class Party:
    """A pod with its labels and its namespace's, or an address outside the cluster."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = ""
    namespace_labels: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    address: str = ""


def reaches(
    policies: list[dict[str, Any]], caller: Party, callee: Party, port: int, protocol: str = "TCP"
) -> bool:
    """True if the caller's policies allow the connection out and the callee's allow it in.

    Policies are additive: any policy that selects a pod closes its direction, and any rule opens it again.
    """
    return _open(policies, "egress", caller, callee, callee, port, protocol) and _open(
        policies, "ingress", callee, caller, callee, port, protocol
    )


def _open(
    policies: list[dict[str, Any]],
    direction: str,
    pod: Party,
    other: Party,
    callee: Party,
    port: int,
    protocol: str,
) -> bool:
    closing = [policy for policy in policies if _chooses(policy, direction, pod)]
    if not closing:
        return True
    peers = "to" if direction == "egress" else "from"
    return any(
        _peer_matches(rule.get(peers), other, policy["metadata"]["namespace"])
        and _port_matches(rule.get("ports"), callee, port, protocol)
        for policy in closing
        for rule in policy["spec"].get(direction) or []
    )


def _chooses(policy: dict[str, Any], direction: str, pod: Party) -> bool:
    spec = policy["spec"]
    return (
        not pod.address
        and policy["metadata"]["namespace"] == pod.namespace
        and direction.capitalize() in spec["policyTypes"]
        and _selects(spec["podSelector"], pod.labels)
    )


def _peer_matches(peers: list[dict[str, Any]] | None, other: Party, namespace: str) -> bool:
    return peers is None or any(_one_matches(peer, other, namespace) for peer in peers)


def _one_matches(peer: dict[str, Any], other: Party, namespace: str) -> bool:
    if block := peer.get("ipBlock"):
        if not other.address:
            return False
        address = ip_address(other.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(hole) for hole in block.get("except", [])
        )
    if other.address:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], other.namespace_labels):
            return False
    elif other.namespace != namespace:
        return False
    return _selects(peer.get("podSelector", {}), other.labels)


def _port_matches(
    ports: list[dict[str, Any]] | None, callee: Party, port: int, protocol: str
) -> bool:
    if ports is None:
        return True
    return any(
        rule.get("protocol", "TCP") == protocol
        and callee.ports.get(rule["port"], rule["port"]) == port
        for rule in ports
    )


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    if unknown := selector.keys() - {"matchLabels"}:
        raise NotImplementedError(f"selectors by {sorted(unknown)} are not evaluated here")
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()
