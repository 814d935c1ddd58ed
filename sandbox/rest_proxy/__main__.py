"""``python -m sandbox.rest_proxy``: run the proxy."""

from __future__ import annotations

import argparse
import logging

import uvicorn

from sandbox.rest_proxy.app import create_app
from sandbox.rest_proxy.options import Options


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.rest_proxy", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--bootstrap-servers", required=True, help="brokers as host:port, separated by commas")
    defaults = Options(bootstrap_servers="")
    parser.add_argument("--max-request-bytes", type=int, default=defaults.max_request_bytes)
    parser.add_argument("--delivery-timeout", type=float, default=defaults.delivery_timeout, help="seconds")
    return parser


def main() -> None:
    """Serve until SIGTERM."""
    given = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options = Options(
        bootstrap_servers=given.bootstrap_servers,
        max_request_bytes=given.max_request_bytes,
        delivery_timeout=given.delivery_timeout,
    )
    uvicorn.run(
        create_app(options),
        host="127.0.0.1",
        port=given.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
