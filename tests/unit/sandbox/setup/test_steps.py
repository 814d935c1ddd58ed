from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.setup import steps
from sandbox.setup.steps import SetupError, Step


class Work:
    """Steps that note what was done, and fail when they are told to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done, self.broken = folder, list[str](), set[str]()

    def step(self, name: str, *inputs: Path | str) -> Step:
        output = self.folder / f"{name}.out"

        def act(log: Path) -> None:
            log.write_text("what the program said")
            if name in self.broken:
                raise OSError("no space left")
            output.touch()
            self.done.append(name)

        return Step(name, f"the {name}", inputs, act, [output])


@pytest.fixture
def work(setup: Path, tmp_path: Path) -> Work:
    return Work(tmp_path)


def silent(line: str) -> None: ...


class TestFingerprint:
    def test_a_step_is_done_until_an_input_changes(self, work: Work, tmp_path: Path) -> None:
        lock = tmp_path / "lock.txt"
        lock.write_text("one==1")
        step = work.step("python", lock, "3.12")
        assert not step.is_done()
        step.do()
        assert work.step("python", lock, "3.12").is_done()
        assert not work.step("python", lock, "3.13").is_done()
        lock.write_text("one==2")
        assert not step.is_done()
        lock.write_text("one==1")
        assert step.is_done()

    def test_a_step_whose_output_went_is_not_done(self, work: Work, tmp_path: Path) -> None:
        step = work.step("java")
        step.do()
        (tmp_path / "java.out").unlink()
        assert not step.is_done()

    def test_a_new_format_does_all_again(self, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
        step = work.step("java")
        step.do()
        monkeypatch.setattr(steps, "FORMAT", "another")
        assert not step.is_done()

    def test_was_done_does_not_ask_whether_it_is_outdated(self, work: Work, tmp_path: Path) -> None:
        lock = tmp_path / "lock.txt"
        lock.write_text("one==1")
        step = work.step("python", lock)
        assert not steps.was_done("python")
        step.do()
        lock.write_text("one==2")
        assert steps.was_done("python")
        work.broken.add("python")
        with pytest.raises(SetupError):
            step.do()
        assert not steps.was_done("python")


class TestRun:
    def test_nothing_is_done_twice(self, work: Work) -> None:
        chain = [work.step(name) for name in ("uv", "java", "jars")]
        steps.run(chain, silent)
        steps.run(chain, silent)
        assert work.done == ["uv", "java", "jars"]

    def test_it_goes_on_where_it_stopped(self, work: Work) -> None:
        chain = [work.step(name) for name in ("uv", "java", "jars")]
        work.broken.add("java")
        with pytest.raises(SetupError):
            steps.run(chain, silent)
        assert work.done == ["uv"]
        work.broken.clear()
        steps.run(chain, silent)
        assert work.done == ["uv", "java", "jars"]

    def test_the_error_names_the_step_and_the_log(self, work: Work, setup: Path) -> None:
        work.broken.add("java")
        with pytest.raises(SetupError) as caught:
            steps.run([work.step("java")], silent)
        assert str(caught.value) == f"Set-up step 'java' failed: no space left\nThe log: {setup}/log/java.log"
        assert (setup / "log/java.log").read_text() == "what the program said"

    def test_a_step_s_own_error_names_them_too(self, setup: Path) -> None:
        def refuse(log: Path) -> None:
            raise SetupError("Pinflow needs a JDK. Type: apt-get install it")

        with pytest.raises(
            SetupError, match=r"^Set-up step 'java' failed: Pinflow needs a JDK.*\nThe log: .*java\.log"
        ):
            Step("java", "Java", [], refuse).do()

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
    def test_a_step_that_is_broken_off_is_not_done(self, setup: Path, error: type[BaseException]) -> None:
        def break_off(log: Path) -> None:
            raise error

        Step("java", "Java", [], silent_action).do()
        step = Step("java", "Java", [], break_off)
        assert step.is_done()
        with pytest.raises(error):
            step.do()
        assert not step.is_done()

    def test_progress_tells_the_title_and_the_time(self, work: Work) -> None:
        said: list[str] = []
        work.step("uv").do()
        steps.run([work.step("uv"), work.step("java")], said.append)
        assert said == ["  the java …", "  the java: 0 s"]


def silent_action(log: Path) -> None: ...


class Told(io.StringIO):
    """A standard error that tells when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        self.event.set()
        return written


def test_a_second_set_up_waits_for_the_first(setup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, entered = Told(), threading.Event()
    monkeypatch.setattr(sys, "stderr", told)

    def second() -> None:
        with steps.locked():
            entered.set()

    with steps.locked():
        other = threading.Thread(target=second)
        other.start()
        assert told.event.wait(10)
        assert not entered.is_set()
    other.join(10)
    assert entered.is_set()
    assert told.getvalue() == "Another set-up is running; waiting for it.\n"


@pytest.mark.parametrize("use", [lambda: None, lambda: (_ for _ in ()).throw(SetupError("no"))])
def test_the_lock_is_free_again_after_the_end(setup: Path, capsys: pytest.CaptureFixture, use: Callable) -> None:
    for _ in range(2):
        try:
            with steps.locked():
                use()
        except SetupError as error:
            assert str(error) == "no"  # noqa: PT017 - the lock is what is looked at
    assert capsys.readouterr().err == ""
