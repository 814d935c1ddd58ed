"""Let people post: rows of the source database go through the gateway, and the ledger notes what became of each record.

The source is filled with generated posts when it is empty. The task `emulate` returns the summary.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param

from include.config.settings import load
from pinflow.operators.emulator import EmulatorRunOperator, EmulatorSeedOperator
from pinflow.retries import FAIL_FAST

settings = load()
DAY = "^$|^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

with DAG(
    dag_id="pinflow_emulate",
    schedule=None,
    start_date=pendulum.datetime(2017, 10, 19, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["pinflow", "emulator"],
    doc_md=__doc__,
    dagrun_timeout=timedelta(hours=26),
    default_args={
        "owner": "data-platform",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "retry_policy": FAIL_FAST,
        "execution_timeout": timedelta(hours=25),
    },
    params={
        "posts": Param(
            500,
            type=["integer", "string"],
            minimum=1,
            pattern="^([1-9][0-9]*|all)$",
            title="Posts",
            description_md="How many random posts, or `all`: each row of the source once.",
        ),
        "target": Param(
            "batch",
            type="string",
            enum=["batch", "stream", "both", "console"],
            title="Where to",
            description_md="`batch` posts to the topics, `stream` to the streams, `both` to either; `console` prints.",
        ),
        "rate": Param(
            None,
            type=["null", "number", "string"],
            exclusiveMinimum=0,
            pattern="^(human|[0-9]+([.][0-9]+)?)?$",
            title="Posts a second",
            description_md="A number, `human` (pauses of 0 to 2 s), or empty for as fast as it goes.",
        ),
        "seed": Param(100, type="integer", title="Seed", description_md="The same seed draws the same posts."),
        "first_day": Param(
            "",
            type=["null", "string"],
            pattern=DAY,
            title="First day",
            description_md="Spread the posts over past days by their record time, as `2022-03-01`. Empty: now.",
        ),
        "last_day": Param(
            "",
            type=["null", "string"],
            pattern=DAY,
            title="Last day",
            description_md="Inclusive. Empty: the first day.",
        ),
        "source_posts": Param(
            11_000,
            type="integer",
            minimum=1,
            title="Posts of an empty source",
            description_md="How many posts are generated when the source has none.",
        ),
    },
):
    seed_source = EmulatorSeedOperator(
        task_id="seed_source", posts="{{ params.source_posts }}", seed="{{ params.seed }}"
    )
    emulate = EmulatorRunOperator(
        task_id="emulate",
        prefix=settings.prefix,
        stage=settings.gateway.stage,
        posts="{{ params.posts }}",
        target="{{ params.target }}",
        rate="{{ params.rate or '' }}",
        seed="{{ params.seed }}",
        first_day="{{ params.first_day or '' }}",
        last_day="{{ params.last_day or '' }}",
    )
    seed_source >> emulate
