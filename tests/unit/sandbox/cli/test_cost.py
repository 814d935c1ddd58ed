from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.cli.app import main
from sandbox.cost.prices import FILE
from tests.unit.sandbox.cli.conftest import Pinflow

POSTS = ("cost", "--posts-per-day", "100000")


def told(pinflow: Pinflow, *words: Any) -> dict[str, Any]:
    shown = pinflow(*POSTS, "--json", *words)
    assert (shown.exit_code, shown.stderr) == (0, "")
    document: dict[str, Any] = json.loads(shown.stdout)
    return document


class TestTable:
    def test_it_shows_lines_sums_and_how_old_the_prices_are(self, pinflow: Pinflow) -> None:
        shown = pinflow(*POSTS)
        assert (shown.exit_code, shown.stderr) == (0, "")
        text = shown.stdout
        assert text.startswith("100,000 posts a day, 24 hours of streaming a day, 30 days stored\n")
        cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line]
        expected = told(pinflow)
        assert len(cells) == len(expected["lines"]) + 3
        (broker,) = [row for row in cells if row[1] == "3 MSK brokers kafka.m7g.large"]
        assert broker[0] == "batch: Kafka"
        assert (broker[2], broker[4]) == ("2,190.0", "fixed")
        sums = {row[0]: row[1] for row in cells if len(row) == 2}
        assert sums == {
            "fixed, even without posts": f"{expected['usd_month']['fixed']:,.2f}",
            "by use": f"{expected['usd_month']['use']:,.2f}",
            "total": f"{expected['usd_month']['total']:,.2f}",
        }
        assert f"{expected['usd_per_1000_posts']:.4f} USD for 1,000 posts." in text
        assert "Not included: tax, support plans, " in text
        assert "Prices of 2026-11-21, us-east-1, not checked: These prices were written down without access" in text

    def test_without_posts_and_without_streams(self, pinflow: Pinflow) -> None:
        shown = pinflow("cost", "--posts-per-day", "0", "--stream-hours", "0")
        assert shown.exit_code == 0
        assert shown.stdout.startswith("0 posts a day, no stream path, 30 days stored\n")
        assert "for 1,000 posts" not in shown.stdout
        assert "Kinesis" not in shown.stdout

    def test_checked_prices_are_not_called_unchecked(self, pinflow: Pinflow, tmp_path: Path) -> None:
        own = tmp_path / "own.yaml"
        own.write_text(FILE.read_text().replace("checked: false", "checked: true"))
        assert "Prices of 2026-11-21, us-east-1: " in pinflow(*POSTS, "--prices", own).stdout


class TestOptions:
    def test_the_prices_are_those_of_the_file(self, pinflow: Pinflow, tmp_path: Path) -> None:
        own = tmp_path / "own.yaml"
        own.write_text(FILE.read_text().replace("kafka.m7g.large: 0.204", "kafka.m7g.large: 1.204"))
        more = told(pinflow, "--prices", own)["usd_month"]["total"] - told(pinflow)["usd_month"]["total"]
        assert more == pytest.approx(3 * 730)  # one dollar more for each of three brokers

    def test_set(self, pinflow: Pinflow) -> None:
        three = told(pinflow, "--set", "network.NatGateways=3", "--set", "kafka.VolumeGiB=200")
        quantities = {line["price"]: line["quantity"] for line in three["lines"]}
        assert (quantities["nat.hour"], quantities["msk.storage_gb_month"]) == (2_190, 600)

    def test_settings(self, pinflow: Pinflow, tmp_path: Path) -> None:
        own = tmp_path / "my-aws.yaml"
        own.write_text((FILE.parent / "aws.yaml").read_text().replace("worker_count: 2", "worker_count: 1"))
        quantities = {line["price"]: line["quantity"] for line in told(pinflow, "--settings", own)["lines"]}
        assert quantities["mskconnect.mcu_hour"] == 730

    def test_supervision_is_one_window_unless_told(self, pinflow: Pinflow) -> None:
        assert told(pinflow)["workload"]["supervised_hours"] == 1
        assert told(pinflow, "--stream-hours", "0.5")["workload"]["supervised_hours"] == 0.5
        assert told(pinflow, "--supervised-hours", "24")["workload"]["supervised_hours"] == 24

    def test_the_others_reach_the_workload(self, pinflow: Pinflow) -> None:
        words = ("--days-of-history", 90, "--peak", 2, "--posts-per-request", 10, "--serverless")
        assert told(pinflow, *words)["workload"] == {
            "posts_per_day": 100_000, "days_of_history": 90, "stream_hours": 24, "supervised_hours": 1, "peak": 2,
            "posts_per_request": 10, "serverless": True,
        }  # fmt: skip


class TestRefused:
    def refused(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *words: Any) -> str:
        monkeypatch.setattr(sys, "argv", ["pinflow", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "Traceback" not in shown.err
        return str(shown.err)

    @pytest.mark.parametrize("amount", ["-1", "nan", "inf"])
    def test_amounts(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, amount: str) -> None:
        text = self.refused(monkeypatch, capsys, "cost", "--posts-per-day", amount, "--json")
        assert text == (
            f"error --posts-per-day is {amount}. It must be a number from 0 to 1,000,000,000,000. Give another one.\n"
        )

    def test_a_type_that_nobody_knows(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        text = self.refused(monkeypatch, capsys, *POSTS, "--set", "kafka.BrokerType=kafka.x9.huge")
        what, why, mend = (
            "There is no price for kafka.x9.huge. ",
            "prices.yaml has msk.broker_hour for: ",
            "Look it up at ",
        )
        assert text.startswith(f"error {what}{why}kafka.m5.large, ")
        assert f". {mend}https://aws.amazon.com/msk/pricing/ and add it there, or give a copy" in text

    def test_a_file_that_is_none(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
    ) -> None:
        own = tmp_path / "own.yaml"
        own.write_text("prices: 1")
        text = self.refused(monkeypatch, capsys, *POSTS, "--prices", own)
        assert text.startswith(f"error The prices file {own} cannot be used. It must have as_of, ")

    def test_posts_must_be_told(self, pinflow: Pinflow) -> None:
        shown = pinflow("cost")
        assert shown.exit_code == 2
        assert "--posts-per-day" in shown.stderr


def test_help_has_it_among_what_is_for_aws(pinflow: Pinflow) -> None:
    _, _, panel = pinflow("--help").stdout.partition("─ AWS ─")
    assert "│ cost " in panel.partition("╰")[0]
    shown = pinflow("cost", "--help").stdout
    for option in ("--posts-per-day", "--set", "--prices", "--stream-hours", "--json"):
        assert option in shown
