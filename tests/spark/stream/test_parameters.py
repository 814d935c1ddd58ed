"""The notebook's parameters; no Spark."""

from __future__ import annotations

import pytest

from include.spark.stream.parameters import DEFAULTS, NAMES, ParameterError, Parameters

GIVEN = {
    "job_id": "pinflow-streaming",
    "run_key": "key",
    "source": "kinesis",
    "catalog": "spark_catalog",
    "prefix": "pinflow",
    "checkpoint_root": "dbfs:/pinflow/checkpoints/",
    "trigger": "1 second",
}


def test_names() -> None:
    assert set(NAMES) == {*GIVEN, *DEFAULTS}


def test_what_may_be_left_out() -> None:
    made = Parameters.from_texts({**GIVEN, "tables": "", "region": " "})
    assert (made.tables, made.region, made.live_trigger) == (("pin", "geo", "user"), "", "5 seconds")
    assert (made.initial_position, made.source_options, made.available_now) == ("earliest", {}, False)
    assert made.stream("pin") == "streaming-pinflow-pin"
    assert made.checkpoint("posts") == "dbfs:/pinflow/checkpoints/posts"


def test_kafka_and_options() -> None:
    texts = {"source": "kafka", "kafka_bootstrap": "b:9092", "tables": "geo, user", "trigger": "availableNow"}
    made = Parameters.from_texts({**GIVEN, **texts, "source_options": '{"maxOffsetsPerTrigger": 5}'})
    assert (made.stream("geo"), made.tables, made.available_now) == ("pinflow.geo", ("geo", "user"), True)
    assert made.source_options == {"maxOffsetsPerTrigger": "5"}


@pytest.mark.parametrize("name", list(GIVEN))
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(ParameterError, match=f"The parameter {name} is missing"):
        Parameters.from_texts({**GIVEN, name: " "})


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("source", "pulsar", "Use one of kinesis, kafka"),
        ("tables", "pin,pins", "Use one of pin, geo, user"),
        ("tables", ",", "Give pin,geo,user"),
        ("initial_position", "middle", "Use one of earliest, latest"),
        ("catalog", "a.b", "Use letters, digits, _"),
        ("prefix", "a b", "Use letters, digits"),
        ("trigger", "1 fortnight", "Give '1 second' or availableNow"),
        ("live_trigger", "availableNow", "Give a time such as '5 seconds'"),
        ("source_options", "[1]", "It must be a JSON object"),
        ("source_options", "{", "It must be a JSON object"),
        ("source", "kafka", "Give host:port"),
    ],
)
def test_what_cannot_be_used_is_said_with_the_mend(name: str, value: str, text: str) -> None:
    with pytest.raises(ParameterError, match=name.replace("source", "(source|kafka_bootstrap)")) as refused:
        Parameters.from_texts({**GIVEN, name: value})
    assert text in str(refused.value)
