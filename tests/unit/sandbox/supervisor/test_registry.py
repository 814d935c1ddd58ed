from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from sandbox.supervisor.part import Command, Context
from sandbox.supervisor.registry import UnknownPartError, dependents, parts, select


@dataclass
class Named:
    name: str
    requires: tuple[str, ...] = ()
    stands_for: str = ""
    stop_grace: float = 1.0

    def prepare(self, context: Context) -> None: ...

    def command(self, context: Context) -> Command:
        raise NotImplementedError

    def check(self, context: Context) -> str | None: ...

    def ready(self, context: Context) -> None: ...


CHAIN = (Named("top", ("middle", "side")), Named("side"), Named("middle", ("base",)), Named("base"), Named("other"))


def names(chosen: tuple[Named, ...]) -> list[str]:
    return [part.name for part in chosen]


def test_required_parts_come_first() -> None:
    assert names(select(CHAIN, ["top"])) == ["base", "middle", "side", "top"]


def test_each_part_once() -> None:
    assert names(select(CHAIN, ["middle", "top", "base"])) == ["base", "middle", "side", "top"]


def test_nothing_asked_nothing_chosen() -> None:
    assert select(CHAIN, []) == ()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownPartError, match=re.escape("no part 'kafak'. The parts are: top, side, middle")):
        select(CHAIN, ["kafak"])


@pytest.mark.parametrize(
    ("asked", "stopped"),
    [
        (["base"], ["top", "middle", "base"]),
        (["side"], ["top", "side"]),
        (["top"], ["top"]),
        (["other", "middle"], ["other", "top", "middle"]),
    ],
)
def test_dependents_come_first(asked: list[str], stopped: list[str]) -> None:
    found = dependents(CHAIN, asked)
    assert sorted(found) == sorted(stopped)
    assert all(found.index("top") < found.index(name) for name in found if name in ("middle", "side", "base"))


class TestTheSandbox:
    BATCH = (
        "aws", "kafka", "connect", "rest-proxy", "gateway", "msk", "spark", "databricks",
        "airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer",
    )  # fmt: skip

    def test_all_parts_of_the_batch_path_are_there_in_the_order_in_which_they_are_shown(self) -> None:
        assert [part.name for part in parts() if part.name in self.BATCH] == list(self.BATCH)

    def test_no_name_serves_twice(self) -> None:
        assert len({part.name for part in parts()}) == len(parts())

    @pytest.mark.parametrize("name", [part.name for part in parts()])
    def test_each_can_be_started_with_what_it_requires(self, name: str) -> None:
        chosen = names(select(parts(), [name]))
        assert chosen[-1] == name
        for part in select(parts(), [name]):
            assert all(chosen.index(required) < chosen.index(part.name) for required in part.requires)

    def test_each_says_what_it_stands_for_and_how_long_it_may_take_to_stop(self) -> None:
        assert all(part.stands_for and 0 < part.stop_grace <= 60 for part in parts())
