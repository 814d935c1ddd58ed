"""The three requests that are made to Spark Connect without pyspark, which takes a second and 100 MB to import.

The field numbers are those of ``spark/connect/base.proto`` of Spark 4.1.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = "/spark.connect.SparkConnectService"
INTERRUPT_TYPE_ALL = 1


def _text(field: int, value: str) -> bytes:
    content = value.encode()
    return bytes([field << 3 | 2, len(content)]) + content


def _who(session_id: str, user_id: str) -> bytes:
    user = _text(1, user_id)
    return _text(1, session_id) + bytes([2 << 3 | 2, len(user)]) + user


def version_request(session_id: str, user_id: str) -> bytes:
    """``AnalyzePlanRequest`` with ``spark_version``."""
    return _who(session_id, user_id) + bytes([10 << 3 | 2, 0])


def interrupt_request(session_id: str, user_id: str) -> bytes:
    """``InterruptRequest`` for all operations of a session."""
    return _who(session_id, user_id) + bytes([4 << 3, INTERRUPT_TYPE_ALL])


def release_request(session_id: str, user_id: str) -> bytes:
    """``ReleaseSessionRequest``."""
    return _who(session_id, user_id)


@contextmanager
def channel(port: int) -> Iterator[Any]:
    """A gRPC channel to a server on 127.0.0.1."""
    import grpc  # type: ignore[import-untyped]

    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as made:
        yield made


def call(made: Any, method: str, request: bytes, timeout: float) -> bytes:
    """One call.

    :param made: the channel.
    :param method: its name, such as ``AnalyzePlan``.
    :param timeout: seconds.
    :raises grpc.RpcError: no answer, or an error.
    """
    answer: bytes = made.unary_unary(f"{SERVICE}/{method}")(request, timeout=timeout)
    return answer
