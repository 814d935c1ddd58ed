"""Private database servers from Debian's packages, each in a temporary folder on a free loopback port."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

START_SECONDS = 60
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM_TABLES = ("mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data")
PACKAGES = {"mariadb": "mariadb-server-core", "postgresql": "postgresql"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def program(name: str, package: str) -> str:
    """The path of a server's program; its package is installed if that can be done, else the test is skipped."""
    if not find(name):
        install(package)
    return find(name) or pytest.skip(f"{name} is not here; install Debian's package {package} to run this test")


def find(name: str) -> str | None:
    postgres = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(postgres[-1]) if postgres else shutil.which(name, path=PATH)


def install(package: str) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", package]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
        if done.returncode:
            pytest.skip(f"{package} can't be installed: {done.stderr.strip().splitlines()[-1:]}")


def unprivileged(folder: Path) -> list[str]:
    """What to put before a command so that it doesn't run as root; the folder becomes that user's."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    group = grp.getgrgid(user.pw_gid).gr_name
    for parent in (folder, *folder.parents):
        if parent.owner() == "root" and parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    shutil.chown(folder, user.pw_name, group)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextlib.contextmanager
def serving(command: list[str], url: str, folder: Path) -> Iterator[str]:
    """A server process that answers at a URL; stopped at the end."""
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, start_new_session=True)
    try:
        wait_until_it_answers(process, url, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    engine = create_engine(url)
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with engine.connect():
                engine.dispose()
                return
        except OperationalError:
            tail = log.read_text(errors="replace")[-2_000:]
            assert process.poll() is None, f"the server stopped: {tail}"
            assert time.monotonic() < end, f"the server doesn't answer: {tail}"
            time.sleep(0.1)


def make_mariadb_tables(server: list[str], mkdir: list[str], folder: Path) -> None:
    """What ``mariadb-install-db`` does, without the client programs it needs."""
    subprocess.run(mkdir, check=True, timeout=10, cwd=folder)
    parts = [Path("/usr/share/mysql") / f"{name}.sql" for name in SYSTEM_TABLES]
    script = "create database mysql;\nuse mysql;\n" + "\n".join(part.read_text() for part in parts)
    made = subprocess.run(
        [*server, "--bootstrap", "--skip-networking"],
        input=script, capture_output=True, text=True, timeout=120, check=False, cwd=folder,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-2_000:]


@contextlib.contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """A MariaDB; the URL is that of an empty database in latin1, so that the tables must ask for utf8mb4."""
    server = program("mariadbd", PACKAGES["mariadb"])
    data, port, start = folder / "data", free_port(), unprivileged(folder)
    init = folder / "init.sql"
    init.write_text(
        "CREATE USER 'pinflow'@'127.0.0.1' IDENTIFIED BY 'sesame';\n"
        "CREATE DATABASE pinflow CHARACTER SET latin1;\n"
        "GRANT ALL ON pinflow.* TO 'pinflow'@'127.0.0.1';\n"
    )
    init.chmod(0o644)
    common = ["--no-defaults", f"--datadir={data}"]
    make_mariadb_tables([*start, server, *common], [*start, "mkdir", str(data)], folder)
    command = [
        *start, server, *common, "--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder}/s", "--skip-log-bin",
        f"--pid-file={folder}/pid", f"--init-file={init}", "--innodb-buffer-pool-size=32M", "--skip-name-resolve",
    ]  # fmt: skip
    with serving(command, f"mysql+pymysql://pinflow:sesame@127.0.0.1:{port}/pinflow", folder) as url:
        yield url.replace("+pymysql", "")


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL; the URL is that of an empty database."""
    initdb, server = program("initdb", PACKAGES["postgresql"]), program("postgres", PACKAGES["postgresql"])
    data, port, start = folder / "data", free_port(), unprivileged(folder)
    secret = folder / "password"
    secret.write_text("sesame\n")
    secret.chmod(0o644)
    made = subprocess.run(
        [*start, initdb, "-D", str(data), "-U", "pinflow", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8",
         "--locale=C.UTF-8"],
        capture_output=True, text=True, timeout=120, check=False, cwd=folder,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    command = [
        *start,
        server,
        "-D",
        str(data),
        "-p",
        str(port),
        "-h",
        "127.0.0.1",
        "-k",
        str(folder),
        "-c",
        "fsync=off",
    ]
    with serving(command, f"postgresql+psycopg2://pinflow:sesame@127.0.0.1:{port}/postgres", folder) as url:
        yield url.replace("+psycopg2", "")
