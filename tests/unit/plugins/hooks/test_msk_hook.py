"""Finding the MSK cluster and the safest way to reach it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from pinflow.exceptions import NotFound
from pinflow.hooks.msk import MskHook

ARN = "arn:aws:kafka:us-east-1:000000000000:cluster/pinflow/1-1"
BROKERS = {"ClientSubnets": ["s1"], "SecurityGroups": ["g1"], "InstanceType": "kafka.t3.small"}
IAM, TLS, PLAIN = (f"BootstrapBrokerString{name}" for name in ("SaslIam", "Tls", ""))


@pytest.fixture
def hook(aws: None) -> MskHook:
    return MskHook(region_name="us-east-1")


def described(name: str = "pinflow", state: str = "ACTIVE", **more: Any) -> dict[str, Any]:
    return {"ClusterName": name, "ClusterArn": ARN, "State": state, **more}


def answers(hook: MskHook, clusters: list[dict[str, Any]], brokers: dict[str, str] | None = None) -> Stubber:
    stubber = Stubber(hook.conn)
    stubber.add_response("list_clusters_v2", {"ClusterInfoList": clusters}, {"ClusterNameFilter": "pinflow"})
    if brokers is not None:
        stubber.add_response("get_bootstrap_brokers", brokers, {"ClusterArn": ARN})
    stubber.activate()
    return stubber


@pytest.mark.parametrize(
    ("brokers", "servers", "authentication", "encryption"),
    [
        ({IAM: "i:9098", TLS: "t:9094", PLAIN: "p:9092"}, "i:9098", "IAM", "TLS"),
        ({TLS: "t:9094", PLAIN: "p:9092"}, "t:9094", "NONE", "TLS"),
        ({PLAIN: "p:9092"}, "p:9092", "NONE", "PLAINTEXT"),
    ],
)
def test_the_safest_way(hook: MskHook, brokers: Any, servers: str, authentication: str, encryption: str) -> None:
    answers(hook, [described()], brokers)
    found = hook.cluster("pinflow")
    assert (found.bootstrap_servers, found.authentication, found.encryption) == (servers, authentication, encryption)


def test_another_name_with_the_same_start_is_not_it(hook: MskHook) -> None:
    answers(hook, [described("pinflow-2"), described()], {PLAIN: "p:1"})
    assert hook.cluster("pinflow").arn == ARN


@pytest.mark.parametrize("state", ["CREATING", "DELETING", "FAILED"])
def test_a_cluster_that_cannot_be_used(hook: MskHook, state: str) -> None:
    answers(hook, [described(state=state)])
    with pytest.raises(NotFound, match=f"no active MSK cluster pinflow.*{state}"):
        hook.cluster("pinflow")


@pytest.mark.parametrize("state", ["UPDATING", "MAINTENANCE", "REBOOTING_BROKER", "HEALING"])
def test_a_cluster_under_maintenance_can(hook: MskHook, state: str) -> None:
    answers(hook, [described(state=state)], {PLAIN: "p:1"})
    assert hook.cluster("pinflow").name == "pinflow"


def test_none(hook: MskHook) -> None:
    answers(hook, [])
    with pytest.raises(NotFound, match=r"not there.*kafka\.cluster_name"):
        hook.cluster("pinflow")


def test_no_way_to_connect(hook: MskHook) -> None:
    answers(hook, [described()], {"BootstrapBrokerStringSaslScram": "s:9096"})
    with pytest.raises(NotFound, match="SaslScram"):
        hook.cluster("pinflow")


@pytest.mark.parametrize(
    "network",
    [
        {"Provisioned": {"BrokerNodeGroupInfo": BROKERS, "NumberOfBrokerNodes": 2}},
        {"Serverless": {"VpcConfigs": [{"SubnetIds": ["s1"], "SecurityGroupIds": ["g1"]}]}},
    ],
    ids=["provisioned", "serverless"],
)  # fmt: skip
def test_the_network(hook: MskHook, network: Any) -> None:
    answers(hook, [described(**network)], {PLAIN: "p:1"})
    found = hook.cluster("pinflow")
    assert (found.subnets, found.security_groups) == (("s1",), ("g1",))
