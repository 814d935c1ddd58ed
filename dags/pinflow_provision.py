"""Make everything that the pipelines need, or adopt it and bring it to what the settings say.

A second run changes nothing. Stacks come first, in the settings' order; those that exist are only read. It ends by
announcing the asset `platform`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.amazon.aws.operators.s3 import S3CreateBucketOperator
from airflow.sdk import DAG, Asset, Param, TaskGroup, chain, task

import include
from include.aws.connectors import render
from include.config.settings import TABLES, load
from pinflow.operators.api_gateway import (
    ApiGatewayCallOperator,
    ApiGatewayDeployOperator,
    ApiGatewayImportOperator,
    ApiGatewayTestMethodOperator,
)
from pinflow.operators.cloudformation import CloudFormationDeployStackOperator, CloudFormationDescribeStackOperator
from pinflow.operators.databricks import DatabricksWorkspaceUploadOperator
from pinflow.operators.kafka_rest import KafkaRestCreateTopicOperator
from pinflow.operators.kinesis import KinesisCreateStreamOperator
from pinflow.operators.msk_connect import MskConnectCreateConnectorOperator, MskConnectCreateCustomPluginOperator
from pinflow.retries import FAIL_FAST

settings = load()
kafka, connect, landing, workspace = settings.kafka, settings.connect, settings.landing, settings.workspace
documents = Path(include.__file__).parent / "aws"
tags = {"pinflow": settings.prefix}
ACCESS_LOG = (
    '{"time":"$context.requestTimeEpoch","id":"$context.requestId","ip":"$context.identity.sourceIp",'
    '"method":"$context.httpMethod","path":"$context.path","status":"$context.status",'
    '"latency":"$context.responseLatency","backend":"$context.integrationErrorMessage"}'
)


def stack_tasks() -> list[Any]:
    """A task a stack, in the settings' order."""
    made: list[Any] = []
    group = TaskGroup("stacks") if settings.stacks else None
    for stack in settings.stacks:
        where: dict[str, Any] = {
            "task_id": stack.name.replace("-", "_"),
            "task_group": group,
            "stack_name": f"{settings.prefix}-{stack.name}",
            "region_name": settings.region,
        }
        made.append(
            CloudFormationDescribeStackOperator(**where)
            if stack.exists
            else CloudFormationDeployStackOperator(
                template_path=documents / "cloudformation" / f"{stack.name}.yaml",
                parameters=stack.parameters,
                stack_prefix=settings.prefix,
                tags=tags,
                role_arn=settings.stack_role or None,
                execution_timeout=timedelta(hours=2),
                deferrable=True,
                **where,
            )
        )
    return made


def gateway_tasks() -> list[Any]:
    """A call when the gateway is there already; otherwise import, deployment and a trial."""
    gateway = settings.gateway
    if gateway.exists:
        return [ApiGatewayCallOperator(task_id="call", path=f"/{gateway.stage}/topics")]
    where: dict[str, Any] = {"api_name": gateway.api_name, "tags": tags, "region_name": settings.region}
    document = documents / "gateway.openapi.yaml"
    return [
        ApiGatewayImportOperator(task_id="import_document", document_path=document, deferrable=True, **where),
        ApiGatewayDeployOperator(
            task_id="deploy",
            stage_name=gateway.stage,
            variables=gateway.variables,
            stack_prefix=settings.prefix,
            document_path=document,
            rate_limit=gateway.rate_limit,
            burst_limit=gateway.burst_limit,
            access_log_arn=gateway.access_log or None,
            access_log_format=ACCESS_LOG if gateway.access_log else None,
            **where,
        ),
        ApiGatewayTestMethodOperator(
            task_id="try_out",
            path="/topics",
            resource="/{proxy+}",
            variables=gateway.variables,
            stack_prefix=settings.prefix,
            **where,
        ),
    ]


with DAG(
    dag_id="pinflow_provision",
    schedule=None,
    start_date=pendulum.datetime(2017, 10, 19, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["pinflow", "platform"],
    doc_md=__doc__,
    dagrun_timeout=timedelta(hours=6 if settings.stacks else 1),
    default_args={
        "owner": "data-platform",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "retry_policy": FAIL_FAST,
        "execution_timeout": timedelta(minutes=30),
    },
    params={
        "on_failed": Param(
            "fail",
            type="string",
            enum=["fail", "restart"],
            title="A connector that is FAILED",
            description_md="`fail` tells its reason; `restart` makes it anew, its committed offsets are kept.",
        ),
        "upload_all": Param(
            False,
            type="boolean",
            title="Upload every workspace file",
            description_md="Also those that have not changed since the last upload.",
        ),
    },
):
    stacks = stack_tasks()

    with TaskGroup("gateway"):
        gateway = gateway_tasks()

    with TaskGroup("landing"):
        bucket = S3CreateBucketOperator(task_id="bucket", bucket_name=landing.bucket, region_name=settings.region)

    with TaskGroup("kafka"):
        topics = KafkaRestCreateTopicOperator.partial(
            task_id="topics",
            map_index_template="{{ task.topic }}",
            partitions=kafka.partitions,
            replication_factor=kafka.replication_factor,
            configs=dict(kafka.topic_configs),
        ).expand(topic=[*settings.topics, settings.dead_letter_topic])

    with TaskGroup("kinesis"):
        streams = KinesisCreateStreamOperator.partial(
            task_id="streams",
            map_index_template="{{ task.stream_name }}",
            shard_count=settings.streams.shard_count,
            retention_hours=settings.streams.retention_hours,
            tags=tags,
            region_name=settings.region,
            waiter_delay=2,
            waiter_max_attempts=300,
            deferrable=True,
        ).expand(stream_name=[settings.stream(table) for table in TABLES])

    with TaskGroup("connect"):
        plugin = MskConnectCreateCustomPluginOperator(
            task_id="plugin",
            plugin_name=connect.plugin_name,
            bucket=connect.plugin_bucket,
            key=connect.plugin_key,
            region_name=settings.region,
            waiter_delay=2,
            deferrable=True,
        )
        connector = MskConnectCreateConnectorOperator(
            task_id="connector",
            connector_name=connect.connector_name,
            cluster_name=kafka.cluster_name,
            plugin_name=connect.plugin_name,
            configuration=render(
                "s3-sink",
                {
                    "topics": ",".join(settings.topics),
                    "bucket": landing.bucket,
                    "region": settings.region,
                    "topics_dir": landing.topics_dir,
                    "dead_letter_topic": settings.dead_letter_topic,
                    "replication_factor": str(kafka.replication_factor),
                },
                connect.overrides,
            ),
            service_role_arn=connect.service_role_arn,
            mcu_count=connect.mcu_count,
            worker_count=connect.worker_count,
            kafkaconnect_version=connect.kafkaconnect_version,
            log_group=connect.log_group or None,
            on_failed="{{ params.on_failed }}",
            region_name=settings.region,
            waiter_delay=2,
            waiter_max_attempts=600,
            deferrable=True,
        )

    with TaskGroup("workspace"):
        upload = DatabricksWorkspaceUploadOperator(
            task_id="upload",
            folder=Path(include.__file__).parent,
            root=workspace.root,
            force="{{ params.upload_all }}",
        )

    @task(outlets=[Asset("platform", uri="x-pinflow://platform")])
    def announce() -> None:
        """Tell the DAGs that wait for the platform."""

    chain([bucket, topics, plugin], connector)
    chain(*gateway)
    chain([connector, streams, upload, gateway[-1]], announce())
    if stacks:
        chain(*stacks, [bucket, topics, plugin, streams, upload, gateway[0]])
