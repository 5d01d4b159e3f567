# What an application does through dalli with the meta protocol. Usage: roundtrip.rb PORT. The exit status is 0 when every answer was right.

require 'dalli'

PATIENCE = 20
MIB = 1 << 20

def same(got, wanted)
  raise "wanted #{wanted.inspect[0, 200]}, got #{got.inspect[0, 200]}" if got != wanted
end

def soon(fault)
  limit = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE
  until yield
    raise fault if Process.clock_gettime(Process::CLOCK_MONOTONIC) > limit

    sleep 0.05
  end
end

def values(client, raw)
  ['hello', '', "\0\xff END", 'x' * (MIB - 1000)].each do |value|
    value = value.dup.force_encoding('BINARY')
    raise 'set' unless raw.set('value', value)

    same(raw.get('value').force_encoding('BINARY'), value)
  end
  # The type is kept in the flags.
  [1, 2**70, 'text', 'grüß', nil, { 'a' => [1, 2.5, true] }, 'y' * 100_000].each do |value|
    raise 'set' unless client.set('typed', value)

    same(client.get('typed'), value)
  end
  same(client.get('nothing'), nil)
end

# Keys that are no plain text go as base64.
def unicode_keys(client, raw)
  ['schön', 'ключ', '鍵', '🔑', 'with space', "tab\tand\nline"].each do |key|
    raise 'set' unless raw.set(key, "1#{key.bytesize}")

    same(raw.get(key), "1#{key.bytesize}")
    same(raw.get_multi(key, 'nothing'), { key => "1#{key.bytesize}" })
    same(raw.incr(key, 1), "1#{key.bytesize}".to_i + 1)
    same(client.delete(key), true)
    same(client.delete(key), false)
  end
end

def conditions(client, raw)
  same(client.replace('co', 'a'), false)
  same(raw.append('co', 'a'), false)
  same(raw.prepend('co', 'a'), false)
  raise 'add' unless raw.add('co', 'm')

  same(raw.add('co', 'n'), false)
  same(raw.append('co', 'z'), true)
  same(raw.prepend('co', 'a'), true)
  same(raw.get('co'), 'amz')
end

def compare_and_swap(client)
  same(client.cas('cas') { raise 'called' }, nil)
  client.set('cas', 'a')
  value, cas = client.get_cas('cas')
  same(value, 'a')
  later = client.set_cas('cas', 'b', cas)
  raise 'the cas number did not change' if !later || later == cas

  same(client.set_cas('cas', 'c', cas), false)
  same(client.replace_cas('cas', 'c', cas), false)
  same(client.delete_cas('cas', cas), false)
  raise 'cas' unless(client.cas('cas') { |old| "#{old}!" })

  same(client.get('cas'), 'b!')
  same(client.get_multi_cas('cas', 'nothing').transform_values(&:first), { 'cas' => 'b!' })
end

def counters(raw)
  same(raw.incr('n', 1), nil)
  same(raw.incr('n', 1, nil, 10), 10)
  same(raw.incr('n', 5), 15)
  same(raw.decr('n', 100), 0)
  same(raw.decr('m', 1, nil, 7), 7)
  raw.set('n', 'ten')
  begin
    raw.incr('n', 1)
  rescue Dalli::DalliError
    return
  end
  raise 'incr of a word'
end

def many(client)
  items = (0...1000).to_h { |i| ["many-#{i}", i.to_s * (i % 50)] }
  client.quiet { items.each { |key, value| client.set(key, value) } }
  same(client.get_multi(items.keys + ['nothing']), items)
  client.quiet { items.each_key { |key| client.delete(key) } }
  same(client.get_multi(items.keys), {})
end

def expiry(client)
  client.set('short', 'x', 1)
  client.set('long', 'x', 1000)
  client.set('touched', 'x', 1000)
  same(client.touch('touched', 1), true)
  same(client.touch('nothing', 1), nil)
  soon('nothing expires') { client.get_multi('short', 'touched').empty? }
  same(client.gat('long', 500), 'x')
end

# The server goes away and comes back with what it said it had stored.
def restart(client)
  raise 'set' unless client.set('survivor', 'still here')

  puts 'restart'
  $stdout.flush
  $stdin.gets
  value = nil
  soon('no server after the restart') do
    value = client.get('survivor')
    true
  rescue Dalli::RingError, Dalli::NetworkError
    false
  end
  same(value, 'still here')
end

def server_commands(client, address)
  raise 'version' unless client.version[address]
  raise 'stats' unless client.stats[address]['cmd_get'].to_i.positive?

  client.close
  same(client.get('long'), 'x')
  client.flush
  same(client.get('long'), nil)
end

# Leaves values as they are.
module Plain
  def self.dump(value) = value
  def self.load(value) = value
end

address = "127.0.0.1:#{ARGV.fetch(0)}"
options = { protocol: :meta, socket_timeout: PATIENCE, compress: true, down_retry_delay: 0 }
client = Dalli::Client.new(address, options)
raw = Dalli::Client.new(address, options.merge(serializer: Plain, compress: false))
values(client, raw)
unicode_keys(client, raw)
conditions(client, raw)
compare_and_swap(client)
counters(raw)
many(client)
expiry(client)
restart(client)
server_commands(client, address)
