"""The emulator's own command line: ``python -m emulator seed | load | show | post``.

What a command found out is one JSON document on standard output (``post --to console`` prints the records there
instead); progress and errors go to standard error. The exit code is 0 only if all went well: 1 for an error, or when
records were rejected or are of unknown outcome; 2 for a command line that makes no sense.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from types import FrameType
from typing import Any

from emulator import commands
from emulator.exceptions import EmulatorError, OptionsError
from emulator.post import EmulatorOptions, EmulatorSummary, run

SOURCE = "PINFLOW_SOURCE_URL"
GATEWAY = "PINFLOW_GATEWAY_URL"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    if not given.source:
        parser.error(f"the source database is missing: give --source URL or set {SOURCE}")
    try:
        return command(given)
    except OptionsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except EmulatorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulator", description="People who post, and their database.")
    actions = parser.add_subparsers(required=True, metavar="seed | load | show | post")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--source",
        metavar="URL",
        default=os.environ.get(SOURCE),
        help=f"the source database: a SQLAlchemy URL, such as sqlite:////folder/source.db (default: ${SOURCE})",
    )
    _add_seed(actions.add_parser("seed", parents=[common], help="fill the source with generated posts"))
    _add_load(actions.add_parser("load", parents=[common], help="fill the source with your own rows"))
    show = actions.add_parser("show", parents=[common], help="say what is in the source")
    show.set_defaults(command=_show)
    _add_post(actions.add_parser("post", parents=[common], help="post rows as people would"))
    return parser


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--posts", type=int, default=11_000, metavar="N")
    parser.add_argument("--seed", type=int, default=100, metavar="N", help="the same seed gives the same rows")
    parser.add_argument("--replace", action="store_true", help="also replace rows that were not generated")
    parser.set_defaults(command=_seed)


def _add_load(parser: argparse.ArgumentParser) -> None:
    for name in ("pin", "geo", "user"):
        parser.add_argument(f"--{name}", required=True, metavar="FILE", help="JSON lines or CSV, UTF-8")
    parser.add_argument("--replace", action="store_true", help="replace the rows that are there")
    parser.set_defaults(command=_load)


def _add_post(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", choices=("console", "batch", "stream", "both"), default="batch")
    parser.add_argument("--gateway", metavar="URL", default=os.environ.get(GATEWAY, ""), help="with the stage")
    parser.add_argument(
        "--prefix", default="pinflow", help="topics are PREFIX.pin ..., streams streaming-PREFIX-pin ..."
    )
    parser.add_argument("--posts", type=_posts, default=1_000, metavar="N|all")
    parser.add_argument("--rate", type=_rate, metavar="R|human", help="posts a second, or pauses of 0 to 2 s")
    parser.add_argument("--seed", type=int, default=100, metavar="N")
    parser.add_argument(
        "--days", type=_days, metavar="FROM:TO", help="spread over these days (both included, UTC; batch only)"
    )
    parser.add_argument("--run-id", metavar="NAME", help="go on with this run if the ledger has it")
    parser.add_argument("--batch-size", type=int, default=EmulatorOptions.batch_size, metavar="N")
    parser.add_argument("--connections", type=int, default=EmulatorOptions.connections, metavar="N")
    parser.add_argument("--times", choices=("text", "iso", "colons"), default="text", help="how times are written")
    parser.set_defaults(command=_post)


def _seed(given: argparse.Namespace) -> int:
    return _print(commands.seed(given.source, given.posts, given.seed, _bar("posts"), replace=given.replace))


def _load(given: argparse.Namespace) -> int:
    return _print(commands.load(given.source, given.pin, given.geo, given.user, given.replace, _bar("rows")))


def _show(given: argparse.Namespace) -> int:
    return _print(commands.show(given.source))


def _post(given: argparse.Namespace) -> int:
    options = EmulatorOptions(
        source_url=given.source,
        gateway_url=given.gateway,
        prefix=given.prefix,
        target=given.to,
        posts=given.posts,
        rate=given.rate,
        seed=given.seed,
        days=given.days,
        batch_size=given.batch_size,
        connections=given.connections,
        dialect=given.times,
        run_id=given.run_id,
    )
    with _stop_on_signal() as stop:
        summary = run(options, on_progress=None if given.to == "console" else _line, stop=stop)
    if given.to == "console":
        print(f"{summary.posts} posts printed, {summary.state}.", file=sys.stderr)
    else:
        _print(summary.as_dict())
    if summary.error:
        print(f"error: {summary.error}", file=sys.stderr)
    return 0 if summary.clean else 1


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; the second ends the process at once, as is usual."""
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(document: dict[str, Any]) -> int:
    print(json.dumps(document, indent=2, ensure_ascii=False))
    return 0


def _bar(unit: str) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done:,} of {total:,} {unit}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return report


def _line(summary: EmulatorSummary) -> None:
    if sys.stderr.isatty():
        text = f"{summary.posts:,} posts, {summary.accepted:,} accepted, {summary.rejected:,} rejected"
        print(f"\r{text}", end="" if summary.state == "running" else "\n", file=sys.stderr, flush=True)


def _posts(text: str) -> int | str:
    return text if text == "all" else int(text)


def _rate(text: str) -> float | str:
    return text if text == "human" else float(text)


def _days(text: str) -> tuple[date, date]:
    first, _, last = text.partition(":")
    try:
        return date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not FROM:TO, like 2022-03-01:2022-03-07 ({error})") from None
