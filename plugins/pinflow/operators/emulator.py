"""People posting: the emulator as a task."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from pinflow.exceptions import PinflowError, RecordsNotAccepted, Rejected
from pinflow.hooks.emulator import EmulatorHook

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from airflow.sdk import Context

    from emulator.post import EmulatorOptions, EmulatorSummary

PROGRESS_EVERY = 5.0


class EmulatorSeedOperator(BaseOperator):
    """Fill an empty source database with generated posts; rows that are there are left alone.

    :param posts: how many posts to generate. (templated)
    :param seed: the same seed gives the same rows. (templated)
    :param source_conn_id: the source database. (templated)
    """

    ui_color = "#fbe9c6"
    template_fields: Sequence[str] = ("posts", "seed", "source_conn_id")

    def __init__(
        self, *, posts: int | str = 11_000, seed: int | str = 100, source_conn_id: str = "source_default", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.posts = posts
        self.seed = seed
        self.source_conn_id = source_conn_id

    @cached_property
    def hook(self) -> EmulatorHook:
        """The source database, made on first use."""
        return EmulatorHook(self.source_conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """Fill or leave.

        :returns: ``seeded``, and ``posts``, how many rows each table has.
        """
        from emulator.source import seed, show

        found = show(self.hook.source_url, rows=0)
        if rows := max(found["tables"].values(), default=0):
            self.log.info("The source has %d posts: left as it is", rows)
            return {"seeded": False, "posts": rows}
        report = at_most_every(PROGRESS_EVERY, lambda done, total: self.log.info("%d of %d posts", done, total))
        made = seed(self.hook.source_url, int(self.posts), int(self.seed), report)
        return {"seeded": True, "posts": made.posts}


class EmulatorRunOperator(BaseOperator):
    """Let people post, and return the ledger's summary.

    The ledger's run id comes from the DAG run and the task, so a retry goes on with the same run: what was accepted is
    not posted again, nor is it after a clear; a new DAG run posts anew. Killing the task stops it cleanly: what is
    under way is brought to an end and written down.

    :param posts: how many random posts, or ``all``: each row once. (templated)
    :param target: ``batch``, ``stream`` or ``both``, or ``console`` to print only. (templated)
    :param rate: posts a second, ``human``, or empty for as fast as it goes. (templated)
    :param seed: the same seed draws the same posts. (templated)
    :param first_day: the first of the historic days over which the posts are spread; now when empty,
        which it must be with a stream. (templated)
    :param last_day: the last of them, inclusive; the first when empty. (templated)
    :param prefix: the topics' prefix. (templated)
    :param stage: the gateway's stage. (templated)
    :param batch_size: posts in a request at the most.
    :param connections: requests under way at the most.
    :param source_conn_id: the source database. (templated)
    :param gateway_conn_id: the gateway. (templated)
    :raises Rejected: a parameter cannot be read.
    :raises RecordsNotAccepted: records were rejected, or remain unknown; ``data["summary"]`` has the numbers.
    """

    ui_color = "#fbe9c6"
    template_fields: Sequence[str] = (
        "posts",
        "target",
        "rate",
        "seed",
        "first_day",
        "last_day",
        "prefix",
        "stage",
        "source_conn_id",
        "gateway_conn_id",
    )

    def __init__(
        self,
        *,
        prefix: str,
        stage: str,
        posts: int | str = 500,
        target: str = "batch",
        rate: float | str | None = None,
        seed: int | str = 100,
        first_day: str | None = None,
        last_day: str | None = None,
        batch_size: int = 500,
        connections: int = 6,
        source_conn_id: str = "source_default",
        gateway_conn_id: str = "gateway_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix
        self.stage = stage
        self.posts = posts
        self.target = target
        self.rate = rate
        self.seed = seed
        self.first_day = first_day
        self.last_day = last_day
        self.batch_size = batch_size
        self.connections = connections
        self.source_conn_id = source_conn_id
        self.gateway_conn_id = gateway_conn_id
        self._stop: threading.Event | None = None

    @cached_property
    def hook(self) -> EmulatorHook:
        """The connections, made on first use."""
        return EmulatorHook(self.source_conn_id, self.gateway_conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """Post.

        :returns: the emulator's summary.
        """
        from emulator.post import run

        self._stop = threading.Event()
        report = at_most_every(PROGRESS_EVERY, self._log_progress)
        summary = run(self.options(context), on_progress=report, stop=self._stop).as_dict()
        self.log.info("Summary: %s", summary)
        if self._stop.is_set():
            raise PinflowError(
                f"The emulator was stopped after {summary['posts']} posts.",
                "The task was killed.",
                "Clear the task to go on with the same run.",
                summary=summary,
            )
        if summary["rejected"] or summary["unknown"] or summary["state"] == "failed":
            raise _not_accepted(summary)
        return summary

    def on_kill(self) -> None:
        """Stop cleanly."""
        if self._stop is not None:
            self._stop.set()

    def options(self, context: Context) -> EmulatorOptions:
        """The emulator's options.

        :raises Rejected: a parameter cannot be read.
        """
        from emulator.exceptions import OptionsError
        from emulator.post import EmulatorOptions, Target

        try:
            return EmulatorOptions(
                source_url=self.hook.source_url,
                gateway_url=self.hook.gateway_url(self.stage),
                prefix=self.prefix,
                target=Target(self.target),
                posts=_posts(self.posts),
                rate=_rate(self.rate),
                seed=int(self.seed),
                days=_days(self.first_day, self.last_day),
                batch_size=self.batch_size,
                connections=self.connections,
                run_id=ledger_run_id(context["ti"]),
            )
        except OptionsError as error:
            raise Rejected(
                "The emulator cannot do this.", str(error), "Trigger the run again with other parameters."
            ) from error

    def _log_progress(self, summary: EmulatorSummary) -> None:
        self.log.info(
            "%d posts in %.0f s: %d records accepted, %d rejected, %d unknown, %d sent again",
            *(getattr(summary, name) for name in ("posts", "seconds", "accepted", "rejected", "unknown", "retried")),
        )


def ledger_run_id(instance: Any) -> str:
    """The ledger's run id of a task instance: the same for each of its tries, at most 64 characters."""
    parts = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index))
    return f"airflow-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:40]}"


def at_most_every[**P](seconds: float, call: Callable[P, object]) -> Callable[P, None]:
    """A function that passes its arguments on, but not again within so many seconds."""
    last = time.monotonic()

    def report(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            call(*args, **kwargs)

    return report


def _posts(given: int | str) -> int | Literal["all"]:
    if given == "all":
        return "all"
    try:
        return int(given)
    except ValueError:
        raise _unreadable("posts", given, "a number or 'all'") from None


def _rate(given: float | str | None) -> float | Literal["human"] | None:
    if given in (None, "", "None"):
        return None
    if given == "human":
        return "human"
    try:
        return float(str(given))
    except ValueError:
        raise _unreadable("rate", given, "posts a second, 'human', or empty") from None


def _days(first: str | None, last: str | None) -> tuple[date, date] | None:
    from datetime import date

    given = [text if text not in (None, "", "None") else None for text in (first, last)]
    if given[0] is None:
        if given[1] is not None:
            raise _unreadable("first_day", first, "a day, as the last day is given")
        return None
    try:
        begins = date.fromisoformat(given[0])
        return begins, date.fromisoformat(given[1]) if given[1] else begins
    except ValueError:
        raise _unreadable("first_day or last_day", (first, last), "a day such as 2022-03-01") from None


def _unreadable(name: str, given: object, wanted: str) -> Rejected:
    return Rejected(
        f"The parameter {name} cannot be read.",
        f"It is {given!r} and must be {wanted}.",
        "Trigger the run again with it.",
    )


def _not_accepted(summary: dict[str, Any]) -> RecordsNotAccepted:
    return RecordsNotAccepted(
        f"{summary['rejected']} records were rejected and {summary['unknown']} are unknown, of {summary['records']}.",
        summary.get("error") or f"The ledger has the reason of each (run {summary['run_id']}).",
        "Look at pinflow_ledger and at the gateway's log, then clear the task: it posts only what is missing.",
        summary=summary,
    )
