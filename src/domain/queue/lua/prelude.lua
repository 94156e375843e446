-- Shared by the queue's scripts; what the keys hold is told in record.rs. The bodies in ops.rs do the same.
local META, JOBS, STATE, READY, DELAYED, LEASES, WAITING, BUSY, DEDUPE, DEAD, DONE, ERRORS, CHECKS, WAKE = unpack(KEYS)
local call = redis.call
local STATUS, PRIORITY, GROUP, KEY, ATTEMPT, MOST, SINCE, CHANGED, DUE, DEADLINE = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local OWNER, FENCE, LEASE, WORKER, PROGRESS, FLAGS = 11, 12, 13, 14, 15, 16

local function int(n) return string.format('%.0f', n) end

local function read(id)
  local text = call('HGET', STATE, id)
  if not text then return nil end
  local r = {}
  for field in string.gmatch(text, '([^\31]*)\31') do r[#r + 1] = field end
  return r
end

local function write(id, r) call('HSET', STATE, id, table.concat(r, '\31') .. '\31') end

local function member(id, r) return r[GROUP] .. '\31' .. string.format('%016.0f', id) end

-- Wakes whoever waits: they look, and wait on where somebody else was quicker.
local function wake(t)
  local m = call('HMGET', META, 'waiting', 'paused')
  if m[1] and tonumber(m[1]) > t and not m[2] and call('EXISTS', WAKE) == 0 then call('RPUSH', WAKE, '') end
end

-- Into the line, or to its time.
local function place(id, r, t)
  if tonumber(r[DUE]) > t then
    r[STATUS] = 'd'
    call('ZADD', DELAYED, r[DUE], id)
  else
    r[STATUS] = 'r'
    call('ZADD', READY, int((9 - r[PRIORITY]) * 281474976710656 + id), id)
  end
end

-- The same behind its group.
local function enter(id, r, t)
  if r[GROUP] ~= '' and call('HSETNX', BUSY, r[GROUP], id) == 0 then
    r[STATUS] = 'w'
    call('ZADD', WAITING, 0, member(id, r))
  else
    place(id, r, t)
  end
end

-- Takes a job out of where it is; the next of its group comes up.
local function leave(id, r, t)
  if r[KEY] ~= '' then
    local key = string.sub(r[KEY], 2)
    if call('HGET', DEDUPE, key) == id then call('HDEL', DEDUPE, key) end
  end
  local was = r[STATUS]
  if was == 'r' then call('ZREM', READY, id)
  elseif was == 'd' then call('ZREM', DELAYED, id)
  elseif was == 'l' then call('ZREM', LEASES, id)
  elseif was == 'w' then call('ZREM', WAITING, member(id, r)) end
  if r[GROUP] == '' or was == 'w' then return end
  local low, high = '[' .. r[GROUP] .. '\31', '(' .. r[GROUP] .. '\32'
  local next = call('ZRANGEBYLEX', WAITING, low, high, 'LIMIT', 0, 1)[1]
  if not next then
    call('HDEL', BUSY, r[GROUP])
    return
  end
  call('ZREM', WAITING, next)
  local other = int(tonumber(string.sub(next, -16)))
  call('HSET', BUSY, r[GROUP], other)
  local s = read(other)
  if s then
    place(other, s, t)
    write(other, s)
    wake(t)
  end
end

local function forget(id, r)
  call('HDEL', STATE, id)
  call('HDEL', JOBS, id)
  if string.find(r[FLAGS], 'E', 1, true) then call('HDEL', ERRORS, id) end
  if string.find(r[FLAGS], 'K', 1, true) then call('HDEL', CHECKS, id) end
end

-- Ends a job: completed or cancelled. So many of those that ended last are kept to be looked at.
local function finish(id, r, t, status, keep)
  leave(id, r, t)
  if keep == 0 then
    forget(id, r)
    return
  end
  r[STATUS], r[CHANGED] = status, int(t)
  if string.find(r[FLAGS], 'K', 1, true) then
    call('HDEL', CHECKS, id)
    r[FLAGS] = string.gsub(r[FLAGS], 'K', '')
  end
  write(id, r)
  call('ZADD', DONE, int(t), id)
  local over = call('ZCARD', DONE) - keep
  if over > 0 then
    for _, old in ipairs(call('ZRANGE', DONE, 0, over - 1)) do
      call('ZREM', DONE, old)
      local s = read(old)
      if s then forget(old, s) end
    end
  end
end

local function complain(id, r, t, text)
  if text == '' then return end
  local all = call('HGET', ERRORS, id) or ''
  while #all > 16384 do all = string.sub(all, (string.find(all, '\31', 1, true) or #all) + 1) end
  call('HSET', ERRORS, id, all .. int(t) .. '\30' .. r[ATTEMPT] .. '\30' .. text .. '\31')
  if not string.find(r[FLAGS], 'E', 1, true) then r[FLAGS] = r[FLAGS] .. 'E' end
end

local function bury(id, r, t)
  leave(id, r, t)
  r[STATUS], r[CHANGED] = 'x', int(t)
  write(id, r)
  call('ZADD', DEAD, int(t), id)
end

-- Delayed jobs whose time has come, and jobs whose worker has let its lease run out.
local function reap(t, keep)
  local due = call('ZRANGEBYSCORE', DELAYED, '-inf', int(t), 'LIMIT', 0, 100)
  for _, id in ipairs(due) do
    call('ZREM', DELAYED, id)
    local r = read(id)
    if r then
      place(id, r, t)
      write(id, r)
    end
  end
  local over = call('ZRANGEBYSCORE', LEASES, '-inf', int(t), 'LIMIT', 0, 100)
  local buried = 0
  for _, id in ipairs(over) do
    local r = read(id)
    if not r then
      call('ZREM', LEASES, id)
    elseif string.find(r[FLAGS], 'C', 1, true) then
      finish(id, r, t, 'k', keep)
    else
      complain(id, r, t, 'the lease ran out')
      if tonumber(r[ATTEMPT]) >= tonumber(r[MOST]) then
        bury(id, r, t)
        buried = buried + 1
      else
        call('ZREM', LEASES, id)
        r[DUE], r[CHANGED] = '0', int(t)
        place(id, r, t)
        write(id, r)
      end
    end
  end
  return #due, #over, buried
end

-- The record of a job that this fence has leased, or why there is none.
local function held(id, fence, t)
  local r = read(id)
  if not r then return nil, {-1} end
  if r[FENCE] ~= fence then return nil, {-3} end
  if r[STATUS] ~= 'l' then return nil, {-2, r[STATUS]} end
  if tonumber(r[LEASE]) <= t then return nil, {-1} end
  return r
end
