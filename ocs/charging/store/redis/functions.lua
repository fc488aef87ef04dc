#!lua name=ocs_library
-- What only the database itself can decide: whether a change still fits, and all of it at once.
--
-- Records are opaque here, and nothing is ever computed on money: the only numbers are versions and positions.
-- A batch is named by its writer and a number that follows the one before it: what is sent twice is done once,
-- and gets the reply it got.

local KEPT_MS = 86400000 -- how long the last reply to a writer is kept

local function account_at(prefix, key) return prefix .. ':{' .. key .. '}:account' end

local function known_version(prefix, key)
  return tonumber(redis.call('HGET', account_at(prefix, key), 'version') or '0')
end

-- Why a unit rests on something that was refused, or nil.
local function broken_ground(unit, broken)
  if broken[''] and unit[5] then return 'records before these were refused' end
  for _, change in ipairs(unit[1]) do
    for _, account in ipairs(change[1]) do
      if broken[account[1]] then return 'a change of ' .. account[1] .. ' before this one was refused' end
    end
  end
end

-- Why another writer's records are in the way, or nil.
local function outrun(prefix, unit, writer)
  for _, domain in ipairs(unit[3]) do
    local at = redis.call('HGET', prefix .. ':domains', domain)
    if at then
      local position, by = at:match('^(%d+) (.*)$')
      if by ~= writer and tonumber(position) > unit[4] then return 'records of ' .. domain .. ' have moved on' end
    end
  end
end

-- Why a unit cannot be taken, or nil.
local function refusal(prefix, unit, writer)
  local versions, owners = {}, {}
  for _, change in ipairs(unit[1]) do
    for _, account in ipairs(change[1]) do
      local key, version = account[1], account[2]
      local known = versions[key] or known_version(prefix, key)
      if version ~= known + 1 then return key .. ' is at another version' end
      versions[key] = version
    end
    if change[7] then
      local key = change[1][1][1]
      for _, identity in ipairs(change[7]) do
        local owner = owners[identity] or redis.call('HGET', prefix .. ':identities', identity)
        if owner and owner ~= key then return 'an identity of ' .. key .. ' is taken' end
        owners[identity] = key
      end
    end
  end
  return outrun(prefix, unit, writer)
end

local function put_account(prefix, account)
  local key, version, due_ms, record = account[1], account[2], account[3], account[4]
  local at, is_open = account_at(prefix, key), due_ms > 0 and '1' or '0'
  local before = redis.call('HMGET', at, 'version', 'open')
  redis.call('HSET', at, 'version', version, 'open', is_open, 'record', record)
  if not before[1] then redis.call('ZADD', prefix .. ':accounts', 0, key) end
  if due_ms > 0 then
    redis.call('ZADD', prefix .. ':due', due_ms, key)
    if before[2] ~= '1' then redis.call('ZADD', prefix .. ':open', 0, key) end
  elseif before[2] == '1' then
    redis.call('ZREM', prefix .. ':due', key)
    redis.call('ZREM', prefix .. ':open', key)
  end
end

local function put_identities(prefix, key, identities)
  local at, names = account_at(prefix, key), prefix .. ':identities'
  local before = redis.call('HGET', at, 'identities')
  for _, identity in ipairs(before and cmsgpack.unpack(before) or {}) do
    if redis.call('HGET', names, identity) == key then redis.call('HDEL', names, identity) end
  end
  for _, identity in ipairs(identities) do redis.call('HSET', names, identity, key) end
  redis.call('HSET', at, 'identities', cmsgpack.pack(identities))
end

-- A row of an account, and its place among all rows.
local function append(prefix, table, key, record)
  local length = redis.call('RPUSH', prefix .. ':{' .. key .. '}:' .. table, record)
  local number = redis.call('INCR', prefix .. ':' .. table .. ':last')
  redis.call('XADD', prefix .. ':' .. table, number .. '-0', 'a', key, 'i', length - 1)
end

local function put_change(prefix, change)
  local key = change[1][1][1]
  for _, account in ipairs(change[1]) do put_account(prefix, account) end
  if change[7] then put_identities(prefix, key, change[7]) end
  for _, posting in ipairs(change[2]) do append(prefix, 'postings', posting[1], posting[2]) end
  for _, cdr in ipairs(change[3]) do append(prefix, 'cdrs', key, cdr) end
  for _, name in ipairs(change[5]) do redis.call('HDEL', prefix .. ':sessions', name) end
  for _, name in ipairs(change[4]) do redis.call('HSET', prefix .. ':sessions', name, key) end
  for _, answer in ipairs(change[6]) do
    redis.call('SET', prefix .. ':answer:' .. answer[1], answer[2], 'PXAT', answer[3])
  end
end

-- Records keep the place at which they came first.
local function put_record(prefix, kind, key, value)
  local at, field = prefix .. ':records', kind .. '\0' .. key
  if not value then
    redis.call('HDEL', at, field)
    return
  end
  local before = redis.call('HGET', at, field)
  local place = before and before:sub(1, 16) or string.format('%016.0f', redis.call('INCR', prefix .. ':places'))
  redis.call('HSET', at, field, place .. value)
end

local function put_records(prefix, unit, writer)
  if #unit[2] == 0 then return end
  for _, record in ipairs(unit[2]) do put_record(prefix, record[1], record[2], record[3]) end
  local position = redis.call('INCR', prefix .. ':position')
  for _, domain in ipairs(unit[3]) do redis.call('HSET', prefix .. ':domains', domain, position .. ' ' .. writer) end
  local entry = cmsgpack.pack({position, writer, unit[2]})
  redis.call('XADD', prefix .. ':log', 'MAXLEN', '~', 100000, position .. '-0', 'e', entry)
  redis.call('PUBLISH', prefix .. ':recorded', entry)
end

local function commit(_, args)
  local prefix, writer, number = args[1], args[2], tonumber(args[3])
  local at = prefix .. ':writer:' .. writer
  local last = redis.call('HMGET', at, 'number', 'reply')
  local done = tonumber(last[1] or '0')
  if done == number then
    redis.call('PEXPIRE', at, KEPT_MS) -- a write, for WAIT to wait for
    return cmsgpack.unpack(last[2])
  end
  if done ~= number - 1 then
    return redis.error_reply('OUTOFORDER batch ' .. args[3] .. ' of ' .. writer .. ' follows ' .. done)
  end
  local broken, refused, changed = {}, {}, {}
  for index, unit in ipairs(cmsgpack.unpack(args[4])) do
    local reason = broken_ground(unit, broken) or refusal(prefix, unit, writer)
    if reason then
      refused[#refused + 1] = {index - 1, reason}
      if unit[5] then broken[''] = true end
      for _, change in ipairs(unit[1]) do
        for _, account in ipairs(change[1]) do broken[account[1]] = true end
      end
    else
      for _, change in ipairs(unit[1]) do
        put_change(prefix, change)
        for _, account in ipairs(change[1]) do changed[#changed + 1] = {account[1], account[2], account[5]} end
      end
      put_records(prefix, unit, writer)
    end
  end
  redis.call('HSET', at, 'number', number, 'reply', cmsgpack.pack(refused))
  redis.call('PEXPIRE', at, KEPT_MS)
  if #changed > 0 then redis.call('PUBLISH', prefix .. ':changed', cmsgpack.pack({writer, changed})) end
  return refused
end

redis.register_function('ocs_library_commit', commit)
