"""The console's /metrics, read by Prometheus' own parser, and its REST, called as the music application's clients do."""

import contextlib
import json
import socket
import urllib.request

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from conftest import serve


@pytest.fixture(scope="module")
def house():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        admin = free.getsockname()[1]
    with contextlib.ExitStack() as stack:
        host, port = stack.enter_context(serve("--admin-port", str(admin)))
        yield redis.Redis(host, port), f"http://127.0.0.1:{admin}"


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


@pytest.mark.parametrize("prefix", ["redis", "dragonfly"])
def test_prometheus_reads_the_figures(house, prefix):
    db, url = house
    db.set("k", "v", ex=100)
    db.get("k")
    families = {f.name: f for f in text_string_to_metric_families(get(f"{url}/metrics?prefix={prefix}"))}
    assert families[f"{prefix}_commands_processed"].type == "counter"
    assert families[f"{prefix}_memory_used_bytes"].type == "gauge"
    (info,) = families[f"{prefix}_instance_info"].samples
    assert info.labels["role"] == "master"
    calls = {s.labels["cmd"]: s.value for s in families[f"{prefix}_commands"].samples}
    assert calls["get"] >= 1
    keys = {s.labels["db"]: s.value for s in families[f"{prefix}_db_keys"].samples}
    assert keys["db0"] == db.dbsize()


def test_the_clients_four_calls(house):
    db, url = house
    db.set("tracks:1", "x")
    health, stats, services, keys = (
        json.loads(get(f"{url}/dragonfly/{call}")) for call in ("health", "stats", "services", "keys")
    )
    assert health["connected"] is True and health["status"] in ("healthy", "slow")
    assert isinstance(stats["keyspace"]["db0"]["keys"], int)
    assert all(isinstance(one["hit_rate"], (int, float)) for one in services["services"])
    assert isinstance(keys["total"], int)
    request = urllib.request.Request(f"{url}/dragonfly/clear/tracks", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["success"] is True
    assert not db.exists("tracks:1")
