from __future__ import annotations

from typing import Any

import pytest

from include.aws.cloudformation import ORDER, load
from include.config.settings import Settings, Stack
from sandbox.cost import account as accounts
from sandbox.cost import resources
from sandbox.cost.account import Account, parameters
from sandbox.cost.errors import NotCostedError, ParameterError
from sandbox.cost.resources import BY_USE, COSTED, FREE
from tests.unit.sandbox.cost.conftest import changed


class TestEveryResource:
    @pytest.mark.parametrize("name", ORDER)
    def test_is_costed_or_free_with_a_reason(self, name: str) -> None:
        for logical_id, resource in load(name)["Resources"].items():
            places = [table for table in (COSTED, BY_USE, FREE) if resource["Type"] in table]
            assert len(places) == 1, f"{logical_id}: {resource['Type']}"

    def test_nothing_is_listed_that_no_template_has(self) -> None:
        types = {resource["Type"] for name in ORDER for resource in load(name)["Resources"].values()}
        assert {*COSTED, *BY_USE, *FREE} == types
        assert all({**BY_USE, **FREE}.values())

    def test_one_that_nobody_listed_is_an_error(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(load("kafka")["Resources"], "Table", {"Type": "AWS::DynamoDB::Table"})
        with pytest.raises(NotCostedError) as refused:
            list(resources.of(Account(settings, {})))
        assert str(refused.value) == (
            "Table of the stack kafka cannot be costed. Nobody has said what a AWS::DynamoDB::Table costs. "
            "Add it to sandbox/cost/resources.py."
        )


class TestParameters:
    def test_they_are_read(self) -> None:
        words = ["kafka.BrokerType=kafka.m5.large", "rest-proxy.HostCount=1", "rest-proxy.ConfluentKey=a=b"]
        assert parameters(words) == {
            ("kafka", "BrokerType"): "kafka.m5.large",
            ("rest-proxy", "HostCount"): "1",
            ("rest-proxy", "ConfluentKey"): "a=b",
        }

    @pytest.mark.parametrize(
        ("word", "text"),
        [
            ("kafka.BrokerType", "--set kafka.BrokerType is not understood. "),
            ("BrokerType=x", "--set BrokerType=x is not understood. "),
            ("kafak.BrokerType=x", "There is no stack 'kafak'. --set names the stack first. There are: network, "),
            ("kafka.Type=x", "The stack kafka has no parameter 'Type'. "),
            ("kafka.BrokerType=m5.large", r"kafka.BrokerType cannot be 'm5.large'. It must match ^kafka\."),
            ("kafka.BrokerCount=2", "kafka.BrokerCount cannot be '2'. It must be a whole number from 3 to 1000000. "),
            ("kafka.BrokerCount=3.5", "kafka.BrokerCount cannot be '3.5'. "),
            ("kafka.VolumeGiB=20000", "kafka.VolumeGiB cannot be '20000'. It must be a whole number from 1 to 16384. "),
            ("network.NatGateways=2", "network.NatGateways cannot be '2'. It must be one of 1, 3. "),
        ],
    )
    def test_those_that_cloudformation_would_refuse(self, word: str, text: str) -> None:
        with pytest.raises(ParameterError) as refused:
            parameters([word])
        assert str(refused.value).startswith(text)

    def test_the_settings_own_come_before_the_defaults_and_after_the_command_s(self, settings: Settings) -> None:
        entry = Stack("kafka", {"BrokerType": "kafka.m5.large", "VpcId": "${network.VpcId}"})
        place = changed(settings)
        object.__setattr__(place, "stacks", (Stack("network"), entry))

        def broker(given: dict[tuple[str, str], str]) -> Any:
            return Account(place, given).properties("kafka", "Cluster")["BrokerNodeGroupInfo"]["InstanceType"]

        assert broker({}) == "kafka.m5.large"
        assert broker({("kafka", "BrokerType"): "kafka.t3.small"}) == "kafka.t3.small"


class TestWhatIsRead:
    def test_the_templates_defaults(self, settings: Settings) -> None:
        account = Account(settings, {})
        assert account.zones == 3
        assert account.landing_days == 400
        assert account.log_days("gateway") == 30
        assert Account(settings, {("storage", "LandingDays"): "7"}).landing_days == 7
        assert Account(settings, {("gateway", "LogDays"): "90"}).log_days("gateway") == 90

    def test_the_sink_s_configuration_with_the_settings_overrides(self, settings: Settings) -> None:
        bare = changed(settings, connect={"overrides": {}})
        assert Account(bare, {}).sink["rotate.schedule.interval.ms"] == "10000"
        place = changed(settings, connect={"overrides": {"rotate.schedule.interval.ms": "60000"}})
        assert Account(place, {}).sink["rotate.schedule.interval.ms"] == "60000"

    @pytest.mark.parametrize(
        ("cluster", "machines"),
        [
            ({}, []),
            ({"node_type_id": "a", "num_workers": 2}, ["a", "a", "a"]),
            ({"node_type_id": "a", "num_workers": 0}, ["a"]),
            ({"node_type_id": "a", "driver_node_type_id": "b", "num_workers": 1}, ["b", "a"]),
            ({"node_type_id": "a", "autoscale": {"min_workers": 1, "max_workers": 3}}, ["a", "a", "a", "a"]),
        ],
    )
    def test_the_cluster_of_the_settings(
        self, settings: Settings, cluster: dict[str, Any], machines: list[str]
    ) -> None:
        assert Account(changed(settings, workspace={"cluster": cluster}), {}).machines == machines

    @pytest.mark.parametrize("cluster", [{"instance_pool_id": "p", "num_workers": 2}, {"node_type_id": "a"}])
    def test_a_cluster_that_names_no_machines(self, settings: Settings, cluster: dict[str, Any]) -> None:
        with pytest.raises(NotCostedError, match="names no node_type_id, or no num_workers"):
            _ = Account(changed(settings, workspace={"cluster": cluster}), {}).machines

    def test_the_bundle(self) -> None:
        assert accounts.warehouse() == ("2X-Small", pytest.approx(1 / 6))  # stops after ten minutes
        assert accounts.serverless_stream_minutes() == 5

    def test_a_bundle_that_is_not_understood(self, monkeypatch: pytest.MonkeyPatch) -> None:
        warehouses = {"answers": {"cluster_size": "Small", "auto_stop_mins": 1, "enable_serverless_compute": False}}
        job = {"stream_serverless": {"schedule": {"quartz_cron_expression": "0 0 3 * * ?"}}}
        monkeypatch.setattr(accounts, "bundle", lambda name: {"sql_warehouses": warehouses, "jobs": job})
        with pytest.raises(NotCostedError, match="not serverless"):
            accounts.warehouse()
        with pytest.raises(NotCostedError, match="only one of every so many minutes"):
            accounts.serverless_stream_minutes()
