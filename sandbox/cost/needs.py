"""What is paid for: quantities of a month, without their prices."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where on the way of a post something is, or what it serves."""

    AIRFLOW = "Airflow"
    NETWORK = "network"
    SOURCE = "source"
    GATEWAY = "gateway"
    KAFKA = "batch: Kafka"
    LANDING = "batch: S3 sink"
    BATCH = "batch: Databricks"
    KINESIS = "stream: Kinesis"
    STREAM = "stream: Databricks"
    STORAGE = "storage"
    OPERATIONS = "logs, secrets"


@dataclass(frozen=True)
class Need:
    """Something that is paid for.

    :param what: in words.
    :param price: the price's name in the prices file.
    :param quantity: a month, in the price's unit.
    :param kind: the type, where the price goes by types.
    :param fixed: needed even if nobody posts.
    """

    stage: Stage
    what: str
    price: str
    quantity: float
    kind: str = ""
    fixed: bool = False
