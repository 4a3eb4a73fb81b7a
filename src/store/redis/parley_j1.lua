#!lua name=parley_j1
-- The journal's rules, where its data is. What is kept stands in functions.hpp; what becomes of an item is what
-- Appender::append() (sqlite/appender.cpp) decides. Ids stay strings of eight bytes, because numbers here are doubles;
-- whatever is a number fits into 48 bits. append() runs for each message on the one core that Redis has: one HMGET,
-- decisions in tables, one XADD, one HSET.

-- While a library is loaded it sees no globals, so the first call fetches them: looking them up each time is slow.
local byte, concat, format, sub, max, min, pack, read, spread
local function fetch_globals()
  byte, concat, format, sub = string.byte, table.concat, string.format, string.sub
  max, min, pack, read, spread = math.max, math.min, struct.pack, struct.unpack, unpack
end

local FIELDS = 7 -- arguments of append() before the fields
local ITEM = 64 -- bytes of an item in the header
local USUAL, RARE, RARE_AT = '<HHBBI6c24', '<BBHHHI4c8c8', 36
local ANSWER = 31 -- bytes of a remembered answer
local ANSWERS_FULL = 6 + 16 * ANSWER
local CORE, COLD_AT = '<I6I6I4Bc8I6', 32 -- the part of a core that changes, and where the other begins
local CORE_SIZE = 87
local SHARD = '<I6I6I6H'
local RESULT = '<BBBBI6I4I4c8'
local CHUNK = 2000 -- values put on Lua's stack at once; even

local NO_ID = '\0\0\0\0\0\0\0\0'
local NO_COLD = NO_ID .. NO_ID .. NO_ID .. NO_ID .. NO_ID .. NO_ID .. NO_ID

local UNKNOWN_CONV, CLAIMED, ID_CONFLICT, TOO_OLD, CLOSED, OUT_OF_ORDER = 5, 6, 7, 8, 9, 10 -- Code
local NOTHING, ENTRY, REMEMBERED, DUPLICATE, MISSING = 0, 1, 2, 3, 4 -- Outcome::Kind
local IS_CLOSED = 3 -- Status
local ANSWERED, NO_CONVERSATION = 64, 128 -- flags of a result beside those of an entry
local VISITOR = 118 -- PrincipalKind

-- Counter, incarnation and step of a shard, or nil and an error.
local function shard_of(value, fence)
  if not value or #value ~= 20 then
    return nil, redis.error_reply('REGRESSED this shard is not set up, or its data is lost')
  end
  local present, incarnation, counter, step = read(SHARD, value)
  fence = tonumber(fence)
  if present > fence then return nil, redis.error_reply('FENCED another daemon owns this store') end
  if present < fence then return nil, redis.error_reply('REGRESSED the shard has an older fence: its data is lost') end
  return counter, incarnation, step
end

local function values_of(call, key, args, first, last)
  if last - first < CHUNK then return call('HMGET', key, spread(args, first, last)) end
  local all, count = {}, 0
  for from = first, last, CHUNK do
    local part = call('HMGET', key, spread(args, from, min(from + CHUNK - 1, last)))
    for i = 1, #part do all[count + i] = part[i] end
    count = count + #part
  end
  return all
end

local function set_values(call, key, list)
  local size = #list
  for from = 1, size, CHUNK do call('HSET', key, spread(list, from, min(from + CHUNK - 1, size))) end
end

-- The conversation that is open for a visitor, given its pointer's field. x: what append() shares with its helpers.
local function open_one(x, field)
  local pointer = x.visitors[field]
  if pointer == nil then
    pointer = x.call('HGET', x.state, field)
    x.visitors[field] = pointer
  end
  if pointer and sub(pointer, 9) == 'o' then return sub(pointer, 1, 8) end
  return nil
end

local function point(x, field, to)
  x.visitors[field] = to
  x.pointed[field] = true
end

-- What an answer needs besides its result.
local function explain(x, index, id, ts, expected, other)
  x.extras[#x.extras + 1] = pack('<Hc8c8I6c8', index, id, ts, expected, other)
end

-- The answer to an n that is not the sender's next: outcome, code, seq.
local function look(x, index, memory, last, n, facts, is_void, cold)
  if n > last then
    explain(x, index, NO_ID, NO_ID, last + 1, NO_ID)
    return NOTHING, OUT_OF_ORDER, 0
  end
  local at = #memory + 1 - ANSWER * (last - n + 1)
  if at < 7 then return NOTHING, TOO_OLD, 0 end
  local hash, ts, id, seq, code = read('<c8c8c8I6B', memory, at)
  -- A void matches everything, and what was given up by a void matches any content.
  if not is_void and hash ~= sub(facts, 1, 8) and (code ~= 0 or seq ~= 0) then return NOTHING, ID_CONFLICT, 0 end
  local other = code == CLOSED and open_one(x, 'v' .. sub(cold, 17, 32)) or NO_ID
  explain(x, index, id, ts, 0, other)
  return DUPLICATE, code, seq
end

-- ARGV: fence, floor, seconds, pack, header, openings, index of the last conversation; then fields of state: "F", those
-- of conversations, senders and visitors. Items name them by index.
local function append(keys, args)
  if not sub then fetch_globals() end
  local call, state = redis.call, keys[1]
  local value = values_of(call, state, args, FIELDS + 1, #args) -- field i is args[FIELDS + i]
  local counter, incarnation, step = shard_of(value[1], args[1])
  if not counter then return incarnation end
  if counter < tonumber(args[2]) then
    return redis.error_reply(format('REGRESSED the journal ends at %d, before %s which was seen: its data is lost',
      counter, args[2]))
  end
  counter = counter + step
  local header, openings, conversations = args[5], args[6], tonumber(args[7])
  if #header == 0 or #header % ITEM ~= 0 or not conversations then
    return redis.error_reply('WRONGFORMAT a header of ' .. #header .. ' bytes')
  end

  local x = {call = call, state = state, visitors = {}, pointed = {}, extras = {}}
  -- Of conversations, by index. Head 0: it does not exist; -1: there is no core; -2: and an item had to wait for it.
  local heads, publics, claims, statuses, assignees, colds = {}, {}, {}, {}, {}, {}
  local lasts = {} -- of senders: the last n
  local changed, is_changed = {}, {} -- cores and senders to write
  local joined, moved, opened -- lists of new senders; opened, closed and reopened ones; records of opened ones
  local results, count = {}, 0

  for at = 1, #header, ITEM do
    local c, s, flags, traits, n, facts = read(USUAL, header, at)
    -- flags: 1 status, 2 assignee, 4 claim, 8 text, 16 internal
    -- traits: 1 record, 2 void, 4 opening, 8 if_claim, 16 uncounted, 32 absent is new
    local code, outcome, seq, skip, marks = 0, NOTHING, 0, 0, 0
    local head = heads[c]
    if not head then
      local core = value[c]
      if core then
        head, publics[c], claims[c], statuses[c], assignees[c] = read(CORE, core)
        colds[c] = sub(core, COLD_AT)
      else
        head, publics[c], claims[c], statuses[c], assignees[c], colds[c] = -1, 0, 0, 0, NO_ID, NO_COLD
      end
      heads[c] = head
    end
    if head == -1 and (traits % 8 >= 4 or traits >= 32) then
      head = 0
      heads[c] = 0
    end

    local open = true -- no answer yet
    if head < 0 then
      heads[c] = -2
      outcome = MISSING
      open = false
    elseif n ~= 0 then
      local last = lasts[s]
      if not last then
        local memory = value[s]
        last = memory and read('<I6', memory) or 0
        lasts[s] = last
      end
      if n ~= last + 1 then
        outcome, code, seq = look(x, count, value[s], last, n, facts, traits % 4 >= 2, colds[c])
        open = false
      end
    elseif traits % 32 < 16 then
      code = TOO_OLD
      open = false
    end

    if open then
      local refusal, new_status, place, opening, visitor, if_claim, assignee, tenant
      local entry = true
      if traits ~= 0 or flags % 8 ~= 0 or head == 0 then
        refusal, new_status, place, opening, visitor, if_claim, assignee, tenant = read(RARE, header, at + RARE_AT)
        if traits % 2 == 1 then
          if head == 0 and (s == 0 or byte(args[FIELDS + s], 10) ~= VISITOR) then
            code = UNKNOWN_CONV
            open = false
          else
            code = refusal
            entry = false
          end
        elseif head == 0 and traits % 8 < 4 then
          code = UNKNOWN_CONV
          open = false
        else
          local other
          if head == 0 then
            local field = args[FIELDS + visitor]
            if x.visitors[field] == nil then x.visitors[field] = value[visitor] end
            other = open_one(x, field)
            if other then open = false end -- nothing is remembered: n is as free as before
          end
          if open and traits % 16 >= 8 and if_claim ~= claims[c] then
            code = CLAIMED
            entry = false
          elseif head > 0 and statuses[c] == IS_CLOSED and flags % 2 == 1 and new_status ~= IS_CLOSED then
            other = open_one(x, 'v' .. sub(colds[c], 17, 32))
            if other then entry = false end
          end
          if other then
            code = CLOSED
            explain(x, count, NO_ID, NO_ID, 0, other)
          end
        end
      end

      if not open then
        -- refused, and forgotten
      elseif entry then
        outcome = ENTRY
        seq = head + 1
        heads[c] = seq
        marks = flags % 16
        if flags < 16 then
          skip = head - publics[c]
          publics[c] = seq
        end
        if flags % 8 ~= 0 or head == 0 then
          local status = statuses[c]
          if head == 0 then
            local record = sub(openings, opening * 48 - 47, opening * 48)
            opened = (opened or '') .. record
            colds[c] = tenant .. sub(facts, 9, 16) .. sub(record, 9)
            if flags % 2 == 0 then new_status = 0 end
            statuses[c] = new_status
            point(x, args[FIELDS + visitor], sub(args[FIELDS + c], 2) .. (new_status == IS_CLOSED and 'c' or 'o'))
            moved = moved or {}
            moved[c] = place
          elseif flags % 2 == 1 then
            statuses[c] = new_status
            if status == IS_CLOSED or new_status == IS_CLOSED then
              local field, conv = 'v' .. sub(colds[c], 17, 32), sub(args[FIELDS + c], 2)
              local other = open_one(x, field)
              if not other or other == conv then point(x, field, conv .. (new_status == IS_CLOSED and 'c' or 'o')) end
              moved = moved or {}
              moved[c] = place
            end
          end
          if flags % 4 >= 2 then assignees[c] = assignee end
          if flags % 8 >= 4 then claims[c] = claims[c] + 1 end
        end
      elseif n == 0 then
        marks = ANSWERED -- the home's own items without a number have no identity to remember
      else
        outcome = REMEMBERED
        if head == 0 and colds[c] == NO_COLD then
          colds[c] = tenant .. sub(NO_COLD, 9)
          moved = moved or {}
          moved[c] = 0
        end
      end

      if outcome ~= NOTHING then
        if not is_changed[c] then
          is_changed[c] = true
          changed[#changed + 1] = c
        end
        if n ~= 0 then
          local memory = value[s]
          if not memory then
            memory = ''
            joined = joined or {}
            joined[c] = (joined[c] or '') .. sub(args[FIELDS + s], 10)
          elseif #memory < ANSWERS_FULL then
            memory = sub(memory, 7)
          else
            memory = sub(memory, 7 + ANSWER)
          end
          value[s] = pack('<I6', n) .. memory .. facts .. pack('<I6B', seq, code)
          lasts[s] = n
          if not is_changed[s] then
            is_changed[s] = true
            changed[#changed + 1] = s
          end
        end
      end
    end

    if heads[c] < 1 then marks = marks + NO_CONVERSATION end
    count = count + 1
    results[count] = pack(RESULT, code, marks, statuses[c], outcome, seq, skip, claims[c], assignees[c])
  end

  local answer = {0, concat(results), concat(x.extras), concat(colds, '', 2, conversations)}
  if #changed == 0 then return answer end

  local list = {'F', pack(SHARD, tonumber(args[1]), incarnation, counter, step)}
  local size = 2
  for i = 1, #changed do
    local at = changed[i]
    list[size + 1] = args[FIELDS + at]
    size = size + 2
    if at <= conversations then
      list[size] = pack(CORE, heads[at], publics[at], claims[at], statuses[at], assignees[at], counter) .. colds[at]
    else
      list[size] = value[at]
    end
  end
  if joined then
    for c, senders in pairs(joined) do
      local field = 'l' .. sub(args[FIELDS + c], 2)
      list[size + 1] = field
      list[size + 2] = (value[c] and call('HGET', state, field) or '') .. senders
      size = size + 2
    end
  end
  for field in pairs(x.pointed) do
    list[size + 1] = field
    list[size + 2] = x.visitors[field]
    size = size + 2
  end

  -- From here on everything is written, or, if XADD refuses, nothing.
  local id = format('%d-%d', incarnation, counter)
  if opened then
    call('XADD', keys[2], id, 'p', args[4], 'r', answer[2], 'o', opened)
  else
    call('XADD', keys[2], id, 'p', args[4], 'r', answer[2])
  end
  set_values(call, state, list)
  if moved then
    for c, place in pairs(moved) do
      local conv = sub(args[FIELDS + c], 2)
      if heads[c] == 0 or statuses[c] == IS_CLOSED then
        call('ZADD', keys[3], args[3], conv)
        if value[c] and place > 0 then call('SREM', keys[place], conv) end
      else
        call('SADD', keys[place], conv)
        if value[c] then call('ZREM', keys[3], conv) end
      end
    end
  end
  answer[1] = counter
  return answer
end

-- ARGV: whether with senders, then conversations. Per conversation: core, its senders' keys, their memories, projection.
local function load(keys, args)
  if not sub then fetch_globals() end
  local call, state = redis.call, keys[1]
  local answer = {}
  for i = 2, #args do
    local conv = args[i]
    local found, memories = call('HMGET', state, 'm' .. conv, 'l' .. conv), {}
    if args[1] == '1' and found[2] then
      local list = found[2]
      for at = 1, #list, 21 do memories[#memories + 1] = call('HGET', state, 's' .. conv .. sub(list, at, at + 20)) end
    end
    answer[i - 1] = {found[1], found[2], memories, call('HGET', keys[2], conv)}
  end
  return answer
end

-- ARGV: fence, incarnation, lowest counter, shard, shards.
local function fence(keys, args)
  if not sub then fetch_globals() end
  local wanted, incarnation, counter = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  local shard, step = tonumber(args[4]), tonumber(args[5])
  local value = redis.call('HGET', keys[1], 'F')
  if value and #value == 20 then
    local present, old_incarnation, old_counter, old_step = read(SHARD, value)
    if present > wanted then return redis.error_reply('FENCED another daemon owns this store') end
    if old_step ~= step or old_counter % step ~= shard then
      return redis.error_reply('WRONGFORMAT this store has another number of shards')
    end
    incarnation = max(incarnation, old_incarnation)
    counter = max(counter, old_counter)
  end
  counter = counter + (shard - counter) % step
  value = pack(SHARD, wanted, incarnation, counter, step)
  redis.call('HSET', keys[1], 'F', value)
  return value
end

-- ARGV: fence, then conversation and projection in turn.
local function project(keys, args)
  if not sub then fetch_globals() end
  local call, state = redis.call, keys[1]
  local ok, refusal = shard_of(call('HGET', state, 'F'), args[1])
  if not ok then return refusal end
  local list = {}
  for i = 2, #args, 2 do
    if call('HEXISTS', state, 'm' .. args[i]) == 1 then
      list[#list + 1] = args[i]
      list[#list + 1] = args[i + 1]
    end
  end
  set_values(call, keys[2], list)
  return #list / 2
end

-- ARGV: fence, seconds, then per conversation: id, place of its set of open ones, core, projection or "", number of
-- senders, their keys and memories in turn.
local function restore(keys, args)
  if not sub then fetch_globals() end
  local call, state = redis.call, keys[1]
  local ok, refusal = shard_of(call('HGET', state, 'F'), args[1])
  if not ok then return refusal end
  local at, written = 3, 0
  while at <= #args do
    local conv, place, core = args[at], tonumber(args[at + 1]), args[at + 2]
    local projection, senders = args[at + 3], tonumber(args[at + 4])
    at = at + 5
    if #conv ~= 8 or #core ~= CORE_SIZE or not senders or at + 2 * senders > #args + 1 then
      return redis.error_reply('WRONGFORMAT a conversation that cannot be read')
    end
    local found = call('HMGET', state, 'm' .. conv, 'l' .. conv)
    local joined, list = '', {}
    local head, _, _, status = read(CORE, core)
    local renew = not found[1] or read('<I6', found[1]) < head
    for i = at, at + 2 * senders - 1, 2 do
      local field, memory = 's' .. conv .. args[i], args[i + 1]
      local present = call('HGET', state, field)
      if not present or read('<I6', present) < read('<I6', memory) then
        list[#list + 1] = field
        list[#list + 1] = memory
        if not present then joined = joined .. args[i] end
      end
    end
    at = at + 2 * senders
    if joined ~= '' then
      list[#list + 1] = 'l' .. conv
      list[#list + 1] = (found[2] or '') .. joined
    end
    if renew then
      written = written + 1
      list[#list + 1] = 'm' .. conv
      list[#list + 1] = core
      if head > 0 then
        local field = 'v' .. sub(core, COLD_AT + 16, COLD_AT + 31)
        local pointer = call('HGET', state, field)
        local is_open = status ~= IS_CLOSED
        if not pointer or sub(pointer, 1, 8) == conv or is_open and sub(pointer, 9) == 'c' then
          list[#list + 1] = field
          list[#list + 1] = conv .. (is_open and 'o' or 'c')
        end
      end
    end
    set_values(call, state, list)
    if renew then
      if projection ~= '' then call('HSET', keys[3], conv, projection) end
      if head == 0 or status == IS_CLOSED then
        call('ZADD', keys[2], args[2], conv)
        call('SREM', keys[place], conv)
      else
        call('ZREM', keys[2], conv)
        call('SADD', keys[place], conv)
      end
    end
  end
  return written
end

-- ARGV: fence, archived counter, seconds, how many to look at.
local function evict(keys, args)
  if not sub then fetch_globals() end
  local call, state = redis.call, keys[1]
  local ok, refusal = shard_of(call('HGET', state, 'F'), args[1])
  if not ok then return refusal end
  local archived, gone = tonumber(args[2]), 0
  local candidates = call('ZRANGEBYSCORE', keys[2], '-inf', '(' .. args[3], 'LIMIT', 0, args[4])
  for i = 1, #candidates do
    local conv = candidates[i]
    local found = call('HMGET', state, 'm' .. conv, 'l' .. conv)
    local core, senders = found[1], found[2] or ''
    if not core then
      call('ZREM', keys[2], conv)
    else
      local head, _, _, status, _, touched = read(CORE, core)
      if head > 0 and status ~= IS_CLOSED then
        call('ZREM', keys[2], conv)
      elseif touched <= archived then
        local field = 'v' .. sub(core, COLD_AT + 16, COLD_AT + 31)
        if call('HGET', state, field) == conv .. 'c' then call('HDEL', state, field) end
        for from = 1, #senders, 21 do call('HDEL', state, 's' .. conv .. sub(senders, from, from + 20)) end
        call('HDEL', state, 'm' .. conv, 'l' .. conv)
        call('HDEL', keys[3], conv)
        call('ZREM', keys[2], conv)
        gone = gone + 1
      end
    end
  end
  return {#candidates, gone}
end

redis.register_function('parley_j1_append', append)
redis.register_function{function_name = 'parley_j1_load', callback = load, flags = {'no-writes'}}
redis.register_function{function_name = 'parley_j1_fence', callback = fence, flags = {'allow-oom'}}
redis.register_function('parley_j1_project', project)
redis.register_function('parley_j1_restore', restore)
redis.register_function{function_name = 'parley_j1_evict', callback = evict, flags = {'allow-oom'}}
