"""A server of our own for these tests: SERVER_BINARY, or what cargo built last; SERVER_ADDRESS for one that runs."""

import contextlib
import os
import pathlib
import socket
import subprocess
import time

import pytest
import redis

ROOT = pathlib.Path(__file__).resolve().parents[3]


def binary():
    given = os.environ.get("SERVER_BINARY")
    if given:
        return given
    built = [ROOT / "target" / profile / "damselfly" for profile in ("release", "debug")]
    built = [path for path in built if path.exists()]
    if not built:
        pytest.exit("no server: cargo build first", returncode=2)
    return str(max(built, key=lambda path: path.stat().st_mtime))


@contextlib.contextmanager
def serve(*flags):
    """A server of its own with these flags: host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [binary(), "--port", str(port), "--bind", "127.0.0.1", "--loglevel", "warning", *flags],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, "the server ended"
                time.sleep(0.02)
        yield "127.0.0.1", port
    finally:
        server.terminate()
        assert server.wait(10) == 0, "SIGTERM ends the server in order"


@pytest.fixture(scope="session")
def address():
    """Where the server listens: host and port."""
    given = os.environ.get("SERVER_ADDRESS")
    if given:
        host, port = given.rsplit(":", 1)
        yield host, int(port)
        return
    with serve() as here:
        yield here


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def db(request, address):
    """An empty server."""
    client = redis.Redis(*address, protocol=request.param, decode_responses=True, socket_timeout=20)
    client.flushall()
    yield client
    client.flushall()
    client.close()


@pytest.fixture
def connect(address, db):
    """Opens more connections of the same kind."""
    opened = []

    def open_one(**options):
        protocol = db.connection_pool.connection_kwargs["protocol"]
        client = redis.Redis(*address, protocol=protocol, decode_responses=True, socket_timeout=20, **options)
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        client.close()
