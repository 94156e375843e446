# Jobs for the test: each leaves a mark; some fail once and are tried again.
require "sidekiq"

Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)

URL = ENV.fetch("JOBS_URL")
Sidekiq.configure_client { |config| config.redis = { url: URL } }
Sidekiq.configure_server do |config|
  config.redis = { url: URL }
  # Retries and scheduled jobs are looked for often, so that the test need not wait.
  config.options[:poll_interval_average] = 0.2
end

class Mark
  include Sidekiq::Worker
  sidekiq_options retry: 3, queue: "marks"
  sidekiq_retry_in { 0 }

  def perform(number)
    Sidekiq.redis do |redis|
      if (number % 10).zero? && redis.hincrby("tries", number.to_s, 1) == 1
        raise "the first try of #{number} fails"
      end
      redis.rpush("done", number.to_s)
    end
  end
end
