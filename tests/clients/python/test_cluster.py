"""A client that speaks to nothing but clusters, against the cluster of one node that the server emulates."""

import pytest
import redis
from redis.cluster import RedisCluster

from conftest import serve


@pytest.fixture(scope="module", params=[["--cluster-mode", "emulated"], ["--cluster-enabled", "yes"]], ids=" ".join)
def cluster_address(request):
    with serve(*request.param) as address:
        yield address


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def cluster(request, cluster_address):
    host, port = cluster_address
    client = RedisCluster(host=host, port=port, protocol=request.param, decode_responses=True, socket_timeout=20)
    client.flushall(target_nodes="all")
    yield client
    client.close()


def test_it_finds_one_node_that_serves_all_slots(cluster, cluster_address):
    (node,) = cluster.get_nodes()
    assert (node.host, node.port) == cluster_address
    assert node.server_type == "primary"
    assert cluster.cluster_info()["cluster_state"] == "ok"
    assert len(cluster.nodes_manager.slots_cache) == 16384


def test_keys_of_any_slot_are_read_and_written(cluster):
    for n in range(200):
        assert cluster.set(f"key:{n}", n)
    assert [cluster.get(f"key:{n}") for n in range(200)] == [str(n) for n in range(200)]
    assert cluster.mget_nonatomic([f"key:{n}" for n in range(10)]) == [str(n) for n in range(10)]
    assert cluster.mset_nonatomic({"a": 1, "b": 2})
    assert sorted(cluster.scan_iter("key:1*", count=1000)) == sorted(f"key:{n}" for n in range(200) if str(n)[0] == "1")
    assert cluster.dbsize() == 202


def test_a_pipeline_spans_slots(cluster):
    with cluster.pipeline() as pipe:
        for n in range(50):
            pipe.incrby(f"n:{n}", n)
        assert pipe.execute() == list(range(50))


def test_a_transaction_keeps_to_its_slot(cluster):
    with cluster.pipeline(transaction=True) as pipe:
        pipe.set("{user:1}:name", "ada").get("{user:1}:name")
        assert pipe.execute() == ["OK", "ada"]


def test_slots_are_counted_as_the_client_counts_them(cluster):
    for key in ["foo", "{foo}:a", "x{foo}y"]:
        cluster.set(key, 1)
    slot = cluster.keyslot("foo")
    assert cluster.cluster_keyslot("foo") == slot
    assert cluster.cluster_countkeysinslot(slot) == 3
    assert sorted(cluster.cluster_get_keys_in_slot(slot, 10)) == ["foo", "x{foo}y", "{foo}:a"]


def test_scripts_and_messages_go_through(cluster):
    assert cluster.eval("return redis.call('INCR', KEYS[1])", 1, "n") == 1
    listener = cluster.pubsub()
    listener.ssubscribe("news")
    assert listener.get_sharded_message(timeout=5)["type"] == "ssubscribe"
    assert cluster.spublish("news", "hello") == 1
    assert listener.get_sharded_message(timeout=5)["data"] == "hello"
    listener.close()


def test_what_crosses_slots_is_refused(cluster_address):
    plain = redis.Redis(*cluster_address)
    with pytest.raises(redis.exceptions.ClusterCrossSlotError):
        plain.mget("a", "b")
    with pytest.raises(redis.exceptions.ResponseError, match="SELECT is not allowed in cluster mode"):
        plain.select(1)
    plain.close()
