#!lua name=parley_j1
-- The journal's rules, where its data is. What is kept stands in functions.hpp; what becomes of an item is what
-- Appender::append() (sqlite/appender.cpp) decides. Ids stay strings of eight bytes, because numbers here are doubles;
-- whatever is a number fits into 48 bits. append() runs for each message on the one core that Redis has: one HMGET,
-- decisions, one XADD, one HSET. Redis' Lua hashes every byte of every string it makes, about 1.3 ns each, so what is
-- read and written for a message is kept short. struct.pack takes 300 ns for eight values, `..` a third of that, so
-- what append() does not reckon with stays a string.

-- While a library is loaded it sees no globals, so the first call fetches them: looking them up each time is slow.
local byte, char, concat, floor, format, sub, max, min, pack, read, spread
local CHARS, SIX = {}, {} -- a number as one byte; small ones as six bytes
local function fetch_globals()
  byte, char, concat, floor, format, sub = string.byte, string.char, table.concat, math.floor, string.format, string.sub
  max, min, pack, read, spread = math.max, math.min, struct.pack, struct.unpack, unpack
  for i = 0, 255 do CHARS[i] = char(i) end
  for i = 0, 511 do SIX[i] = pack('<I6', i) end
end

local FIELDS = 8 -- arguments of append() before the fields
local ITEM = 64 -- bytes of an item in the header
local USUAL, RARE, RARE_AT = '<HHBBI6c24', '<c1c1HHHc4c8c8', 36
local ANSWER_SIZE = 37 -- a remembered answer: c24I6BI6
local ANSWERS, PART = 16, 4 -- how many are remembered, and how many stand in one field
local CORE_SIZE = 39
local PARTS = '<I6I6c4c1c8xxxxxxc8' -- of a core, as append() takes it: without `touched`
local COLD_SIZE = 48
local SHARD = '<I6I6I6H'
local CHUNK = 2000 -- values put on Lua's stack at once; even

local NO_ID = '\0\0\0\0\0\0\0\0'
local NO_COLD = NO_ID .. NO_ID .. NO_ID .. NO_ID .. NO_ID .. NO_ID
local NO_EPOCH = NO_ID .. NO_ID
local FOUR_ZEROS = '\0\0\0\0'

-- Code, Outcome::Kind and Status, each as the byte that is kept.
local OK, UNKNOWN_CONV, CLAIMED, ID_CONFLICT, TOO_OLD, CLOSED, OUT_OF_ORDER = '\0', '\5', '\6', '\7', '\8', '\9', '\10'
local NOTHING, ENTRY, REMEMBERED, DUPLICATE, MISSING = '\0', '\1', '\2', '\3', '\4'
local IS_NEW, IS_CLOSED = '\0', '\3'
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

local function set_values(call, key, list, size)
  for from = 1, size, CHUNK do call('HSET', key, spread(list, from, min(from + CHUNK - 1, size))) end
end

-- A list with the same values. Also where another of that length is needed: growing one by one costs more.
local function copy_of(list, first, last)
  if last - first < CHUNK then return {spread(list, first, last)} end
  local copy = {}
  for i = first, last do copy[i - first + 1] = list[i] end
  return copy
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

-- What never changes of a conversation: c is its index, its field the argument `core_field`.
local function cold_of(x, c, core_field)
  local cold = x.colds[c]
  if not cold then
    cold = x.exists[c] and x.call('HGET', x.state, 'c' .. sub(core_field, 2)) or NO_COLD
    x.colds[c] = cold
  end
  return cold
end

local function visitor_field(cold) return 'v' .. sub(cold, 17, 32) end

-- What an answer needs besides its result.
local function explain(x, index, id, ts, expected, other, epoch)
  x.extras[#x.extras + 1] = pack('<Hc8c8I6c8c16', index, id, ts, expected, other, epoch)
end

-- The field of an older part of a sender's answers, given its own field and the number of the part.
local DIGITS = {[0] = '0', '1', '2', '3'}
local function part_field(field, part) return field .. DIGITS[part % (ANSWERS / PART)] end

-- What this batch is going to write to a field that it has not read, if anything.
local function written(x, field)
  for at = x.size - 1, 3, -2 do
    if x.list[at] == field then return x.list[at + 1] end
  end
  return nil
end

-- The answer to an n that is not the sender's next: outcome, code, seq.
local function look(x, index, field, memory, last, n, facts, is_void, c, core_field)
  if n > last then
    explain(x, index, NO_ID, NO_ID, last + 1, NO_ID, NO_EPOCH)
    return NOTHING, OUT_OF_ORDER, 0
  end
  if last - n >= ANSWERS then return NOTHING, TOO_OLD, 0 end
  local part, newest = floor((n - 1) / PART), last
  if part ~= floor((last - 1) / PART) then
    local older = part_field(field, part)
    memory, newest = written(x, older) or x.call('HGET', x.state, older), (part + 1) * PART
    if not memory or read('<I6', memory, #memory - 5) ~= newest then return NOTHING, TOO_OLD, 0 end
  end
  local at = #memory + 1 - ANSWER_SIZE * (newest - n + 1)
  if at < 1 then return NOTHING, TOO_OLD, 0 end
  local hash, ts, id, seq, code = read('<c8c8c8I6c1', memory, at)
  -- A void matches everything, and what was given up by a void matches any content.
  if not is_void and hash ~= sub(facts, 1, 8) and (code ~= OK or seq ~= 0) then return NOTHING, ID_CONFLICT, 0 end
  local other = code == CLOSED and open_one(x, visitor_field(cold_of(x, c, core_field))) or NO_ID
  explain(x, index, id, ts, 0, other, NO_EPOCH)
  return DUPLICATE, code, seq
end

-- ARGV: fence, floor, seconds, pack, header, openings, index of the last conversation, index of the last sender; then
-- fields of state: "F", those of conversations, senders and visitors. Items name them by index.
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
  local header, openings, conversations, senders = args[5], args[6], tonumber(args[7]), tonumber(args[8])
  if #header == 0 or #header % ITEM ~= 0 or not conversations or not senders then
    return redis.error_reply('WRONGFORMAT a header of ' .. #header .. ' bytes')
  end

  local before = copy_of(value, 1, senders) -- as it was; what is decided goes into `value`
  -- list: fields and values to be written, `size` of both together; visitors: pointers by field
  local list = copy_of(args, FIELDS + 1, #args)
  list[1], list[2] = 'F', pack(SHARD, tonumber(args[1]), incarnation, counter, step)
  local x = {call = call, state = state, visitors = {}, pointed = {}, extras = {}, list = list, size = 2, colds = {},
    exists = before}
  local colds, absent = x.colds, {} -- absent: heads of conversations that have no core
  local numbers = copy_of(value, 1, conversations)
  -- Lists of new senders; opened, closed and reopened ones; what is new of those that never changes; records of opened
  -- ones.
  local joined, moved, chilled, opened
  local results, count, stored = {}, 0, false
  local touched = pack('<I6', counter)

  for at = 1, #header, ITEM do
    local c, s, flags, traits, n, facts = read(USUAL, header, at)
    -- flags: 1 status, 2 assignee, 4 claim, 8 text, 16 internal
    -- traits: 1 record, 2 void, 4 opening, 8 if_claim, 16 uncounted, 32 absent is new
    local code, outcome, seq, skip, marks = OK, NOTHING, 0, FOUR_ZEROS, 0
    local core, memory = value[c], value[s]
    -- Head 0: the conversation does not exist; -1: there is no core; -2: and an item had to wait for it.
    local head, public, claim, status, assignee, number
    if core then
      head, public, claim, status, assignee, number = read(PARTS, core)
    else
      head, public, claim, status, assignee, number = absent[c] or -1, 0, FOUR_ZEROS, IS_NEW, NO_ID, NO_ID
      if head == -1 then
        head = (traits % 8 >= 4 or traits >= 32) and 0 or -2
        absent[c] = head
      end
    end

    local open = true -- no answer yet
    if head < 0 then
      outcome = MISSING
      open = false
    elseif n ~= 0 then
      local last = memory and read('<I6', memory, #memory - 5) or 0
      if n ~= last + 1 then
        outcome, code, seq =
          look(x, count, args[FIELDS + s], memory, last, n, facts, traits % 4 >= 2, c, args[FIELDS + c])
        open = false
      end
    elseif traits % 32 < 16 then
      code = TOO_OLD
      open = false
    end

    if open then
      local refusal, new_status, place, opening, visitor, if_claim, new_assignee, tenant
      local entry, plain = true, traits % 32 == 0 and flags % 8 == 0 and head ~= 0
      if not plain then
        refusal, new_status, place, opening, visitor, if_claim, new_assignee, tenant = read(RARE, header, at + RARE_AT)
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
          if open and traits % 16 >= 8 and if_claim ~= claim then
            code = CLAIMED
            entry = false
          elseif head > 0 and status == IS_CLOSED and flags % 2 == 1 and new_status ~= IS_CLOSED then
            other = open_one(x, visitor_field(cold_of(x, c, args[FIELDS + c])))
            if other then entry = false end
          end
          if other then
            code = CLOSED
            explain(x, count, NO_ID, NO_ID, 0, other, NO_EPOCH)
          end
        end
      end

      if not open then
        -- refused, and forgotten
      elseif entry then
        outcome = ENTRY
        seq = head + 1
        marks = flags % 16
        if flags < 16 then
          if head ~= public then skip = pack('<I4', head - public) end
          public = seq
        end
        if not plain then
          if head == 0 then
            local record = sub(openings, opening * 48 - 47, opening * 48)
            opened = (opened or '') .. record
            colds[c] = tenant .. sub(facts, 9, 16) .. sub(record, 9, 24) .. sub(record, 33)
            chilled = chilled or {}
            chilled[c] = true
            number = sub(record, 25, 32)
            status = flags % 2 == 0 and IS_NEW or new_status
            point(x, args[FIELDS + visitor], sub(args[FIELDS + c], 2) .. (status == IS_CLOSED and 'c' or 'o'))
            moved = moved or {}
            moved[c] = place
          elseif flags % 2 == 1 then
            if status == IS_CLOSED or new_status == IS_CLOSED then
              local field, conv = visitor_field(cold_of(x, c, args[FIELDS + c])), sub(args[FIELDS + c], 2)
              local other = open_one(x, field)
              if not other or other == conv then point(x, field, conv .. (new_status == IS_CLOSED and 'c' or 'o')) end
              moved = moved or {}
              moved[c] = place
            end
            status = new_status
          end
          if flags % 4 >= 2 then assignee = new_assignee end
          if flags % 8 >= 4 then claim = pack('<I4', read('<I4', claim) + 1) end
        end
        head = seq
      elseif n == 0 then
        marks = ANSWERED -- the home's own items without a number have no identity to remember
      else
        outcome = REMEMBERED
        if head == 0 and not before[c] and not colds[c] then
          colds[c] = tenant .. sub(NO_COLD, 9)
          chilled = chilled or {}
          chilled[c] = true
          moved = moved or {}
          moved[c] = 0
        end
      end

      if outcome ~= NOTHING then
        stored = true
        value[c] = (SIX[head] or pack('<I6', head)) .. (SIX[public] or pack('<I6', public)) .. claim .. status ..
          assignee .. touched .. number
        if n ~= 0 then
          if not memory then
            joined = joined or {}
            joined[c] = (joined[c] or '') .. sub(args[FIELDS + s], 10)
            memory = ''
          elseif n % PART == 1 then
            local size = x.size
            list[size + 1] = part_field(args[FIELDS + s], (n - 1) / PART - 1)
            list[size + 2] = memory
            x.size = size + 2
            memory = ''
          end
          value[s] = memory .. facts .. (SIX[seq] or pack('<I6', seq)) .. code .. (SIX[n] or pack('<I6', n))
        end
      end
    end

    if head < 1 then
      marks = marks + NO_CONVERSATION
    elseif traits % 8 >= 4 then
      explain(x, count, NO_ID, NO_ID, 0, NO_ID, sub(cold_of(x, c, args[FIELDS + c]), 33))
    end
    numbers[c] = number
    count = count + 1
    results[count] = code .. CHARS[marks] .. status .. outcome .. (SIX[seq] or pack('<I6', seq)) .. skip .. claim ..
      assignee
  end

  local answer = {0, concat(results), concat(x.extras), concat(numbers, '', 2, conversations)}
  if not stored then return answer end

  local size = x.size
  for i = 2, senders do
    local new = value[i]
    if new ~= before[i] then
      list[size + 1] = args[FIELDS + i]
      size = size + 2
      list[size] = new
    end
  end
  if joined then
    for c, new in pairs(joined) do
      local field = 'l' .. sub(args[FIELDS + c], 2)
      list[size + 1] = field
      list[size + 2] = (before[c] and call('HGET', state, field) or '') .. new
      size = size + 2
    end
  end
  if chilled then
    for c in pairs(chilled) do
      list[size + 1] = 'c' .. sub(args[FIELDS + c], 2)
      list[size + 2] = colds[c]
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
  set_values(call, state, list, size)
  if moved then
    for c, place in pairs(moved) do
      local conv = sub(args[FIELDS + c], 2)
      local head, _, _, status = read(PARTS, value[c])
      if head == 0 or status == IS_CLOSED then
        call('ZADD', keys[3], args[3], conv)
        if before[c] and place > 0 then call('SREM', keys[place], conv) end
      else
        call('SADD', keys[place], conv)
        if before[c] then call('ZREM', keys[3], conv) end
      end
    end
  end
  answer[1] = counter
  return answer
end

-- All answers that are remembered of a sender, oldest first.
local function memory_of(call, state, field)
  local found = call('HMGET', state, field, field .. 0, field .. 1, field .. 2, field .. 3)
  local memory = found[1] or ''
  if memory == '' then return '' end
  local last = read('<I6', memory, #memory - 5)
  local part = floor((last - 1) / PART)
  for older = part - 1, max(part - ANSWERS / PART, 0), -1 do
    local answers = found[2 + older % (ANSWERS / PART)]
    if not answers or read('<I6', answers, #answers - 5) ~= (older + 1) * PART then break end
    memory = answers .. memory
  end
  return sub(memory, -ANSWERS * ANSWER_SIZE)
end

-- The fields and values for what memory_of() gave, added to `list`.
local function add_memory(list, field, memory)
  local last = read('<I6', memory, #memory - 5)
  local part, to = floor((last - 1) / PART), #memory
  local size = (last - part * PART) * ANSWER_SIZE
  while to > 0 do
    list[#list + 1] = to == #memory and field or part_field(field, part)
    list[#list + 1] = sub(memory, max(to - size + 1, 1), to)
    to, part, size = to - size, part - 1, PART * ANSWER_SIZE
  end
end

-- ARGV: whether with senders, then conversations. Per conversation: core, its senders' keys, their memories, projection.
local function load(keys, args)
  if not sub then fetch_globals() end
  local call, state = redis.call, keys[1]
  local answer = {}
  for i = 2, #args do
    local conv = args[i]
    local found, memories = call('HMGET', state, 'm' .. conv, 'l' .. conv, 'c' .. conv), {}
    local list = found[2]
    if args[1] == '1' and list then
      for at = 1, #list, 21 do
        memories[#memories + 1] = memory_of(call, state, 's' .. conv .. sub(list, at, at + 20))
      end
    end
    answer[i - 1] = {found[1] and found[1] .. (found[3] or ''), list, memories, call('HGET', keys[2], conv)}
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
  set_values(call, keys[2], list, #list)
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
    if #conv ~= 8 or #core ~= CORE_SIZE + COLD_SIZE or not senders or at + 2 * senders > #args + 1 then
      return redis.error_reply('WRONGFORMAT a conversation that cannot be read')
    end
    local cold = sub(core, CORE_SIZE + 1)
    core = sub(core, 1, CORE_SIZE)
    local found = call('HMGET', state, 'm' .. conv, 'l' .. conv)
    local joined, list = '', {}
    local head, _, _, status = read(PARTS, core)
    local renew = not found[1] or read('<I6', found[1]) < head
    for i = at, at + 2 * senders - 1, 2 do
      local field, memory = 's' .. conv .. args[i], args[i + 1]
      local present = call('HGET', state, field)
      if not present or read('<I6', present, #present - 5) < read('<I6', memory, #memory - 5) then
        add_memory(list, field, memory)
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
      list[#list + 1] = 'c' .. conv
      list[#list + 1] = cold
      if head > 0 then
        local field = visitor_field(cold)
        local pointer = call('HGET', state, field)
        local is_open = status ~= IS_CLOSED
        if not pointer or sub(pointer, 1, 8) == conv or is_open and sub(pointer, 9) == 'c' then
          list[#list + 1] = field
          list[#list + 1] = conv .. (is_open and 'o' or 'c')
        end
      end
    end
    set_values(call, state, list, #list)
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
      local head, _, _, status, _, touched = read('<I6I6c4c1c8I6', core)
      if head > 0 and status ~= IS_CLOSED then
        call('ZREM', keys[2], conv)
      elseif touched <= archived then
        local visitor = visitor_field(call('HGET', state, 'c' .. conv) or NO_COLD)
        if call('HGET', state, visitor) == conv .. 'c' then call('HDEL', state, visitor) end
        for from = 1, #senders, 21 do
          local field = 's' .. conv .. sub(senders, from, from + 20)
          call('HDEL', state, field, field .. 0, field .. 1, field .. 2, field .. 3)
        end
        call('HDEL', state, 'm' .. conv, 'l' .. conv, 'c' .. conv)
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
