from __future__ import annotations

import pytest
import requests

from sandbox.gateway.document import read
from sandbox.gateway.faults import Fault, Kind
from sandbox.gateway.stages import CLIENTS_STAGES, StageError, Stages
from tests.unit.sandbox.gateway.conftest import Backend, Served, document, proxy_paths

API = read(document(proxy_paths()))
VARIABLES = {"restProxy": "h:1"}


class TestSplit:
    stages = Stages.of(("dev", "Production"), VARIABLES, API)

    @pytest.mark.parametrize(
        ("path", "stage", "rest"),
        [
            ("/dev/topics/x", "dev", "/topics/x"),
            ("/dev", "dev", "/"),
            ("/dev/", "dev", "/"),
            ("/Production/a/", "Production", "/a/"),
            ("/dev//a", "dev", "//a"),
        ],
    )
    def test_known_stages(self, path: str, stage: str, rest: str) -> None:
        assert self.stages.split(path) == (stage, rest)

    @pytest.mark.parametrize(
        "path", ["/developer/topics", "/de/x", "/DEV/x", "/production/x", "/", "", "/topics/dev", "//dev"]
    )
    def test_a_stage_is_matched_whole_and_by_case(self, path: str) -> None:
        with pytest.raises(Fault) as caught:
            self.stages.split(path)
        assert caught.value.kind is Kind.FORBIDDEN


class TestChecks:
    @pytest.mark.parametrize("name", ["", "a/b", "a b", "a.b", "x" * 129])
    def test_names_that_api_gateway_does_not_allow(self, name: str) -> None:
        with pytest.raises(StageError, match="is not allowed"):
            Stages.of((name,), VARIABLES, API)

    def test_no_stage(self) -> None:
        with pytest.raises(StageError, match="Name at least one with --stage"):
            Stages.of((), VARIABLES, API)

    def test_a_variable_that_the_document_needs(self) -> None:
        with pytest.raises(StageError, match=r"restProxy is not set.*--variable restProxy=VALUE"):
            Stages.of(("dev",), {}, API)


class TestServed:
    def test_all_stages_of_existing_clients_at_once(self, serve: Served, backend: Backend) -> None:
        base = serve(proxy_paths(), stages=CLIENTS_STAGES)
        for stage in ("test", "dev", "prod", "production", "Production", "staging"):
            assert requests.get(f"{base}/{stage}/topics", timeout=10).status_code == 200
        assert [got.path for got in backend.received] == ["/topics"] * 6

    def test_an_unknown_stage_is_forbidden(self, serve: Served, backend: Backend) -> None:
        answer = requests.get(f"{serve(proxy_paths())}/developer/topics", timeout=10)
        assert (answer.status_code, answer.content) == (403, b'{"message":"Forbidden"}')
        assert answer.headers["x-amzn-ErrorType"] == "ForbiddenException"
        assert backend.received == []

    def test_the_root_of_a_stage(self, serve: Served, backend: Backend) -> None:
        base = serve(proxy_paths())
        for path in ("/dev", "/dev/"):
            answer = requests.get(f"{base}{path}", timeout=10)
            assert (answer.status_code, answer.json()) == (403, {"message": "Missing Authentication Token"})
            assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"

    def test_health_is_outside_any_stage(self, serve: Served, backend: Backend) -> None:
        answer = requests.get(f"{serve(proxy_paths(), stages=('b', 'a'))}/_health", timeout=10)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "title": "t", "stages": ["a", "b"]})
        assert backend.received == []
