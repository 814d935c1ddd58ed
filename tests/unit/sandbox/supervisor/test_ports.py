from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sandbox.supervisor import ports as ports_module
from sandbox.supervisor.ports import PREFERRED, Ports, becomes_free, is_free


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    return Ports(tmp_path / "run/ports.json", preferred=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_somebody_listens_on_is_not_free(host: str) -> None:
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_port_that_lingers_after_a_connection_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first is left in TIME_WAIT
        client.close()
    assert is_free(port)


def test_a_port_that_is_released_meanwhile_becomes_free(monkeypatch: pytest.MonkeyPatch) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    assert not becomes_free(port, 0)
    monkeypatch.setattr(ports_module.time, "sleep", lambda seconds: server.close())
    assert becomes_free(port, 5)


def test_a_taken_port_is_not_chosen(ports: Ports, tmp_path: Path) -> None:
    first = ports.get("kafka")
    ports.forget("kafka")
    with socket.create_server(("127.0.0.1", first)):
        assert ports.get("kafka") != first
    assert all(21000 <= port < 29999 for port in (first, ports.get("kafka")))


def test_a_port_that_is_promised_to_another_part_is_not_chosen(ports: Ports) -> None:
    assert len({ports.get(f"part-{number}") for number in range(20)}) == 20


def test_those_of_a_part_by_name(ports: Ports) -> None:
    main, controller = ports.get("kafka"), ports.get("kafka", "controller")
    other = ports.get("kafka-ui")
    assert ports.of("kafka") == {"main": main, "controller": controller}
    assert ports.of("nobody") == {}
    ports.forget("kafka")
    assert ports.all() == {"kafka-ui/main": other}


def test_preferred_ports_are_only_for_the_main_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    monkeypatch.setitem(PREFERRED, "kafka", free)
    ports = Ports(tmp_path / "ports.json")
    assert ports.get("kafka", "controller") != free
    assert ports.get("kafka") == free
    assert Ports(tmp_path / "another.json", preferred=False).get("kafka") != free


def test_a_preferred_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setitem(PREFERRED, "kafka", server.getsockname()[1])
        assert Ports(tmp_path / "ports.json").get("kafka") in ports_module.FALLBACK


def test_no_port_left(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(ports_module, "FALLBACK", range(server.getsockname()[1], server.getsockname()[1] + 1))
        with pytest.raises(RuntimeError, match="No free port"):
            ports.get("kafka")
