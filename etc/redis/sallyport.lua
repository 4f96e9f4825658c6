#!lua name=sallyport
redis.register_function('sallyport_put', function(KEYS, ARGV)
  local old = tonumber(redis.call('GETRANGE', KEYS[1], 0, 15))
  if old and old > tonumber(ARGV[1]) then return 0 end
  if ARGV[2] == '' then return 1 + 0 * redis.call('DEL', KEYS[1]) end
  redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
  return 1
end)
redis.register_function('sallyport_rate', function(KEYS, ARGV)
  local t = redis.call('TIME')
  local now = t[1] * 1000000 + t[2]
  local want = tonumber(ARGV[3])
  local each = ARGV[2] * 1000 / ARGV[1]
  local all = each * ARGV[4]
  local tat = tonumber(redis.call('GET', KEYS[1]) or '')
  if not tat or not (tat > now) then tat = now end
  if tat > now + all then tat = now + all end
  local got = math.min(want, math.floor((all - (tat - now) + 0.5) / each))
  tat = math.max(now, tat + each * got)
  local wait = math.max(0, tat - now - (all - each))
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX',
    string.format('%.0f', math.ceil((tat - now) / 1000) + 1000))
  return {got, math.ceil(wait / 1000)}
end)
redis.register_function('sallyport_lease', function(KEYS, ARGV)
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  local limit, used, ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
  local all, held, nodes = used, 0, 1
  local h = redis.call('HGETALL', KEYS[1])
  for i = 1, #h, 2 do
    if h[i] ~= ARGV[1] then
      local a, b, c = string.match(h[i + 1], '^(%d+) (%d+) (%d+)$')
      a, b, c = tonumber(a), tonumber(b), tonumber(c)
      if not c or c <= now or c > now + 86400000 or nodes >= 64 then
        redis.call('HDEL', KEYS[1], h[i])
      else
        all, held, nodes = all + b, held + math.max(a, b), nodes + 1
      end
    end
  end
  local want = used + math.ceil(math.max(0, limit - all) / nodes)
  local got = math.min(want, math.max(0, limit - held))
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f %.0f', got, used, now + ttl))
  redis.call('PEXPIRE', KEYS[1], ttl * 2)
  return {got, all, nodes}
end)
