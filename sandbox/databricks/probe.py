"""Ask a Spark Connect server for its version: ``python -m sandbox.databricks.probe PORT``."""

from __future__ import annotations

import sys

from sandbox.databricks.connect_protocol import call, channel, version_request

SESSION = "00000000-0000-4000-8000-000000000001"
TIMEOUT = 4.0


def main() -> int:
    """The exit code is 0 when the server answers within 4 s."""
    import grpc  # type: ignore[import-untyped]

    try:
        with channel(int(sys.argv[1])) as made:
            call(made, "AnalyzePlan", version_request(SESSION, "probe"), TIMEOUT)
    except grpc.RpcError as error:
        sys.stderr.write(f"gRPC: {error.code().name} {error.details()}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
