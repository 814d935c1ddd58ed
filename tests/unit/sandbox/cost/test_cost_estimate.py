"""Quantities are worked out here by hand, for the templates' defaults and posts of 1,200 bytes in three records."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from include.config.settings import Settings
from sandbox.cost import assumptions
from sandbox.cost.estimate import NOT_INCLUDED, estimate, merged
from sandbox.cost.needs import Need, Stage
from sandbox.cost.prices import Prices
from sandbox.cost.workload import Workload
from tests.unit.sandbox.cost.conftest import DAYS, SAMPLE, Estimated, changed, of, usd

A_SECOND = 86_400.0
"""Posts a day that are one a second."""
GIB = 2**30


class TestSums:
    def test_what_is_fixed_is_what_nobody_posting_costs(self, estimated: Estimated) -> None:
        nobody = estimated(0)
        assert nobody.used == 0
        assert nobody.per_1000_posts is None
        assert nobody.fixed == pytest.approx(estimated(1e9).fixed)

    def test_the_lines_the_stages_and_the_total_agree(self, estimated: Estimated) -> None:
        found = estimated(1e6)
        assert found.total == pytest.approx(found.fixed + found.used)
        assert sum(line.usd for line in found.lines) == pytest.approx(found.total)
        assert sum(found.stages.values()) == pytest.approx(found.total)
        assert list(found.stages) == [str(stage) for stage in Stage]
        for line in found.lines:
            assert line.each * line.need.quantity / line.price.per == pytest.approx(line.usd)

    def test_by_a_thousand_posts(self, estimated: Estimated) -> None:
        found = estimated(240)  # 240 x 730 / 24 = 7,300 posts a month
        assert found.per_1000_posts == pytest.approx(found.total / 7.3)

    def test_more_posts_cost_more_in_all_and_less_each(self, estimated: Estimated) -> None:
        few, many = estimated(1_000), estimated(1_000_000)
        assert few.total < many.total
        assert (few.per_1000_posts or 0) > (many.per_1000_posts or 0)

    def test_kafka_s_bill_by_hand(self, estimated: Estimated) -> None:
        found = estimated(0)
        # 3 brokers x 730 h x 0.20 = 438.00
        assert usd(found, "msk.broker_hour") == pytest.approx(438.0)
        # 3 brokers x 100 GiB x 0.10 = 30.00
        assert usd(found, "msk.storage_gb_month") == pytest.approx(30.0)

    def test_needs_that_differ_by_quantity_only_are_one_in_the_order_of_the_stages(self) -> None:
        def need(stage: Stage, quantity: float, fixed: bool = False) -> Need:
            return Need(stage, "a", "p", quantity, fixed=fixed)

        given = [need(Stage.KAFKA, 1), need(Stage.AIRFLOW, 2), need(Stage.KAFKA, 3), need(Stage.KAFKA, 4, fixed=True)]
        assert merged(given) == [need(Stage.AIRFLOW, 2), need(Stage.KAFKA, 4, fixed=True), need(Stage.KAFKA, 4)]


FIXED = {
    "mwaa.environment_hour": 730,
    "nat.hour": 730,
    "ipv4.hour": 730,
    "endpoint.hour": 16_060,  # 11 endpoints x 2 subnets x 730
    "rds.instance_hour": 730,
    "rds.storage_gb_month": 20,
    "msk.broker_hour": 2_190,  # 3 x 730
    "msk.storage_gb_month": 300,  # 3 x 100
    "nlb.hour": 730,
    "mskconnect.mcu_hour": 1_460,  # 2 workers x 1 MCU x 730
    "kinesis.shard_hour": 4_380,  # 3 streams x 2 shards x 730
    "secretsmanager.secret_month": 6,  # five connections and the database's
    "logs.ingested_gb": 2.5,  # 3 brokers x 0.5, Airflow 1
}


class TestWhatExists:
    @pytest.mark.parametrize("price", FIXED)
    def test_the_defaults(self, estimated: Estimated, price: str) -> None:
        assert of(estimated(0), price) == pytest.approx(FIXED[price])

    def test_the_hosts_of_the_rest_proxy(self, estimated: Estimated) -> None:
        found = estimated(0)
        assert of(found, "ec2.hour", what="2 REST proxy hosts t4g.medium") == 1_460  # 2 x 730
        assert of(found, "ebs.gb_month", what="their disks") == 40  # 2 x 20

    @pytest.mark.parametrize(
        ("parameter", "value", "price", "quantity"),
        [
            (("kafka", "BrokerCount"), "6", "msk.broker_hour", 4_380),
            (("kafka", "BrokerCount"), "6", "msk.storage_gb_month", 600),
            (("kafka", "VolumeGiB"), "500", "msk.storage_gb_month", 1_500),
            (("network", "NatGateways"), "3", "nat.hour", 2_190),
            (("network", "NatGateways"), "3", "ipv4.hour", 2_190),
            (("network", "InterfaceEndpoints"), "false", "endpoint.hour", 0),
            (("database", "MultiAz"), "true", "rds.instance_hour", 1_460),
            (("database", "MultiAz"), "true", "rds.storage_gb_month", 40),
            (("database", "StorageGiB"), "50", "rds.storage_gb_month", 50),
        ],
    )
    def test_a_changed_parameter(
        self, estimated: Estimated, parameter: tuple[str, str], value: str, price: str, quantity: float
    ) -> None:
        assert of(estimated(0, given={parameter: value}), price) == quantity

    def test_a_changed_type(self, estimated: Estimated) -> None:
        found = estimated(0, given={("kafka", "BrokerType"): "kafka.t3.small"})
        assert usd(found, "msk.broker_hour") == pytest.approx(109.5)  # 3 x 730 x 0.05

    def test_hosts_that_are_changed(self, estimated: Estimated) -> None:
        given = {("rest-proxy", "HostCount"): "3", ("rest-proxy", "InstanceType"): "t4g.large"}
        assert of(estimated(0, given=given), "ec2.hour", what="3 REST proxy hosts t4g.large") == 2_190

    @pytest.mark.parametrize(
        ("parts", "price", "quantity"),
        [
            ({"connect": {"worker_count": 1}}, "mskconnect.mcu_hour", 730),
            ({"connect": {"mcu_count": 4}}, "mskconnect.mcu_hour", 5_840),
            ({"streams": {"shard_count": 1}}, "kinesis.shard_hour", 2_190),
            ({"streams": {"retention_hours": 24}}, "kinesis.extended_shard_hour", 0),
            ({"streams": {"retention_hours": 25}}, "kinesis.extended_shard_hour", 4_380),
        ],
    )
    def test_changed_settings(
        self, estimated: Estimated, settings: Settings, parts: dict[str, Any], price: str, quantity: float
    ) -> None:
        assert of(estimated(0, place=changed(settings, **parts)), price) == quantity


class TestRequests:
    def test_of_the_gateway(self, estimated: Estimated) -> None:
        # One post a second: with what comes in the next 0.05 s, 1.05 posts a request. Three tables, two paths.
        a_day = 3 * 2 * 86_400 / 1.05
        assert of(estimated(A_SECOND), "apigateway.request") == pytest.approx(a_day * DAYS)

    def test_without_the_stream_path(self, estimated: Estimated) -> None:
        found = estimated(A_SECOND, stream_hours=0, supervised_hours=0)
        assert of(found, "apigateway.request") == pytest.approx(3 * 86_400 / 1.05 * DAYS)
        assert "stream: Kinesis" not in found.stages
        assert "stream: Databricks" not in found.stages

    def test_tiers_count_both_paths_together(self, settings: Settings, prices: Prices, estimated: Estimated) -> None:
        # 3,200,000 x 3 tables x 2 paths x 730 / 24 = 584,000,000: 333 x 3.50 + 251 x 2.80
        found = estimated(3_200_000, posts_per_request=1)
        (line,) = [line for line in found.lines if line.price.name == "apigateway.request"]
        assert line.need.quantity == pytest.approx(584e6)
        assert line.usd == pytest.approx(1_165.5 + 702.8)
        assert 2.8 < line.each < 3.5


class TestKinesis:
    def test_payload_units(self, estimated: Estimated) -> None:
        assert of(estimated(A_SECOND), "kinesis.put_unit") == pytest.approx(3 * 86_400 * DAYS)

    def test_shards_that_the_peak_needs(self, estimated: Estimated) -> None:
        # 100,000,000 posts: 1,157.4 a second x 5 = 5,787, 6 shards a stream, 4 more than there are: 3 x 4 x 730
        found = estimated(1e8)
        assert of(found, "kinesis.shard_hour", fixed=True) == 4_380
        assert of(found, "kinesis.shard_hour", fixed=False) == 8_760
        assert any("Each stream needs 6 shards" in text and "shard_count to 6" in text for text in found.remarks)

    def test_no_more_than_there_are(self, estimated: Estimated) -> None:
        assert of(estimated(1e8, peak=1), "kinesis.shard_hour") == 4_380  # 1,157.4 a second: 2 shards
        assert not any("shards" in text for text in estimated(1e8, peak=1).remarks)

    def test_what_is_kept_longer_than_seven_days(self, estimated: Estimated, settings: Settings) -> None:
        place = changed(settings, streams={"retention_hours": 240})
        kept = A_SECOND * 1_203 * 3 / GIB  # days eight to ten
        assert of(estimated(A_SECOND, place=place), "kinesis.long_term_gb_month") == pytest.approx(kept)
        short = estimated(A_SECOND, place=place, days_of_history=1)
        assert of(short, "kinesis.long_term_gb_month") == pytest.approx(kept / 3)


class TestLanding:
    def test_objects_where_little_comes(self, estimated: Estimated) -> None:
        # 6 partitions, 8,640 windows of 10 s: 86,400 / 6 / 8,640 = 1.667 posts each, and e^-1.667 of them stay empty.
        objects = 3 * 6 * 8_640 * (1 - math.exp(-5 / 3))
        found = estimated(A_SECOND, stream_hours=0, supervised_hours=0)
        assert of(found, "s3.put") == pytest.approx(objects * 3 * DAYS)  # three calls of a multipart upload
        assert of(found, "s3.get") == pytest.approx(objects * 2 * DAYS)

    def test_objects_where_much_comes(self, estimated: Estimated) -> None:
        # 518,400,000 / 6 / 8,640 = 10,000 posts a window and partition, two objects of flush.size 5,000.
        found = estimated(518_400_000, stream_hours=0, supervised_hours=0)
        assert of(found, "s3.put") == pytest.approx(3 * 6 * 8_640 * 2 * 3 * DAYS)

    def test_a_longer_interval_is_cheaper(self, estimated: Estimated, settings: Settings) -> None:
        slow = changed(settings, connect={"overrides": {"rotate.schedule.interval.ms": "600000"}})
        found = estimated(A_SECOND, place=slow, stream_hours=0, supervised_hours=0)
        # 144 windows of 100 posts: none is empty
        assert of(found, "s3.put") == pytest.approx(3 * 6 * 144 * 3 * DAYS)

    def test_landed_objects_go_after_their_days_and_the_lake_grows(self, estimated: Estimated) -> None:
        def stored(days: float, keep: str) -> float:
            found = estimated(A_SECOND, days_of_history=days, given={("storage", "LandingDays"): keep})
            return of(found, "s3.gb_month") * GIB

        objects = 3 * 6 * 8_640 * (1 - math.exp(-5 / 3))
        together = 3 * A_SECOND / objects
        assert round(together) == 2
        landing, lake = A_SECOND * SAMPLE.landed_bytes(2), A_SECOND * SAMPLE.landed_bytes(1_000) * 3 * 1.5
        assert stored(0, "400") == 0
        assert stored(30, "400") == pytest.approx(30 * (landing + lake))
        assert stored(30, "7") == pytest.approx(7 * landing + 30 * lake)


class TestNetworkAndLogs:
    def test_posts_leave_by_the_nat_gateway(self, estimated: Estimated) -> None:
        v2 = 1_200 + 3 * len('{"records":[{"key":0,"value":}]}')
        kinesis = 1_200 + 3 * len('{"StreamName":"","records":[{"data":,"partition-key":"0"}]}')
        assert of(estimated(A_SECOND), "nat.gb") == pytest.approx((v2 + kinesis) * A_SECOND * DAYS / GIB)

    def test_records_change_zone_on_three_ways_and_are_paid_twice(self, estimated: Estimated) -> None:
        # of three zones, two in three records go to another one
        assert of(estimated(A_SECOND), "transfer.zone_gb") == pytest.approx(
            1_203 * A_SECOND * DAYS / GIB * 3 * (2 / 3) * 2
        )

    def test_the_load_balancer_s_units_are_those_of_the_largest_measure(self, estimated: Estimated) -> None:
        body = 1_200 + 3 * len('{"records":[{"key":0,"value":}]}')
        by_bytes, by_connections = body * 3_600 / GIB, 3 / 1.05 / 800
        assert by_bytes > by_connections
        assert of(estimated(A_SECOND), "nlb.lcu_hour") == pytest.approx(by_bytes * 730)

    def test_lines_of_logs(self, estimated: Estimated) -> None:
        objects = 3 * 6 * 8_640 * (1 - math.exp(-5 / 3))
        requests = 3 * 86_400 / 1.05
        written = (2 * requests * 230 + requests * 200 + objects * 500) * DAYS / GIB
        found = estimated(A_SECOND)
        assert of(found, "logs.ingested_gb", fixed=False) == pytest.approx(written)
        assert of(found, "logs.kept_gb_month", fixed=False) == pytest.approx(written * 30 / DAYS)
        assert of(found, "endpoint.gb", fixed=False) == pytest.approx(requests * 200 * DAYS / GIB)

    def test_logs_are_kept_for_their_days(self, estimated: Estimated) -> None:
        given = {(name, "LogDays"): "3" for name in ("kafka", "rest-proxy", "connect", "gateway")}
        short, long = estimated(A_SECOND, given=given), estimated(A_SECOND)
        used = {"price": "logs.kept_gb_month", "fixed": False}
        assert of(short, **used) == pytest.approx(of(long, **used) / 10)  # type: ignore[arg-type]
        # the brokers' 1.5 GB for 3 days, Airflow's 1 GB for all 30
        assert of(short, "logs.kept_gb_month", fixed=True) == pytest.approx((1.5 * 3 + 30) / DAYS)

    def test_without_endpoints_they_leave_by_the_nat_gateway(self, estimated: Estimated) -> None:
        found = estimated(0, given={("network", "InterfaceEndpoints"): "false"})
        assert of(found, "endpoint.gb") == 0
        assert of(found, "nat.gb") == 1


class TestDatabricks:
    def test_the_daily_run(self, estimated: Estimated) -> None:
        # three tables, each a run of 10 minutes on three machines: 3 x 10 / 60 = 0.5 hours a day
        found = estimated(0)
        assert of(found, "ec2.hour", what="daily run") == pytest.approx(0.5 * 3 * DAYS)
        assert of(found, "databricks.jobs_dbu", what="daily run") == pytest.approx(0.5 * 3 * 0.5 * DAYS)
        assert of(found, "ebs.gb_month", what="daily run") == pytest.approx(0.5 * DAYS / 730 * 3 * 180)

    def test_what_a_million_posts_add(self, estimated: Estimated) -> None:
        found = estimated(1e6)  # ten minutes more for each table: as much again
        assert of(found, "ec2.hour", what="daily run", fixed=False) == pytest.approx(0.5 * 3 * DAYS)

    def test_the_streaming_job(self, estimated: Estimated) -> None:
        assert of(estimated(0), "ec2.hour", what="streaming job") == pytest.approx(3 * 730)
        half = estimated(0, stream_hours=12)
        assert of(half, "ec2.hour", what="streaming job") == pytest.approx(3 * 365)
        assert of(half, "databricks.jobs_dbu", what="streaming job") == pytest.approx(3 * 365 * 0.5)

    def test_another_driver_and_photon(self, estimated: Estimated, settings: Settings) -> None:
        cluster = {"node_type_id": "m6id.large", "driver_node_type_id": "m5d.large", "num_workers": 2}
        place = changed(settings, workspace={"cluster": cluster | {"runtime_engine": "PHOTON"}})
        found = estimated(0, place=place)
        assert of(found, "ec2.hour", what="streaming job, 1 m5d.large") == pytest.approx(730)
        assert of(found, "ec2.hour", what="streaming job, 2 m6id.large") == pytest.approx(1_460)
        # (0.3 + 2 x 0.5) DBU an hour, times three with Photon
        assert of(found, "databricks.jobs_dbu", what="streaming job") == pytest.approx(730 * 1.3 * 3)

    def test_the_warehouse(self, estimated: Estimated) -> None:
        # ten minutes of answers and ten until it stops, at 4 DBU an hour; an hour of supervision and ten minutes
        found = estimated(0)
        assert of(found, "databricks.serverless_sql_dbu", what="answers") == pytest.approx(20 / 60 * 4 * DAYS)
        assert of(found, "databricks.serverless_sql_dbu", what="supervision") == pytest.approx(70 / 60 * 4 * DAYS)
        nobody = estimated(0, supervised_hours=0)
        assert of(nobody, "databricks.serverless_sql_dbu", what="supervision") == 0

    def test_a_day_has_24_hours(self, estimated: Estimated) -> None:
        found = estimated(0, supervised_hours=24)
        assert of(found, "databricks.serverless_sql_dbu") == pytest.approx(24 * 4 * DAYS)
        # 4 DBU x 0.70 = 2.80 an hour, x 730 = 2,044
        assert any("2.80 USD an hour, 2,044 a month" in text for text in found.remarks)

    def test_micro_batches_on_a_cluster(self, estimated: Estimated) -> None:
        batches = 86_400 / 5 * (1 - math.exp(-5))  # every five seconds, if a post came
        landing = 3 * 6 * 8_640 * (1 - math.exp(-5 / 3)) * 3
        assert of(estimated(A_SECOND), "s3.put") == pytest.approx((landing + 20 * batches) * DAYS)

    def test_serverless(self, estimated: Estimated) -> None:
        found = estimated(0, serverless=True)
        assert of(found, "ec2.hour", what="daily run") == of(found, "databricks.jobs_dbu") == 0
        # three tables x 3 minutes at 4 DBU an hour
        assert of(found, "databricks.serverless_jobs_dbu", what="daily") == pytest.approx(3 * 3 / 60 * 4 * DAYS)
        # every five minutes a run of a minute and a half, day and night
        assert of(found, "databricks.serverless_jobs_dbu", what="streaming") == pytest.approx(730 * 1.5 / 5 * 4)
        assert of(estimated(1e9, serverless=True), "s3.put", what="S3 writes") > 0

    def test_an_empty_cluster_in_the_settings_is_serverless(self, estimated: Estimated, settings: Settings) -> None:
        place = changed(settings, workspace={"cluster": {}})
        assert estimated(1e5, place=place).total == pytest.approx(estimated(1e5, serverless=True).total)


class TestRemarks:
    def test_a_volume_that_is_too_small(self, estimated: Estimated) -> None:
        # 1,203 bytes x 7 days x 3 copies / 3 brokers: 100 GiB are full at 12,750,725 posts a day
        full = 100 * GIB / 1_203 / 7
        assert not any("VolumeGiB" in text for text in estimated(full - 1, peak=1).remarks)
        (told,) = [text for text in estimated(full * 1.7, peak=1).remarks if "VolumeGiB" in text]
        assert "fills 170 GiB of each broker" in told
        assert "--set kafka.VolumeGiB=200" in told  # 170 / 0.85

    def test_another_region(self, estimated: Estimated, settings: Settings) -> None:
        place = changed(settings)
        object.__setattr__(place, "region", "eu-west-1")
        assert estimated(1, place=place).remarks[0] == (
            "The prices are those of us-east-1, the settings are of eu-west-1."
        )


class TestAsJson:
    def test_everything_is_in_it(self, settings: Settings, prices: Prices) -> None:
        found = estimate(Workload(1_000), settings, prices, sample=SAMPLE)
        told = json.loads(json.dumps(found.as_dict()))
        assert told["workload"]["posts_per_day"] == 1_000
        assert told["prices"]["as_of"] == "2026-11-21"
        assert told["prices"]["checked"] is False
        assert "without access to the internet" in told["prices"]["statement"]
        assert told["usd_month"]["total"] == pytest.approx(sum(line["usd_month"] for line in told["lines"]))
        assert told["not_included"] == list(NOT_INCLUDED)
        assert len(told["assumptions"]) == len(assumptions.ALL) > 15
        assert all(one["why"] and one["value"] > 0 for one in told["assumptions"])
        (broker,) = [line for line in told["lines"] if line["price"] == "msk.broker_hour"]
        assert broker == {
            "stage": "batch: Kafka", "what": "3 MSK brokers kafka.m7g.large", "fixed": True, "quantity": 2_190.0,
            "unit": "broker-hour", "each": 0.2, "per": 1, "usd_month": pytest.approx(438.0), "price": "msk.broker_hour",
            "type": "kafka.m7g.large", "page": "https://aws.amazon.com/msk/pricing/",
        }  # fmt: skip
