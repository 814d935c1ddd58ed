"""Delete the platform, after a person has said yes: all that `pinflow_provision` made, with its data.

It ends by listing what is left, and is red if any of it is billed. Stacks and a gateway that exist by the settings
are kept, but no posts. A second run finds nothing to do; `pinflow_provision` makes everything again. The source
database with its ledger stays. Pause `pinflow_batch`, which is scheduled.

Approve in the user interface (Required Actions), or when it is triggered, by the parameter `approved`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, TaskGroup, chain, task

from include.config.settings import TABLES, load
from pinflow.exceptions import NotFound, Rejected
from pinflow.operators.api_gateway import ApiGatewayDeleteApiOperator
from pinflow.operators.approval import ApprovalGateOperator
from pinflow.operators.cloudformation import CloudFormationDeleteStackOperator
from pinflow.operators.databricks import DatabricksDropSchemasOperator
from pinflow.operators.inventory import PlatformInventoryOperator
from pinflow.operators.kafka import KafkaDeleteConsumerGroupOperator
from pinflow.operators.kafka_rest import KafkaRestDeleteTopicOperator
from pinflow.operators.kinesis import KinesisDeleteStreamOperator
from pinflow.operators.msk_connect import MskConnectDeleteConnectorOperator, MskConnectDeleteCustomPluginOperator
from pinflow.operators.s3 import S3DeleteVersionedBucketOperator
from pinflow.operators.streaming import StreamingCheckpointResetOperator, StreamingJobStopOperator
from pinflow.retries import FAIL_FAST

settings = load()
connect, streaming, workspace, region = settings.connect, settings.streaming, settings.workspace, settings.region
storage = settings.stack("storage")
own_stacks = [stack for stack in reversed(settings.stacks) if not stack.exists]
OTHERS = ("pinflow_provision", "pinflow_emulate", "pinflow_batch", "pinflow_streaming")
SCHEMAS = ("live", "stream", "gold", "quarantine", "silver", "bronze", "ops")

with DAG(
    dag_id="pinflow_teardown",
    schedule=None,
    start_date=pendulum.datetime(2017, 10, 19, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["pinflow", "platform"],
    doc_md=__doc__,
    dagrun_timeout=timedelta(hours=30),
    default_args={
        "owner": "data-platform",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "retry_policy": FAIL_FAST,
        "execution_timeout": timedelta(hours=2),
    },
    params={
        "approved": Param(
            False,
            type="boolean",
            title="Approved",
            description_md="Nobody is asked: for CI and scripts. Otherwise the first task waits for a yes, 24 hours.",
        ),
    },
):
    approve = ApprovalGateOperator(
        task_id="approve",
        approved="{{ params.approved }}",
        subject=f"Delete the platform {settings.prefix} in {settings.name}, with all posts in it",
        body="Streams, topics, landed objects and the tables of the lake cannot be brought back.",
        response_timeout=timedelta(hours=24),
    )

    @task
    def others_rest(**context: Any) -> None:
        """Refuse while another of our DAGs runs: a window of supervision would start the streaming job again."""
        count = context["ti"].get_dr_count
        if running := [name for name in OTHERS if count(dag_id=name, states=["running", "queued"])]:
            raise Rejected(
                f"{', '.join(running)} runs.",
                "What it needs would be deleted under it, and it would make some of it again.",
                "Wait for it or mark its run failed (./pinflow streaming stop ends windows), then clear this task.",
            )

    with TaskGroup("streaming"):
        stop = StreamingJobStopOperator(task_id="stop", job_id=streaming.job_id)
        reset = StreamingCheckpointResetOperator(
            task_id="reset",
            notebook_path=f"{workspace.root}/include/spark/notebooks/stream_reset",
            parameters={"checkpoint_root": streaming.checkpoint_root, "catalog": workspace.catalog},
            cluster=dict(workspace.cluster),
            retries=6,
            retry_delay=timedelta(seconds=15),
        )
        tables = DatabricksDropSchemasOperator(
            task_id="tables", schemas=SCHEMAS, catalog=workspace.catalog, warehouse_id=workspace.warehouse_id
        )

    with TaskGroup("connect"):
        connector = MskConnectDeleteConnectorOperator(
            task_id="connector",
            connector_name=connect.connector_name,
            region_name=region,
            waiter_delay=2,
            waiter_max_attempts=600,
            deferrable=True,
        )
        plugin = MskConnectDeleteCustomPluginOperator(
            task_id="plugin", plugin_name=connect.plugin_name, region_name=region, waiter_delay=2, deferrable=True
        )

    with TaskGroup("kafka"):

        @task.short_circuit(ignore_downstream_trigger_rules=False)
        def cluster() -> bool:
            """Whether there is a cluster still; without one its topics and groups are gone, and nobody can be asked."""
            from pinflow.hooks.msk import MskHook

            try:
                MskHook(region_name=region).cluster(settings.kafka.cluster_name)
            except NotFound:
                return False
            return True

        has_cluster = cluster()
        topics = KafkaRestDeleteTopicOperator.partial(task_id="topics", map_index_template="{{ task.topic }}").expand(
            topic=[*settings.topics, settings.dead_letter_topic]
        )
        group = KafkaDeleteConsumerGroupOperator(task_id="group", group=f"connect-{connect.connector_name}")

    with TaskGroup("kinesis"):
        streams = KinesisDeleteStreamOperator.partial(
            task_id="streams",
            map_index_template="{{ task.stream_name }}",
            enforce_consumer_deletion=True,
            region_name=region,
            waiter_delay=2,
            waiter_max_attempts=300,
            deferrable=True,
            trigger_rule="none_failed",
        ).expand(stream_name=[settings.stream(table) for table in TABLES])

    bucket = S3DeleteVersionedBucketOperator(
        task_id="landing",
        bucket_name=settings.landing.bucket,
        keep_bucket=storage is not None and storage.exists,
        region_name=region,
    )
    rest: list[Any] = [bucket]
    if not settings.gateway.exists:
        rest.append(
            ApiGatewayDeleteApiOperator(
                task_id="gateway",
                api_name=settings.gateway.api_name,
                tags={"pinflow": settings.prefix},
                region_name=region,
                retries=5,
                retry_delay=timedelta(seconds=30),
            )
        )
    rest += [
        CloudFormationDeleteStackOperator(
            task_id=f"stack_{stack.name.replace('-', '_')}",
            stack_name=f"{settings.prefix}-{stack.name}",
            empty_buckets=True,
            region_name=region,
            deferrable=True,
        )
        for stack in own_stacks
    ]
    left = PlatformInventoryOperator(
        task_id="left",
        prefix=settings.prefix,
        cluster_name=settings.kafka.cluster_name,
        connector_name=connect.connector_name,
        plugin_name=connect.plugin_name,
        stream_prefix=settings.stream(""),
        api_name=settings.gateway.api_name,
        buckets=[] if storage is not None and storage.exists else [settings.landing.bucket],
        kept_stacks=[f"{settings.prefix}-{stack.name}" for stack in settings.stacks if stack.exists],
        region_name=region,
    )

    chain(approve, others_rest(), stop, reset, tables, connector, plugin, has_cluster, topics, group, streams)
    chain(streams, *rest, left)
