"""``python -m sandbox.msk``: run the control planes of MSK and MSK Connect."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import uvicorn

from sandbox.msk.server import Options, create_app


def arguments() -> argparse.ArgumentParser:
    """The command line; S3 and its keys are taken from the environment, as in every AWS SDK."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.msk", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--bootstrap-servers", required=True, help="brokers as host:port, separated by commas")
    parser.add_argument("--connect-url", required=True, help="REST interface of the Connect worker")
    parser.add_argument("--cluster-name", required=True)
    parser.add_argument("--kafka-version", required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder for what must outlive a restart")
    return parser


def main() -> None:
    """Serve until SIGTERM."""
    given = vars(arguments().parse_args())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    port = given.pop("port")
    uvicorn.run(
        create_app(Options(**given)),
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
