from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psutil
import pytest

from sandbox.supervisor.home import ROOT
from sandbox.supervisor.keeper import QUICK_ENDS, QUICK_SECONDS, keep

Program = Callable[..., list[str]]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A program that notes each start and then ends with the next of these codes; the last one stays."""

    def make(*codes: int) -> list[str]:
        cases = " ".join(f"{number}) exit {code};;" for number, code in enumerate(codes, 1))
        script = (
            f"echo start >> {tmp_path}/starts; case $(grep -c . {tmp_path}/starts) in {cases} esac; exit {codes[-1]}"
        )
        return ["/bin/sh", "-c", script]

    return make


@pytest.fixture
def starts(tmp_path: Path) -> Callable[[], int]:
    return lambda: len((tmp_path / "starts").read_text().splitlines())


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """``keep`` is meant for a process of its own: it takes the signals' handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_good_end_is_the_end(program: Program, starts: Callable[[], int]) -> None:
    said: list[str] = []
    assert keep(program(0), said.append) == 0
    assert (starts(), said) == (1, [])


def test_an_error_starts_it_anew(program: Program, starts: Callable[[], int]) -> None:
    said: list[str] = []
    assert keep(program(3, 1, 0), said.append) == 0
    assert starts() == 3
    assert said == ["/bin/sh ended with exit code 3: started anew", "/bin/sh ended with exit code 1: started anew"]


def test_quick_ends_in_a_row_give_it_up(program: Program, starts: Callable[[], int]) -> None:
    said: list[str] = []
    assert keep(program(1, 1, 7), said.append) == 7
    assert starts() == QUICK_ENDS == 3
    assert said[-1] == "/bin/sh ended 3 times within 20 s of its start, last with 7: given up"


def test_ends_after_a_long_time_are_never_too_many(program: Program, starts: Callable[[], int]) -> None:
    ticks = count(step=QUICK_SECONDS)
    assert keep(program(*[1] * 8, 0), lambda line: None, clock=lambda: next(ticks)) == 0
    assert starts() == 9


def test_a_long_time_between_forgives_the_quick_ends(program: Program, starts: Callable[[], int]) -> None:
    spans = iter([1.0, 1.0, QUICK_SECONDS, 1.0, 1.0, 1.0])
    times = (moment for span in spans for moment in (0.0, span))
    assert keep(program(9), lambda line: None, clock=lambda: next(times)) == 9
    assert starts() == 6


class TestProcess:
    """As the supervisor runs it."""

    @pytest.fixture
    def kept(self) -> Iterator[subprocess.Popen[str]]:
        code = (
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(4)))\n"
            "print('starts', flush=True); time.sleep(600)"
        )
        argv = [sys.executable, "-m", "sandbox.supervisor.keeper", sys.executable, "-c", code]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "starts\n"
            yield process
            for child in psutil.Process(process.pid).children() if process.poll() is None else []:
                child.kill()
            process.kill()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_stop_is_passed_on_and_is_no_error(self, kept: subprocess.Popen[str], number: signal.Signals) -> None:
        (child,) = psutil.Process(kept.pid).children()
        kept.send_signal(number)
        out, err = kept.communicate(timeout=20)
        assert kept.returncode == 0
        assert ("bye" in out, "anew" in err) == (number == signal.SIGTERM, False)
        assert not child.is_running()

    def test_a_killed_program_is_started_anew(self, kept: subprocess.Popen[str]) -> None:
        (before,) = psutil.Process(kept.pid).children()
        before.kill()
        assert kept.stdout is not None
        assert kept.stdout.readline() == "starts\n"
        (after,) = psutil.Process(kept.pid).children()
        assert after.pid != before.pid
        kept.terminate()
        _, err = kept.communicate(timeout=20)
        assert err == f"keeper: {sys.executable} ended with exit code -9: started anew\n"
