"""Make everything that the pipelines need, or adopt it and bring it to what the settings say.

A second run changes nothing. It ends by announcing the asset `platform`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.providers.amazon.aws.operators.s3 import S3CreateBucketOperator
from airflow.sdk import DAG, Asset, Param, TaskGroup, chain, task

import include
from include.aws.connectors import render
from include.config.settings import TABLES, load
from pinflow.operators.databricks import DatabricksWorkspaceUploadOperator
from pinflow.operators.kafka_rest import KafkaRestCreateTopicOperator
from pinflow.operators.kinesis import KinesisCreateStreamOperator
from pinflow.operators.msk_connect import MskConnectCreateConnectorOperator, MskConnectCreateCustomPluginOperator
from pinflow.retries import FAIL_FAST

settings = load()
kafka, connect, landing, workspace = settings.kafka, settings.connect, settings.landing, settings.workspace

with DAG(
    dag_id="pinflow_provision",
    schedule=None,
    start_date=pendulum.datetime(2017, 10, 19, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["pinflow", "platform"],
    doc_md=__doc__,
    dagrun_timeout=timedelta(hours=1),
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
            tags={"pinflow": settings.prefix},
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
    chain([connector, streams, upload], announce())
