"""Confluent's error bodies, and which code each Kafka error has.

Codes and texts follow Confluent REST Proxy's v2 and v3 interfaces
(https://docs.confluent.io/platform/current/kafka-rest/api.html).
"""

from __future__ import annotations

from confluent_kafka import KafkaError

TOPIC_NOT_FOUND = (404, 40401, "Topic not found.")
PARTITION_NOT_FOUND = (404, 40402, "Partition not found.")
UNKNOWN_TOPIC_PARTITION = (404, 40403, "This server does not host this topic-partition.")
CONSUMER_NOT_FOUND = (404, 40403, "Consumer instance not found.")
CONSUMER_EXISTS = (
    409,
    40902,
    "Consumer with specified consumer ID already exists in the specified consumer group.",
)
FORMAT_MISMATCH = (
    406,
    40601,
    "The requested embedded data format does not match the deserializer for this consumer instance",
)
ALREADY_SUBSCRIBED = (
    409,
    40901,
    "Consumer cannot subscribe the the specified target because it has already subscribed to other topics.",
)
NO_SCHEMA_REGISTRY = (422, 42206, "Payload error. Schema Registry must be configured when using schemas.")
EMPTY_BODY = (422, 422, "Payload error. Request body is empty. Data is required.")

AUTHENTICATION = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
AUTHORIZATION = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
UNKNOWN_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
BAD_REQUEST = frozenset(
    {
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REQUEST,
        KafkaError.INVALID_REPLICA_ASSIGNMENT,
        KafkaError.INVALID_CONFIG,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_ALREADY_EXISTS,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.SECURITY_DISABLED,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._INVALID_ARG,
    }
)
RETRIABLE = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._FATAL,
        # A neighbour in the same batch was refused; the record itself was not looked at.
        KafkaError._INVALID_DIFFERENT_RECORD,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._PURGE_INFLIGHT,
        KafkaError._PURGE_QUEUE,
        KafkaError._QUEUE_FULL,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._WAIT_COORD,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        *UNKNOWN_TOPIC,
    }
)


class RestError(Exception):
    """An answer that is an error: HTTP status, Confluent's code and a text.

    :param status: the HTTP status.
    :param code: ``error_code`` of the body.
    :param message: ``message`` of the body.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def body(self) -> dict[str, object]:
        """The JSON body."""
        return {"error_code": self.code, "message": self.message}


class RecordError(Exception):
    """One record that is refused while the rest of its request goes on.

    :param code: the record's ``error_code``.
    :param message: why.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def unprocessable(message: str) -> RestError:
    """A body that was read but cannot be used."""
    return RestError(422, 422, message)


def bad_request(message: str) -> RestError:
    """A body or parameter that cannot be read."""
    return RestError(400, 400, message)


def v2_record_code(error: KafkaError) -> int:
    """The ``error_code`` of a v2 entry whose record was not taken."""
    code = error.code()
    if code in AUTHENTICATION:
        return 40101
    if code in AUTHORIZATION:
        return 40301
    return 50003 if code in RETRIABLE else 50002


def v3_record_code(error: KafkaError) -> int:
    """The ``error_code`` of a v3 report whose record was not taken."""
    return 413 if error.code() in TOO_LARGE else from_kafka(error).code


def from_kafka(error: KafkaError) -> RestError:
    """The answer to a management request that a broker refused."""
    code, text = error.code(), error.str()
    if code in AUTHENTICATION:
        return RestError(401, 40101, text)
    if code in AUTHORIZATION:
        return RestError(403, 40301, text)
    if code in UNKNOWN_TOPIC:
        return RestError(*UNKNOWN_TOPIC_PARTITION)
    if code in BAD_REQUEST:
        return RestError(400, 40002, text)
    return RestError(500, 50003 if code in RETRIABLE else 50002, text)
