"""What redis-py needs of a server besides the commands: hello, pipelines, errors, pools, binary values."""

import asyncio

import pytest
import redis
import redis.asyncio


def test_a_client_says_hello_and_what_it_is(db, connect):
    client = connect(client_name="tester")
    assert client.ping()
    assert client.client_getname() == "tester"
    assert client.client_id() > 0
    listed = {one["name"]: one for one in client.client_list()}
    assert listed["tester"]["resp"] == str(client.connection_pool.connection_kwargs["protocol"])
    assert listed["tester"]["lib-name"].startswith("redis-py")


def test_info_reads_as_a_dictionary(db):
    info = db.info()
    assert info["redis_version"].startswith("7.")
    assert info["connected_clients"] >= 1
    assert db.info("server")["tcp_port"] > 0


def test_settings_can_be_read(db):
    assert db.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_pipeline_keeps_replies_in_order_and_raises_what_failed(db):
    pipe = db.pipeline(transaction=False)
    for number in range(1000):
        pipe.set(f"k{number}", number)
        pipe.get(f"k{number}")
    assert pipe.execute()[1::2] == [str(number) for number in range(1000)]
    pipe.set("s", "x").lpush("s", "y").get("s")
    replies = pipe.execute(raise_on_error=False)
    assert replies[0] is True and replies[2] == "x"
    assert isinstance(replies[1], redis.ResponseError) and "WRONGTYPE" in str(replies[1])


def test_errors_are_raised_as_what_they_are(db):
    with pytest.raises(redis.ResponseError, match="unknown command"):
        db.execute_command("NOSUCH", "x")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        db.set("s", "x")
        db.incr("s")


def test_values_are_bytes(address):
    client = redis.Redis(*address)
    value = bytes(range(256)) * 5000
    assert client.set(b"\x00\xff", value)
    assert client.get(b"\x00\xff") == value
    client.delete(b"\x00\xff")


def test_databases_are_apart(db, connect):
    other = connect(db=3)
    db.set("k", "here")
    other.set("k", "there")
    assert (db.get("k"), other.get("k")) == ("here", "there")
    assert (db.dbsize(), other.dbsize()) == (1, 1)


def test_a_client_that_went_away_takes_no_element(db, connect):
    gone = connect(socket_connect_timeout=5)
    connection = gone.connection_pool.get_connection()
    connection.send_command("BLPOP", "l", "0")
    while db.info("clients")["blocked_clients"] == 0:
        pass
    connection.disconnect()
    while db.info("clients")["blocked_clients"] > 0:
        pass
    db.lpush("l", "x")
    assert db.lpop("l") == "x"


def test_async_workers_wait_and_are_served(address):
    async def run():
        host, port = address
        client = redis.asyncio.Redis(host=host, port=port, decode_responses=True)
        await client.delete("jobs")
        workers = [asyncio.create_task(client.blpop("jobs", 10)) for _ in range(20)]
        await asyncio.sleep(0.1)
        for number in range(20):
            await client.rpush("jobs", number)
        got = sorted(int(element) for _, element in await asyncio.gather(*workers))
        await client.aclose()
        assert got == list(range(20))

    asyncio.run(run())
