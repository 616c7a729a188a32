-- Reads one JSON-RPC message from a client to an MCP server: its method, its id and the name of the tool. The result is
-- composed into the string for ratelimit, which decides:
-- {"rpc":"message","id":…,"method":"…","name":"…","said_method":"…","said_name":"…"}, or {"rpc":"invalid","why":"…"}.
--
-- Linear in the body, without recursion. A key that is read must appear once, in the protocol's spelling: servers disagree
-- on which of two wins, and some ignore case.

local MAX_VALUES = 500000
local MAX_ID, MAX_METHOD, MAX_NAME = 300, 600, 1000 -- bytes, as JSON
local BYTE_ORDER_MARK = "\239\187\191"
local OPEN_ARRAY = 0x5B
local TOP = { jsonrpc = true, id = true, method = true, params = true, result = true, error = true }
local PARAMS = { name = true }
local sub, find = string.sub, string.find

local Reader = {}
Reader.__index = Reader

local function counted(self, count)
  self.values = self.values + count
  if self.values > MAX_VALUES then self.stop = "too_many_values" end
end

function Reader:key(depth, first, last)
  self.at = nil
  local names = depth == 1 and TOP or depth == 2 and self.in_params and PARAMS
  if not names then return end
  local name, exact = fields.folded(sub(self.text_read, first, last))
  if not names[name] then return end
  if self.seen[depth .. name] then self.stop = "duplicate_key" end
  if exact ~= name then self.stop = "ambiguous_key" end
  self.seen[depth .. name], self.at = true, name
end

local function take(self, depth, first, last)
  counted(self, 1)
  if self.at and (depth == 1 or depth == 2 and self.in_params) then
    self.found[self.at] = sub(self.text_read, first, last)
    self.at = nil
  end
end

function Reader:text(depth, first, last) take(self, depth, first - 1, last + 1) end
function Reader:scalar(depth, first, last) take(self, depth, first, last) end
function Reader:numbers(_, count) counted(self, count) end

function Reader:opens(depth, _, is_array)
  counted(self, 1)
  if depth == 2 then self.in_params = self.at == "params" and not is_array end
  if self.at and self.at ~= "params" then self.found[self.at] = "{}" end
  self.at = nil
end

function Reader:closes(depth)
  if depth == 2 then self.in_params = false end
end

local function is_text(raw) return raw ~= nil and sub(raw, 1, 1) == '"' end

local function invalid(why) return '{"rpc":"invalid","why":"' .. why .. '"}' end

-- The reason why the message is invalid, or nil.
local function wrong_with(reader)
  local found = reader.found
  if reader.stop then return reader.stop end
  if found.id and (#found.id > MAX_ID or not is_text(found.id) and not find(found.id, "^-?%d")) then return "invalid_id" end
  if reader.seen["1method"] and (not is_text(found.method) or #found.method > MAX_METHOD) then return "invalid_method" end
  if not found.method and not reader.seen["1result"] and not reader.seen["1error"] then return "no_message" end
  if reader.seen["2name"] and (not is_text(found.name) or #found.name > MAX_NAME) then return "invalid_name" end
  return nil
end

-- Headers in which a client repeats parts of the message, so that servers need not read it: a server that relies on them
-- must not find another tool there. The value as JSON: null if it cannot be a repetition; nil if the header is missing.
local function repeated(headers, name)
  local value = headers:get(name)
  if value == nil then return nil end
  if headers:getNumValues(name) > 1 or #value > MAX_NAME or find(value, "[^\32-\126]") then return "null" end
  return '"' .. value:gsub('["\\]', "\\%0") .. '"'
end

local function compose(found, headers)
  found.said_method, found.said_name = repeated(headers, "mcp-method"), repeated(headers, "mcp-name")
  local out = { '{"rpc":"message"' }
  for _, name in ipairs({ "id", "method", "name", "said_method", "said_name" }) do
    if found[name] then out[#out + 1] = '"' .. name .. '":' .. found[name] end
  end
  return secrets.without(table.concat(out, ",") .. "}")
end

-- The string for ratelimit, and the id as JSON if it can be reported.
local function read(text, headers)
  local open, c = json.skip_space(text, sub(text, 1, 3) == BYTE_ORDER_MARK and 4 or 1)
  if c == OPEN_ARRAY then return invalid("batch") end
  if not bytes.is_plain(text) or not bytes.is_utf8(headers:get("content-type"), text) then return invalid("not_json") end
  local reader = setmetatable({ text_read = text, values = 0, seen = {}, found = {} }, Reader)
  local close = json.walk(text, open, reader)
  if not reader.stop and not (close and json.skip_space(text, close + 1) > #text) then return invalid("not_json") end
  local wrong = wrong_with(reader)
  if wrong then return invalid(wrong) end
  return compose(reader.found, headers), reader.found.id
end

return { read = read }
