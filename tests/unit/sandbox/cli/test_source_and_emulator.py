from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import typer
from sqlalchemy import create_engine, text

from emulator.exceptions import EmulatorError, OptionsError, SourceFileError
from sandbox.cli.emulator import days, number_of, rate_of
from sandbox.supervisor.home import Home
from tests.unit.sandbox.cli.conftest import Pinflow


def rows(home: Home, table: str) -> int:
    """How many rows the source has, asked past the code under test."""
    with create_engine(home.source_url).connect() as connection:
        return connection.execute(text(f"select count(*) from {table}")).scalar_one()


class TestOptions:
    @pytest.mark.parametrize(
        ("given", "span"),
        [
            (None, None),
            ("2022-03-01:2022-03-07", (date(2022, 3, 1), date(2022, 3, 7))),
            ("2022-03-01", (date(2022, 3, 1), date(2022, 3, 1))),
            ("2022-03-01:2022-03-01", (date(2022, 3, 1), date(2022, 3, 1))),
        ],
    )
    def test_days(self, given: str | None, span: tuple[date, date] | None) -> None:
        assert days(given) == span

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ("", "is not FROM:TO"),
            ("March", "is not FROM:TO, such as 2022-03-01:2022-03-07"),
            ("2022-03-01:2022-03-32", "is not FROM:TO"),
            ("2022-03-07:2022-03-01", "ends before it starts"),
        ],
    )
    def test_bad_days(self, given: str, reason: str) -> None:
        with pytest.raises(typer.BadParameter, match=reason):
            days(given)

    @pytest.mark.parametrize(("given", "posts"), [("1", 1), ("11000", 11000), ("all", "all")])
    def test_posts(self, given: str, posts: int | str) -> None:
        assert number_of(given) == posts

    @pytest.mark.parametrize("given", ["0", "-1", "1.5", "some", "", "1e3", "ALL"])
    def test_bad_posts(self, given: str) -> None:
        with pytest.raises(typer.BadParameter, match="is neither a number from 1 nor 'all'"):
            number_of(given)

    @pytest.mark.parametrize(("given", "rate"), [(None, None), ("human", "human"), ("2", 2.0), ("0.5", 0.5)])
    def test_rate(self, given: str | None, rate: float | str | None) -> None:
        assert rate_of(given) == rate

    @pytest.mark.parametrize("given", ["0", "-2", "fast", "", "nan", "inf"])
    def test_bad_rate(self, given: str) -> None:
        with pytest.raises(typer.BadParameter, match="is neither posts a second nor 'human'"):
            rate_of(given)

    @pytest.mark.parametrize(
        ("flag", "value"),
        [("--days", "March"), ("--posts", "none"), ("--rate", "fast"), ("--to", "nowhere"), ("--seed", "x")],
    )
    def test_they_are_named(self, pinflow: Pinflow, flag: str, value: str) -> None:
        shown = pinflow("emulate", flag, value)
        assert shown.exit_code == 2
        assert flag in shown.stderr
        assert shown.stdout == ""


class TestSource:
    def test_seed_and_show(self, pinflow: Pinflow, home: Home) -> None:
        seeded = pinflow("source", "seed", "--posts", "30", "--seed", "7")
        assert (seeded.exit_code, seeded.stdout) == (0, "")
        assert [rows(home, name) for name in ("pinterest_data", "geolocation_data", "user_data")] == [30] * 3
        shown = pinflow("source", "show", "--json")
        found = json.loads(shown.stdout)
        assert (shown.exit_code, shown.stderr) == (0, "")
        assert found["tables"] == {"pinterest_data": 30, "geolocation_data": 30, "user_data": 30}
        assert sum(found["categories"].values()) == 30

    def test_show_as_tables(self, pinflow: Pinflow) -> None:
        pinflow("source", "seed", "--posts", "30")
        shown = pinflow("source", "show")
        assert shown.exit_code == 0
        for word in ("tables", "categories", "pinterest_data, the first rows", "user_data, the first rows"):
            assert f"\n{word}\n" in f"\n{shown.stdout}"

    def test_show_before_anything_is_there(self, pinflow: Pinflow) -> None:
        assert pinflow("source", "show").exit_code == 0
        assert json.loads(pinflow("source", "show", "--json").stdout)["tables"] == {}

    def test_another_database_by_url(self, pinflow: Pinflow, tmp_path: Path, home: Home) -> None:
        url = f"sqlite:///{tmp_path}/mine.sqlite"
        pinflow("source", "seed", "--posts", "5", "--url", url)
        assert json.loads(pinflow("source", "show", "--json", "--url", url).stdout)["tables"]["user_data"] == 5
        assert json.loads(pinflow("source", "show", "--json").stdout)["tables"] == {}

    def test_a_bad_file_is_refused_whole(self, pinflow: Pinflow, tmp_path: Path) -> None:
        pinflow("source", "seed", "--posts", "5")
        files = {}
        for name in ("pin", "geo", "user"):
            files[name] = tmp_path / f"{name}.jsonl"
            files[name].write_text('{"index": 1}\nnot json\n')
        words = [word for name, path in files.items() for word in (f"--{name}", path)]
        shown = pinflow("source", "load", *words, "--replace")
        assert isinstance(shown.exception, SourceFileError)
        assert "pin.jsonl, line 2" in str(shown.exception)
        assert json.loads(pinflow("source", "show", "--json").stdout)["tables"]["pinterest_data"] == 5

    def test_a_file_that_is_not_there(self, pinflow: Pinflow, tmp_path: Path) -> None:
        shown = pinflow("source", "load", "--pin", tmp_path / "no", "--geo", tmp_path / "no", "--user", tmp_path / "no")
        assert shown.exit_code == 2
        assert "does not exist" in shown.stderr

    @pytest.mark.parametrize("posts", ["0", "-1", "few"])
    def test_bad_posts(self, pinflow: Pinflow, posts: str) -> None:
        assert pinflow("source", "seed", "--posts", posts).exit_code == 2

    def test_use_is_remembered_and_private(self, pinflow: Pinflow, home: Home, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/mine.sqlite"
        assert pinflow("source", "use", url).exit_code == 0
        assert home.source_url == url
        assert stat.S_IMODE((home.run / "source-url").stat().st_mode) == 0o600

    def test_use_of_what_is_no_url(self, pinflow: Pinflow, home: Home) -> None:
        shown = pinflow("source", "use", "my database")
        assert shown.exit_code == 2
        assert "is no SQLAlchemy URL" in shown.stderr
        assert not (home.run / "source-url").exists()


class TestEmulate:
    @pytest.fixture(autouse=True)
    def seeded(self, pinflow: Pinflow) -> None:
        assert pinflow("source", "seed", "--posts", "20").exit_code == 0

    def test_the_console_prints_three_records_a_post(self, pinflow: Pinflow) -> None:
        shown = pinflow("emulate", "--to", "console", "--posts", "4")
        records = [json.loads(line) for line in shown.stdout.splitlines()]
        assert shown.exit_code == 0
        assert sorted(record["topic"] for record in records) == sorted(
            ["pinflow.pin", "pinflow.geo", "pinflow.user"] * 4
        )
        assert "posts            4" in shown.stderr

    def test_json_keeps_standard_output_for_the_summary(self, pinflow: Pinflow) -> None:
        shown = pinflow("emulate", "--to", "console", "--posts", "4", "--json")
        found = json.loads(shown.stdout)
        assert (found["posts"], found["rejected"], found["unknown"]) == (4, 0, 0)
        assert shown.stderr.count('"pinflow.pin"') == 4

    def test_each_row_once(self, pinflow: Pinflow) -> None:
        shown = pinflow("emulate", "--to", "console", "--posts", "all", "--days", "2022-03-01:2022-03-02")
        records = [json.loads(line) for line in shown.stdout.splitlines()]
        assert len({record["key"] for record in records}) == 20
        assert len(records) == 60

    @pytest.fixture
    def refusing(self) -> Iterator[str]:
        """A gateway that knows no route."""

        class Refuse(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                answer = b'{"message":"Missing Authentication Token"}'
                self.send_response(403)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Refuse)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/dev"
        server.shutdown()
        thread.join()
        server.server_close()

    def test_records_that_are_not_taken_are_in_the_exit_code(self, pinflow: Pinflow, refusing: str) -> None:
        shown = pinflow("emulate", "--gateway", refusing, "--posts", "2", "--json")
        assert shown.exit_code == 1
        found = json.loads(shown.stdout)
        assert (found["records"], found["accepted"], found["rejected"]) == (6, 0, 6)
        assert found["error"]

    def test_each_path_has_its_line(self, pinflow: Pinflow, refusing: str) -> None:
        shown = pinflow("emulate", "--gateway", refusing, "--posts", "2")
        assert "batch path       6 records, 0 accepted, 6 rejected, 0 unknown, 0 retried" in shown.stdout

    @pytest.mark.parametrize("target", ["stream", "both"])
    def test_historic_days_are_not_for_streams(self, pinflow: Pinflow, refusing: str, target: str) -> None:
        shown = pinflow("emulate", "--gateway", refusing, "--to", target, "--days", "2022-03-01:2022-03-02")
        assert isinstance(shown.exception, OptionsError)
        assert "Kinesis stamps each record" in str(shown.exception)

    def test_an_empty_source(self, pinflow: Pinflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PINFLOW_SOURCE_URL", f"sqlite:///{tmp_path}/empty.sqlite")
        assert isinstance(pinflow("emulate", "--to", "console").exception, EmulatorError)
