"""Ask a Spark Connect server for its version, with nothing but grpc: ``python -m sandbox.databricks.probe PORT``."""

from __future__ import annotations

import sys

import grpc  # type: ignore[import-untyped]

METHOD = "/spark.connect.SparkConnectService/AnalyzePlan"
SESSION = b"00000000-0000-4000-8000-000000000001"
TIMEOUT = 4.0


def request() -> bytes:
    """``AnalyzePlanRequest{session_id, user_context{user_id: "probe"}, spark_version{}}`` in protobuf.

    Written out here because importing pyspark for it takes a second of processor time at each check.
    """
    return b"\x0a" + bytes([len(SESSION)]) + SESSION + b"\x12\x07\x0a\x05probe\x52\x00"


def probe(port: int) -> None:
    """Wait for an answer.

    :param port: of the Connect server on 127.0.0.1.
    :raises grpc.RpcError: the server does not answer within 4 s, or with an error.
    """
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        channel.unary_unary(METHOD)(request(), timeout=TIMEOUT)


def main() -> int:
    """The exit code is 0 when the server answers."""
    try:
        probe(int(sys.argv[1]))
    except grpc.RpcError as error:
        sys.stderr.write(f"gRPC: {error.code().name} {error.details()}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
