"""``python -m sandbox.kinesis --port N --data FOLDER --limits on|off``."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from sandbox.kinesis.app import build


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="sandbox.kinesis", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limits", choices=("on", "off"), default="off")
    given = parser.parse_args()
    app = build(given.data, limits=given.limits == "on")
    uvicorn.run(app, host="127.0.0.1", port=given.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
