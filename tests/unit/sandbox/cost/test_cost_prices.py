from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.aws.cloudformation import load
from include.config.settings import Settings
from sandbox.cost.errors import NoPriceError, PricesError
from sandbox.cost.estimate import estimate
from sandbox.cost.prices import FILE, Price, Prices, Tier
from sandbox.cost.prices import load as load_prices
from sandbox.cost.workload import Workload
from tests.unit.sandbox.cost.conftest import SAMPLE, changed

DOCUMENT = yaml.safe_load(FILE.read_text())


@pytest.fixture
def prices() -> Prices:
    """The file as it is."""
    return load_prices()


API = Price(
    "api", "request", "page", "prices.yaml", per=1e6,
    tiers=(Tier(333e6, 3.50), Tier(1e9, 2.80), Tier(20e9, 2.38), Tier(math.inf, 1.51)),
)  # fmt: skip


class TestPrice:
    @pytest.mark.parametrize(
        ("requests", "usd"),
        [
            (0, 0.0),
            (1, 0.0000035),
            (333e6, 1165.5),  # 333 x 3.50
            (333e6 + 1, 1165.5 + 0.0000028),
            (1e9, 3033.1),  # + 667 x 2.80 = 1867.60
            (1e9 + 1e6, 3035.48),  # + 1 x 2.38
            (20e9, 48253.1),  # + 19,000 x 2.38 = 45,220.00
            (20e9 + 1e6, 48254.61),  # + 1 x 1.51
        ],
    )
    def test_tiers_are_filled_one_after_the_other(self, requests: float, usd: float) -> None:
        assert API.cost(requests) == pytest.approx(usd, abs=1e-6)

    def test_the_file_s_tiers_of_the_gateway_are_those(self, prices: Prices) -> None:
        found = prices["apigateway.request"]
        assert [tier.up_to for tier in found.tiers] == [333e6, 1e9, 20e9, math.inf]
        assert found.per == 1e6

    def test_per(self) -> None:
        price = Price("put", "request", "page", "prices.yaml", per=1000, values={"": 0.005})
        assert price.cost(12_000_000) == pytest.approx(60.0)  # 12,000 x 0.005

    def test_a_type_without_a_price(self) -> None:
        price = Price("msk.broker_hour", "hour", "https://page", "prices.yaml", values={"a": 1.0, "b": 2.0})
        assert price.cost(3, "b") == 6.0
        with pytest.raises(NoPriceError) as refused:
            price.cost(3, "kafka.c")
        error = refused.value
        assert error.what == "There is no price for kafka.c."
        assert error.why == "prices.yaml has msk.broker_hour for: a, b."
        assert error.mend == (
            "Look it up at https://page and add it there, or give a copy that has it with --prices FILE."
        )


class TestFile:
    def test_it_is_dated_and_says_how_it_came_about(self, prices: Prices) -> None:
        assert prices.as_of.isoformat() == "2026-11-21"
        assert (prices.region, prices.currency, prices.checked) == ("us-east-1", "USD", False)
        assert "without access to the internet" in prices.statement
        assert "Check them" in prices.statement

    def test_each_has_a_page_of_its_owner(self, prices: Prices) -> None:
        owners = ("https://aws.amazon.com/", "https://www.databricks.com/", "https://docs.databricks.com/")
        for price in prices.table.values():
            assert price.page.startswith(owners), price.name
            assert price.unit

    def test_all_are_used_and_all_that_are_used_are_there(
        self, settings: Settings, prices: Prices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Over all ways that the estimate can go, each price is asked for; what is asked for is in the file."""
        asked: set[str] = set()

        class Watched(dict[str, Price]):
            def __getitem__(self, name: str) -> Price:
                asked.add(name)
                return super().__getitem__(name)

        def run(place: Settings, **options: Any) -> None:
            watched = Prices(**{**vars(prices), "table": Watched(prices.table)})
            estimate(Workload(1e6, **options), place, watched, sample=SAMPLE)

        run(settings)
        run(settings, serverless=True)
        cluster = {**settings.workspace.cluster, "runtime_engine": "PHOTON"}
        run(changed(settings, workspace={"cluster": cluster}, streams={"retention_hours": 240}))
        self.more_workers(monkeypatch)
        run(settings)
        assert asked == set(DOCUMENT["prices"]) | set(DOCUMENT["rates"])

    def more_workers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        environment = load("airflow")["Resources"]["Environment"]["Properties"]
        monkeypatch.setitem(environment, "MinWorkers", 2)

    @pytest.mark.parametrize(
        ("price", "stack", "parameter"),
        [
            ("msk.broker_hour", "kafka", "BrokerType"),
            ("ec2.hour", "rest-proxy", "InstanceType"),
            ("rds.instance_hour", "database", "InstanceClass"),
            ("mwaa.environment_hour", "airflow", "EnvironmentClass"),
            ("mwaa.worker_hour", "airflow", "EnvironmentClass"),
        ],
    )
    def test_the_templates_defaults_have_a_price(self, prices: Prices, price: str, stack: str, parameter: str) -> None:
        assert prices[price].value(load(stack)["Parameters"][parameter]["Default"]) > 0

    def test_machines_of_clusters_have_both(self, prices: Prices) -> None:
        for kind in prices["databricks.machine_dbu"].values:
            assert prices["ec2.hour"].value(kind) > 0


class TestRefused:
    def refused(self, tmp_path: Path, document: Any) -> str:
        path = tmp_path / "own.yaml"
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        with pytest.raises(PricesError) as error:
            load_prices(path)
        assert str(error.value).startswith(f"The prices file {path} cannot be used. ")
        assert error.value.mend == "Mend it; include/config/prices.yaml has the form."
        return error.value.why

    def with_price(self, **entry: Any) -> dict[str, Any]:
        return {**DOCUMENT, "prices": {**DOCUMENT["prices"], "nat.gb": {"unit": "GB", "page": "p", **entry}}}

    def test_a_copy_is_fine(self, tmp_path: Path, prices: Prices) -> None:
        path = tmp_path / "own.yaml"
        path.write_text(FILE.read_text().replace("checked: false", "checked: true"))
        found = load_prices(path)
        assert found.checked
        assert found.table.keys() == prices.table.keys()

    def test_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(PricesError, match="It cannot be read"):
            load_prices(tmp_path / "none.yaml")

    def test_no_yaml(self, tmp_path: Path) -> None:
        assert self.refused(tmp_path, "a: [").startswith("It cannot be read: ")

    def test_heads(self, tmp_path: Path) -> None:
        assert self.refused(tmp_path, "- 1").startswith("It must have as_of, currency, region, checked")
        assert self.refused(tmp_path, {**DOCUMENT, "checked": "no"}) == "checked is 'no', which is no bool."
        assert self.refused(tmp_path, {**DOCUMENT, "as_of": "today"}) == "as_of is 'today', which is no date."

    def test_one_is_missing(self, tmp_path: Path) -> None:
        document = {**DOCUMENT, "prices": {k: v for k, v in DOCUMENT["prices"].items() if k != "nat.gb"}}
        assert self.refused(tmp_path, document) == "The price nat.gb is missing."

    @pytest.mark.parametrize("value", [-1, "0.1", True, None, float("nan"), float("inf")])
    def test_no_number(self, tmp_path: Path, value: Any) -> None:
        assert "which is no number of 0 or more" in self.refused(tmp_path, self.with_price(value=value))

    def test_forms(self, tmp_path: Path) -> None:
        assert self.refused(tmp_path, self.with_price()) == "nat.gb must have one of value, values and tiers."
        both = self.with_price(value=1, values={"a": 1})
        assert self.refused(tmp_path, both) == "nat.gb must have one of value, values and tiers."
        assert "nat.gb must have unit and page" in self.refused(tmp_path, self.with_price(value=1, usd=2))
        assert self.refused(tmp_path, self.with_price(value=1, per=0)) == "nat.gb.per is 0."
        assert self.refused(tmp_path, self.with_price(values=[1])) == "nat.gb.values must be a mapping of types."

    @pytest.mark.parametrize(
        "tiers",
        [
            [{"up_to": 2, "value": 1}],
            [{"up_to": 2, "value": 1}, {"up_to": 1, "value": 1}, {"value": 1}],
            [{"value": 1}, {"value": 2}],
        ],
    )
    def test_tiers_that_do_not_rise_to_the_end(self, tmp_path: Path, tiers: Any) -> None:
        assert self.refused(tmp_path, self.with_price(tiers=tiers)) == (
            "nat.gb.tiers must rise, and the last has no up_to."
        )
        assert "must be a list" in self.refused(tmp_path, self.with_price(tiers=[]))
