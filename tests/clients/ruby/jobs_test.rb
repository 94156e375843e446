# Sidekiq itself, as Debian ships it: jobs pushed one by one, in bulk and for later, two processes that work, failures
# tried again through the sorted set of retries; none is lost, none is run twice.
#
#     SERVER_BINARY=target/release/damselfly ruby tests/clients/ruby/jobs_test.rb
require "minitest/autorun"
require "socket"
require "timeout"

ROOT = File.expand_path("../../..", __dir__)
BINARY = ENV["SERVER_BINARY"] || File.join(ROOT, "target/release/damselfly")
PORT = TCPServer.open("127.0.0.1", 0) { |server| server.addr[1] }
ENV["JOBS_URL"] = "redis://127.0.0.1:#{PORT}/0"
SERVER = Process.spawn(BINARY, "--port", PORT.to_s, "--bind", "127.0.0.1", "--loglevel", "warning", out: File::NULL)
Minitest.after_run do
  Process.kill("TERM", SERVER)
  Process.wait(SERVER)
end
200.times do
  TCPSocket.new("127.0.0.1", PORT).close
  break
rescue SystemCallError
  sleep 0.02
end

require_relative "app"
require "sidekiq/api"

class SidekiqTest < Minitest::Test
  JOBS = 300

  def workers(count)
    command = ["sidekiq", "-r", File.join(__dir__, "app.rb"), "-q", "marks", "-c", "5", "-t", "10"]
    pids = Array.new(count) { Process.spawn(*command, out: File::NULL, err: File::NULL) }
    yield
  ensure
    pids.each { |pid| Process.kill("TERM", pid) }
    pids.each { |pid| Process.wait(pid) }
  end

  def wait_until
    Timeout.timeout(60) { sleep 0.1 until yield }
  end

  def test_no_job_is_lost_and_none_is_run_twice
    Sidekiq.redis(&:flushall)
    (0...100).each { |number| Mark.perform_async(number) }
    Sidekiq::Client.push_bulk("class" => Mark, "args" => (100...250).map { |number| [number] })
    (250...JOBS).each { |number| Mark.perform_in(1, number) }
    assert_equal 250, Sidekiq::Queue.new("marks").size
    assert_equal 50, Sidekiq::ScheduledSet.new.size
    done = -> { Sidekiq.redis { |redis| redis.lrange("done", 0, -1) } }
    workers(2) do
      wait_until { done.call.size >= JOBS }
      sleep 1
    end
    assert_equal (0...JOBS).map(&:to_s).sort, done.call.sort
    assert_equal 0, Sidekiq::Queue.new("marks").size
    assert_equal 0, Sidekiq::RetrySet.new.size
    assert_equal 0, Sidekiq::DeadSet.new.size
    stats = Sidekiq::Stats.new
    # A job that failed was processed twice: Sidekiq counts tries.
    assert_equal [JOBS + JOBS / 10, JOBS / 10], [stats.processed, stats.failed]
  end
end
