"""A tiny part of a sandbox: answers on a port, with the children and the manners that its arguments name."""

from __future__ import annotations

import argparse
import http.server
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

CHILDREN = {
    "plain": {},
    "own-session": {"start_new_session": True},
    "unmarked": {"env": {}},
}
HEAVY = "import time; held = b'x' * (64 << 20); print('held', flush=True); time.sleep(600)"


def main() -> None:
    arguments = parse()
    folder: Path = arguments.folder
    if arguments.die:
        sys.exit(arguments.die)
    children = [subprocess.Popen(["/bin/sleep", "600"], **CHILDREN[kind]).pid for kind in arguments.child]
    if arguments.heavy_child:
        heavy = subprocess.Popen([sys.executable, "-c", HEAVY], stdout=subprocess.PIPE)
        assert heavy.stdout is not None
        heavy.stdout.readline()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            well = arguments.sick_until is None or arguments.sick_until.exists()
            document = {"pid": os.getpid(), "told": arguments.told, "children": children}
            self.send_response(200 if well else 503)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

    def end(number: int, frame: FrameType | None) -> None:
        if arguments.child_at_end:
            late = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
            (folder / "late").write_text(str(late.pid))
        (folder / "ended").write_text(str(time.monotonic_ns()))
        os._exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if arguments.stubborn else end)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Answer)
    print("serves", flush=True)
    server.serve_forever()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--told", type=int, action="append", default=[])
    parser.add_argument("--child", choices=CHILDREN, action="append", default=[])
    parser.add_argument("--heavy-child", action="store_true")
    parser.add_argument("--child-at-end", action="store_true")
    parser.add_argument("--stubborn", action="store_true")
    parser.add_argument("--sick-until", type=Path)
    parser.add_argument("--die")
    return parser.parse_args()


if __name__ == "__main__":
    main()
