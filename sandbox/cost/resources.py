"""Each type of resource of the templates: what it needs as long as it exists, or why it costs nothing by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sandbox.cost.account import Account, Resources
from sandbox.cost.assumptions import MWAA_DATABASE_GB
from sandbox.cost.errors import NotCostedError
from sandbox.cost.needs import Need, Stage
from sandbox.cost.workload import MONTH_HOURS

type Properties = Mapping[str, Any]
type Costing = Callable[[Properties, Resources], Iterator[Need]]

INCLUDED_WORKERS = 1
"""Workers in the price of an MWAA environment."""


def of(account: Account) -> Iterator[Need]:
    """What all resources of the stacks need as long as they exist.

    :raises NotCostedError: nobody has said yet what a type costs.
    """
    for name, logical_id, resource in account.resources():
        kind = resource["Type"]
        if kind in COSTED:
            yield from COSTED[kind](resource.get("Properties", {}), account.stacks[name])
        elif kind not in BY_USE and kind not in FREE:
            raise NotCostedError(
                f"{logical_id} of the stack {name} cannot be costed.",
                f"Nobody has said what a {kind} costs.",
                "Add it to sandbox/cost/resources.py.",
            )


def _airflow(given: Properties, _: Resources) -> Iterator[Need]:
    size, extra = given["EnvironmentClass"], int(given["MinWorkers"]) - INCLUDED_WORKERS
    yield _held(Stage.AIRFLOW, f"MWAA environment {size}", "mwaa.environment_hour", MONTH_HOURS, size)
    if extra > 0:
        yield _held(Stage.AIRFLOW, f"{extra} more workers", "mwaa.worker_hour", extra * MONTH_HOURS, size)
    yield _held(Stage.AIRFLOW, "metadata database", "mwaa.database_gb_month", MWAA_DATABASE_GB.value)


def _nat(_: Properties, __: Resources) -> Iterator[Need]:
    yield _held(Stage.NETWORK, "NAT gateways", "nat.hour", MONTH_HOURS)


def _address(_: Properties, __: Resources) -> Iterator[Need]:
    yield _held(Stage.NETWORK, "public addresses", "ipv4.hour", MONTH_HOURS)


def _endpoint(given: Properties, _: Resources) -> Iterator[Need]:
    if given["VpcEndpointType"] == "Interface":
        yield _held(Stage.NETWORK, "interface endpoints", "endpoint.hour", len(given["SubnetIds"]) * MONTH_HOURS)


def _database(given: Properties, _: Resources) -> Iterator[Need]:
    size, copies = given["DBInstanceClass"], 2 if str(given["MultiAZ"]) == "true" else 1
    zones = ", two zones" if copies == 2 else ""
    yield _held(Stage.SOURCE, f"RDS {size}{zones}", "rds.instance_hour", copies * MONTH_HOURS, size)
    storage = copies * float(given["AllocatedStorage"])
    yield _held(Stage.SOURCE, f"RDS storage{zones}", "rds.storage_gb_month", storage)


def _brokers(given: Properties, _: Resources) -> Iterator[Need]:
    nodes, count = given["BrokerNodeGroupInfo"], int(given["NumberOfBrokerNodes"])
    size, volume = nodes["InstanceType"], float(nodes["StorageInfo"]["EBSStorageInfo"]["VolumeSize"])
    yield _held(Stage.KAFKA, f"{count} MSK brokers {size}", "msk.broker_hour", count * MONTH_HOURS, size)
    yield _held(Stage.KAFKA, "MSK storage", "msk.storage_gb_month", count * volume)


def _hosts(given: Properties, beside: Resources) -> Iterator[Need]:
    count = int(given["DesiredCapacity"])
    template = beside[given["LaunchTemplate"]["LaunchTemplateId"].strip("<>")]["Properties"]["LaunchTemplateData"]
    size, disks = template["InstanceType"], template["BlockDeviceMappings"]
    volume = sum(float(disk["Ebs"]["VolumeSize"]) for disk in disks)
    yield _held(Stage.KAFKA, f"{count} REST proxy hosts {size}", "ec2.hour", count * MONTH_HOURS, size)
    yield _held(Stage.KAFKA, "their disks", "ebs.gb_month", count * volume)


def _balancer(_: Properties, __: Resources) -> Iterator[Need]:
    yield _held(Stage.KAFKA, "network load balancer", "nlb.hour", MONTH_HOURS)


def _secret(_: Properties, __: Resources) -> Iterator[Need]:
    yield _held(Stage.OPERATIONS, "secrets", "secretsmanager.secret_month", 1)


def _held(stage: Stage, what: str, price: str, quantity: float, kind: str = "") -> Need:
    return Need(stage, what, price, quantity, kind, fixed=True)


COSTED: dict[str, Costing] = {
    "AWS::AutoScaling::AutoScalingGroup": _hosts,
    "AWS::EC2::EIP": _address,
    "AWS::EC2::NatGateway": _nat,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::MSK::Cluster": _brokers,
    "AWS::MWAA::Environment": _airflow,
    "AWS::RDS::DBInstance": _database,
    "AWS::SecretsManager::Secret": _secret,
}
"""Types that are paid as long as they exist."""

BY_USE = {
    "AWS::S3::Bucket": "what is in it and the requests: sandbox/cost/usage.py",
    "AWS::Logs::LogGroup": "what is written and kept: sandbox/cost/usage.py",
}
"""Types that are paid by what goes through them."""

FREE = {
    "AWS::ApiGateway::Account": "a setting of the account",
    "AWS::ApiGateway::VpcLink": "a REST API pays its requests; the link itself is free, its load balancer is not",
    "AWS::Budgets::Budget": "a budget without actions is free",
    "AWS::EC2::InternetGateway": "traffic is paid, not the gateway",
    "AWS::EC2::LaunchTemplate": "its hosts are paid, by their group",
    "AWS::EC2::Route": "free",
    "AWS::EC2::RouteTable": "free",
    "AWS::EC2::SecurityGroup": "free",
    "AWS::EC2::SecurityGroupEgress": "free",
    "AWS::EC2::SecurityGroupIngress": "free",
    "AWS::EC2::Subnet": "free",
    "AWS::EC2::SubnetRouteTableAssociation": "free",
    "AWS::EC2::VPC": "free",
    "AWS::EC2::VPCGatewayAttachment": "free",
    "AWS::ElasticLoadBalancingV2::Listener": "part of its load balancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "part of its load balancer",
    "AWS::IAM::InstanceProfile": "IAM is free",
    "AWS::IAM::ManagedPolicy": "IAM is free",
    "AWS::IAM::Role": "IAM is free",
    "AWS::Logs::ResourcePolicy": "a policy",
    "AWS::MSK::Configuration": "free",
    "AWS::RDS::DBParameterGroup": "free",
    "AWS::RDS::DBSubnetGroup": "free",
    "AWS::S3::BucketPolicy": "a policy",
}
"""Types that cost nothing, with the reason."""
