# What redis-rb does first: connects, writes and reads a value, looks for a key that is not there, subscribes.
#
# Recorded by tests/connect.rs. The password comes from REDIS_PASSWORD.

require "redis"

settings = { host: "127.0.0.1", port: Integer(ARGV[0]), password: ENV.fetch("REDIS_PASSWORD"), db: 1, id: "app" }
client = Redis.new(settings)
client.set("connect:key", "PLAINTEXT-MARKER")
raise unless client.get("connect:key") == "PLAINTEXT-MARKER"
raise unless client.get("connect:none").nil?
subscriber = Redis.new(settings)
subscriber.subscribe("connect:channel") do |on|
  on.subscribe { subscriber.unsubscribe }
end
