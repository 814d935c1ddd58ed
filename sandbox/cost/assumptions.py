"""Numbers that neither the repository nor a measurement tells: opinions, each with its reason; --json shows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Assumption:
    """A number and why it is thought to be so."""

    name: str
    value: float
    why: str


MWAA_DATABASE_GB = Assumption("GB of MWAA's metadata database", 10.0, "AWS' own example for an ordinary environment")
UPLOAD_CALLS = Assumption(
    "S3 calls to write a landed object", 3.0, "Confluent's sink makes every object a multipart upload: begin, part, end"
)
READS = Assumption("S3 calls to read a landed object", 2.0, "its size, its bytes; one run reads it")
LAKE_COPIES = Assumption(
    "copies of a row in the lake, batch", 2.0, "bronze and silver; gold is small; as large as gzip of 1,000 rows"
)
STREAM_COPIES = Assumption("copies of a row in the lake, stream", 1.0, "the tables of the schema stream")
OLD_VERSIONS = Assumption("times the lake's size for old versions", 1.5, "until VACUUM; not measured")
MICROBATCH_SECONDS = Assumption(
    "seconds of a micro-batch on a cluster",
    5.0,
    "commits of Delta tables on S3 outlast the trigger; not measured",
)
MICROBATCH_PUTS = Assumption(
    "S3 writes of a micro-batch",
    20.0,
    "file and log entry of six tables, checkpoints of two queries; not measured",
)
MICROBATCH_GETS = Assumption("S3 reads of a micro-batch", 20.0, "as many as writes; not measured")
CLEAN_MINUTES = Assumption(
    "minutes of a daily run without posts", 10.0, "the cluster starts, the tables are looked up; not measured"
)
CLEAN_MINUTES_MILLION = Assumption("minutes more for a million posts", 10.0, "not measured on Databricks")
SERVERLESS_MINUTES = Assumption("minutes of a serverless daily run without posts", 3.0, "not measured")
SERVERLESS_STREAM_MINUTES = Assumption("minutes of a serverless streaming run", 1.5, "not measured")
SERVERLESS_DBU = Assumption("DBUs an hour of a serverless run", 4.0, "Databricks tells no rate; not measured")
ANSWERS_MINUTES = Assumption("minutes a day of the warehouse for quality, gold and reconcile", 10.0, "not measured")
CLUSTER_DISK_GB = Assumption(
    "GB of disks of a cluster's machine", 180.0, "Databricks attaches volumes of 30 and 150 GB to each"
)
ACCESS_LINE = Assumption(
    "bytes of a line of the access log", 230.0, "the format in pinflow_provision, and 26 of CloudWatch"
)
PROXY_LINE = Assumption("bytes that the REST proxy logs for a request", 200.0, "a line of its request log")
SINK_LINES = Assumption("bytes that the sink logs for an object", 500.0, "a few lines at INFO; not measured")
BROKER_LOG_GB = Assumption("GB a month that a broker logs", 0.5, "INFO, little use")
AIRFLOW_LOG_GB = Assumption("GB a month that Airflow logs", 1.0, "tasks at INFO, the rest at WARNING")

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Assumption))
