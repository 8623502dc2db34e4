"""What runs together ends together, what crashes comes back, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOREVER = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@pytest.fixture
def start():
    """Starts a supervisor in a process of its own; each child is written as the Child(...) it is made by."""
    started: list[subprocess.Popen] = []

    def begin(*children: str) -> subprocess.Popen:
        program = (
            "import sys; from services.supervisor import Child, supervise; py = sys.executable; "
            f"sys.exit(supervise([{', '.join(children)}]))"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=10)


def child(name: str, program: str, restart: bool = False) -> str:
    return f"Child({name!r}, [py, '-c', {program!r}], restart={restart})"


def announcing(program: str, path: Path) -> str:
    """A program that first writes its process id into a file."""
    return f"import os, pathlib; f = pathlib.Path({str(path)!r}); f.write_text(str(os.getpid())); {program}"


def wait_for(path: Path, seconds: float = 10) -> int:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.02)
    raise AssertionError(f"{path.name} was not written")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3]


def gone(pid: int, seconds: float = 8) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_child_and_the_supervisor_says_it_went_well(start, tmp_path, signum):
    supervisor = start(child("a", announcing(FOREVER, tmp_path / "a")), child("b", announcing(FOREVER, tmp_path / "b")))
    pids = [wait_for(tmp_path / "a"), wait_for(tmp_path / "b")]
    supervisor.send_signal(signum)
    assert supervisor.wait(10) == 0
    assert not any(is_alive(pid) for pid in pids)


def test_a_child_that_does_not_listen_is_ended_all_the_same(start, tmp_path):
    supervisor = start(child("a", announcing(STUBBORN, tmp_path / "a")))
    pid = wait_for(tmp_path / "a")
    time.sleep(0.3)
    supervisor.terminate()
    supervisor.wait(15)
    assert not is_alive(pid)


def test_a_grandchild_does_not_outlive_its_parent(start, tmp_path):
    inner = announcing(FOREVER, tmp_path / "inner")
    outer = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {inner!r}]); time.sleep(600)"
    supervisor = start(child("a", outer))
    pid = wait_for(tmp_path / "inner")
    supervisor.terminate()
    supervisor.wait(10)
    assert gone(pid)


def test_a_child_that_may_restart_comes_back_after_a_crash(start, tmp_path):
    crash = (
        f"import pathlib; d = pathlib.Path({str(tmp_path)!r}); n = len(list(d.iterdir())); "
        "(d / str(n)).write_text('1'); import sys, time; time.sleep(600) if n else sys.exit(7)"
    )
    supervisor = start(child("a", crash, restart=True))
    wait_for(tmp_path / "1")
    supervisor.terminate()
    output, _ = supervisor.communicate(timeout=10)
    assert "ended with exit code 7" in output


def test_the_end_of_an_essential_child_is_the_end_of_all(start, tmp_path):
    supervisor = start(child("web", "import sys; sys.exit(3)"), child("b", announcing(FOREVER, tmp_path / "b")))
    assert supervisor.wait(10) == 3
    assert not (tmp_path / "b").exists() or gone(wait_for(tmp_path / "b"))


def test_nothing_is_left_when_the_supervisor_is_killed_outright(start, tmp_path):
    supervisor = start(child("a", announcing(FOREVER, tmp_path / "a")))
    pid = wait_for(tmp_path / "a")
    supervisor.kill()
    supervisor.wait(10)
    assert gone(pid)


def test_each_line_of_output_is_told_by_its_process_and_a_line_too_long_is_cut(start):
    program = "print('hello'); print('x' * (3 << 20)); print('still here', flush=True)"
    supervisor = start(child("talker", program))
    output, _ = supervisor.communicate(timeout=20)
    assert "talker    | hello" in output
    assert "was cut" in output
    assert "talker    | still here" in output
