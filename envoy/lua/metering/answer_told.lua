-- Reports to the access log everything found in an answer so far (answer_found.lua).

-- `events,text_bytes,ended path=count …`: one string, because each further metadata field would cost as much as all of this.
local function usage_of(found, events, text)
  local paths, counts = found.paths, found.counts
  local told = digits.spelled(events) .. "," .. digits.spelled(text) .. "," .. found.ended_how
  for i = 1, #paths do
    local path = paths[i]
    told = told .. " " .. path .. "=" .. digits.spelled(counts[path])
  end
  return told
end

local function tell_strings(found, metadata)
  found.set_strings = found.set_strings or {}
  for name, value in pairs(found.strings) do
    local told = name ~= "model" or found.totals or found.strings.file -- any other answer's model is the request's
    if told and found.set_strings[name] ~= value then
      metadata:set("tollkeeper", "answer_" .. name, value)
      found.set_strings[name] = value
    end
  end
end

-- Updates the access log if there is enough news, or if nothing more will come. Envoy makes a new metadata object after each
-- chunk.
local function tell(found, handle, last)
  local events, text = found:news(last)
  if not events then return end
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("tollkeeper", "usage", usage_of(found, events, text))
  if found.totals or found.strings.id and found.strings.status then tell_strings(found, metadata) end
  if found.tier ~= found.set_tier then metadata:set("tollkeeper", "service_tier", found.tier) end
  found.changed, found.set_events, found.set_text, found.set_ended = false, events, text, found.ended_how
  found.set_tier = found.tier
end

return { tell = tell }
