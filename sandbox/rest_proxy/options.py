"""The settings of one REST proxy process."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Options:
    """What the proxy is told at its start.

    :param bootstrap_servers: the brokers, ``host:port`` separated by commas.
    :param max_request_bytes: the largest request body that is read whole; a larger one is 413.
    :param max_record_bytes: the largest single record in a v3 stream, as text.
    :param max_message_bytes: the largest record sent to a broker (``max.request.size`` of Confluent's proxy).
    :param batch_maximum_entries: entries in one ``records:batch`` (``api.v3.produce.batch.maximum.entries``).
    :param delivery_timeout: seconds until a record that no broker takes is reported as failed.
    :param metadata_timeout: seconds until a question to the brokers is given up.
    :param metadata_age: seconds that a topic's partition count is believed.
    :param queue_bytes: bytes of records that wait for the brokers, over all requests.
    :param stream_window: records of one v3 stream that may wait for their report.
    :param consumer_idle: seconds until an unused v2 consumer instance is closed.
    :param consumer_maximum: v2 consumer instances at a time.
    """

    bootstrap_servers: str
    max_request_bytes: int = 32 * MIB
    max_record_bytes: int = 8 * MIB
    max_message_bytes: int = MIB
    batch_maximum_entries: int = 10
    delivery_timeout: float = 15.0
    metadata_timeout: float = 5.0
    metadata_age: float = 10.0
    queue_bytes: int = 64 * MIB
    stream_window: int = 20_000
    consumer_idle: float = 300.0
    consumer_maximum: int = 64
