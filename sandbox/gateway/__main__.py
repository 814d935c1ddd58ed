"""``python -m sandbox.gateway``: serve the document on the loopback address."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

import include
from sandbox.gateway.app import Gateway
from sandbox.gateway.document import DocumentError, load
from sandbox.gateway.server import configuration
from sandbox.gateway.stages import StageError, Stages

DOCUMENT = Path(include.__file__).parent / "aws" / "gateway.openapi.yaml"


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.gateway", description="Run an API Gateway document.")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="OpenAPI 3.0 document, YAML or JSON")
    parser.add_argument("--stage", action="append", default=[], help="a stage to serve; may be repeated")
    parser.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE", help="a stage variable")
    parser.add_argument("--log-level", default="info", help="debug writes a line per request")
    return parser.parse_args(argv)


def build(options: argparse.Namespace) -> Gateway:
    """Make the application.

    :raises DocumentError: the document cannot be run.
    :raises StageError: a stage is not allowed or a variable is missing.
    """
    api = load(options.document)
    variables = dict(entry.split("=", 1) for entry in options.variable)
    return Gateway(api, Stages.of(options.stage, variables, api))


def main() -> int:
    """Serve until SIGTERM."""
    options = arguments()
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        gateway = build(options)
    except (DocumentError, StageError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvicorn.Server(configuration(gateway, options.port)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
