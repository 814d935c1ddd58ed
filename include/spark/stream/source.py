"""Kinesis and Kafka as one shape of frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from include.spark.stream.parameters import Parameters

COLUMNS = ("stream", "table_name", "raw", "shard_id", "sequence_number", "arrived_at")
"""The columns that each source gives."""

Credentials = Callable[[str], Any]

BATCH_BYTES = "16mb"
BATCH_RECORDS = "20000"
"""What a micro-batch may hold: it passes through the process that writes."""


def read(spark: SparkSession, parameters: Parameters) -> DataFrame:
    """The stream of the records of all tables, with ``COLUMNS``.

    Kinesis options: https://docs.databricks.com/aws/en/connect/streaming/kinesis/; Kafka options:
    https://spark.apache.org/docs/latest/streaming/structured-streaming-kafka-integration.html.
    """
    frame = spark.readStream.format(parameters.source).options(**options(parameters)).load()
    tables = {parameters.stream(table): table for table in parameters.tables}
    return from_kafka(frame, tables) if parameters.source == "kafka" else from_kinesis(frame, tables)


def from_kinesis(frame: DataFrame, tables: Mapping[str, str]) -> DataFrame:
    """Records with the columns of the source ``kinesis``.

    :param tables: the table of each stream's name.
    """
    return frame.select(
        F.col("stream"),
        _table(F.col("stream"), tables),
        text(F.col("data")).alias("raw"),
        F.col("shardId").alias("shard_id"),
        F.col("sequenceNumber").alias("sequence_number"),
        F.col("approximateArrivalTimestamp").alias("arrived_at"),
    )


def from_kafka(frame: DataFrame, tables: Mapping[str, str]) -> DataFrame:
    """Records with the columns of the source ``kafka``; those without a value are ignored, as the S3 sink does.

    :param tables: the table of each topic's name.
    """
    return frame.where(F.col("value").isNotNull()).select(
        F.col("topic").alias("stream"),
        _table(F.col("topic"), tables),
        text(F.col("value")).alias("raw"),
        F.col("partition").cast("string").alias("shard_id"),
        F.col("offset").cast("string").alias("sequence_number"),
        F.col("timestamp").alias("arrived_at"),
    )


def text(data: Column) -> Column:
    """The text of a record. What is not UTF-8 becomes ``base64:…``, which no contract accepts, so nothing is lost."""
    decoded = data.cast("string")
    return F.when(F.is_valid_utf8(decoded), decoded).otherwise(F.concat(F.lit("base64:"), F.base64(data)))


def _table(stream: Column, tables: Mapping[str, str]) -> Column:
    pairs = [F.lit(part) for pair in tables.items() for part in pair]
    return F.element_at(F.create_map(*pairs), stream).alias("table_name")


def options(parameters: Parameters) -> dict[str, str]:
    """What the source is given: all streams at once; the run's own options win."""
    return {**_options(parameters), **parameters.source_options}


def _options(parameters: Parameters) -> dict[str, str]:
    streams = ",".join(map(parameters.stream, parameters.tables))
    if parameters.source == "kafka":
        start = "latest" if parameters.initial_position == "latest" else "earliest"
        return {
            "kafka.bootstrap.servers": parameters.kafka_bootstrap,
            "subscribe": streams,
            "startingOffsets": start,
            "maxOffsetsPerTrigger": BATCH_RECORDS,
        }
    region = {"region": parameters.region} if parameters.region else {}
    bounds = {"initialPosition": parameters.initial_position, "fetchBufferSize": BATCH_BYTES}
    return {"streamName": streams, **bounds, **region}


def incarnations(parameters: Parameters, credentials: Credentials | None = None) -> dict[str, str]:
    """What is read, each with what tells a stream from one of the same name that was made later.

    Kinesis: the stream's creation time. Kafka has an id a topic, which no client on Databricks gives: there it is the
    name, and Spark's own source fails when offsets go backwards.

    :param credentials: gives the botocore session of a Unity Catalog service credential, by its name. Source:
        https://docs.databricks.com/aws/en/connect/unity-catalog/cloud-services/use-service-credentials.
    :raises StreamNotFoundError: there is no such stream.
    """
    streams = [parameters.stream(table) for table in parameters.tables]
    if parameters.source == "kafka":
        return dict.fromkeys(streams, "topic")
    client = _kinesis(parameters, credentials)
    return {stream: _created(client, stream) for stream in streams}


class StreamNotFoundError(RuntimeError):
    """A stream that is to be read does not exist."""


def _kinesis(parameters: Parameters, credentials: Credentials | None) -> Any:
    import boto3

    given = parameters.source_options
    names = {
        "endpoint_url": "endpoint",
        "region_name": "region",
        "aws_access_key_id": "awsAccessKey",
        "aws_secret_access_key": "awsSecretKey",
        "aws_session_token": "awsSessionToken",
    }
    settings = {name: given[option] for name, option in names.items() if option in given}
    session = boto3.Session()
    if credentials and "serviceCredential" in given:
        session = boto3.Session(botocore_session=credentials(given["serviceCredential"]))
    return session.client("kinesis", **{"region_name": parameters.region or None, **settings})


def _created(client: Any, stream: str) -> str:
    try:
        summary = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    except client.exceptions.ResourceNotFoundException:
        raise StreamNotFoundError(
            f"There is no stream {stream}. The job reads it. Run the DAG pinflow_provision, or mend the prefix."
        ) from None
    created: datetime = summary["StreamCreationTimestamp"]
    return created.astimezone(UTC).isoformat()
