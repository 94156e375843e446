"""What the music application keeps in its cache, through redis-py, as the application would."""

import hashlib
import json
import secrets
import threading
import time

TRACK = {"id": 123, "title": "Für Elise", "artist": "Beethoven", "duration": 178.5, "tags": ["piano", "classical"]}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_track_lives_for_twelve_hours(db):
    assert db.execute_command("SET", "track:123", json.dumps(TRACK), "EX", "43200") in ("OK", True)
    assert json.loads(db.get("track:123")) == TRACK
    assert 43190 <= db.ttl("track:123") <= 43200
    assert db.set("track:123", "{}", ex=43200)
    assert db.get("track:123") == "{}"


def test_a_session_lives_for_a_day_and_can_be_renewed_and_ended(db):
    token = secrets.token_urlsafe(32)
    key = f"session:{token}"
    assert db.set(key, json.dumps({"user": 7}), ex=86400)
    assert 86390 <= db.ttl(key) <= 86400
    assert db.expire(key, 86400 * 2)
    assert db.getex(key, ex=60) == '{"user": 7}'
    assert db.ttl(key) <= 60
    assert db.delete(key) == 1
    assert db.get(key) is None and db.ttl(key) == -2


def test_changes_to_be_synchronised_come_out_in_order(db):
    for change in range(5):
        assert db.lpush("sync:user:7", json.dumps({"change": change})) == change + 1
    assert db.llen("sync:user:7") == 5
    changes = [json.loads(db.rpop("sync:user:7"))["change"] for _ in range(5)]
    assert changes == [0, 1, 2, 3, 4]
    assert not db.exists("sync:user:7")


def test_progress_is_kept_for_each_user_and_song(db):
    song = digest("song")
    assert db.set(f"progress:7:{song}", "93.25")
    assert db.set(f"progress:8:{song}", "1")
    assert float(db.get(f"progress:7:{song}")) == 93.25
    assert db.ttl(f"progress:7:{song}") == -1
    assert sorted(db.scan_iter("progress:*")) == sorted([f"progress:7:{song}", f"progress:8:{song}"])


def test_a_search_is_cached_for_six_hours(db):
    key = f"search:{digest('beethoven')}"
    result = json.dumps([TRACK] * 200)
    assert db.set(key, result, ex=21600)
    assert db.get(key) == result
    assert 21590 <= db.ttl(key) <= 21600
    assert db.strlen(key) == len(result.encode())


def test_plays_are_counted_by_many_at_once(db, connect):
    key = f"plays:{digest('song')}"

    def play():
        client = connect()
        for _ in range(100):
            client.incr(key)

    threads = [threading.Thread(target=play) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert db.get(key) == "400"
    assert db.incr(key) == 401
    assert db.incrby(key, 9) == 410


def test_the_fifty_last_songs_are_kept(db):
    for song in range(75):
        with db.pipeline(transaction=False) as pipe:
            pipe.lpush("recent:7", f"song{song}")
            pipe.ltrim("recent:7", 0, 49)
            pipe.execute()
    assert db.llen("recent:7") == 50
    assert db.lrange("recent:7", 0, 2) == ["song74", "song73", "song72"]
    assert db.lrange("recent:7", -1, -1) == ["song25"]


def test_a_favourite_is_set_and_taken_back(db):
    key = f"fav:7:{digest('song')}"
    assert db.set(key, 1)
    assert db.exists(key) == 1
    assert db.set(key, 1, nx=True) is None
    assert db.delete(key) == 1
    assert db.exists(key) == 0


def test_each_download_goes_to_exactly_one_worker(db, connect):
    jobs = [f"job{number}" for number in range(60)]
    done, lock = [], threading.Lock()

    def work():
        client = connect()
        while True:
            queue, job = client.execute_command("BRPOP", "download_jobs", "0")
            assert queue == "download_jobs"
            if job == "stop":
                return
            with lock:
                done.append(job)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    [worker.start() for worker in workers]
    for number, job in enumerate(jobs):
        db.lpush("download_jobs", job)
        if number % 20 == 0:
            time.sleep(0.02)
    while db.llen("download_jobs"):
        time.sleep(0.01)
    for _ in workers:
        db.lpush("download_jobs", "stop")
    for worker in workers:
        worker.join(20)
        assert not worker.is_alive(), "a worker still waits"
    assert sorted(done) == sorted(jobs)
    assert db.llen("download_jobs") == 0


def test_one_worker_gets_jobs_in_the_order_in_which_they_came(db, connect):
    db.lpush("download_jobs", "a", "b", "c")
    worker = connect()
    assert [worker.brpop("download_jobs", 0)[1] for _ in range(3)] == ["a", "b", "c"]
    started = time.monotonic()
    assert worker.brpop("download_jobs", 1) is None
    assert 0.9 < time.monotonic() - started < 5


def test_the_progress_of_indexing_is_one_value(db):
    for step in (0, 50, 100):
        assert db.set("index:progress", json.dumps({"done": step, "of": 100}))
    assert json.loads(db.get("index:progress")) == {"done": 100, "of": 100}
    assert db.type("index:progress") == "string"


def test_what_has_a_short_life_ends(db):
    assert db.set("session:short", "x", px=60)
    time.sleep(0.15)
    assert db.get("session:short") is None
    assert db.dbsize() == 0
