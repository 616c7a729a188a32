-- The names in a body that matter to Tollkeeper, in each provider's spelling. Python decides what they count for
-- (ratelimit/tenants/body.py); a name that is read here and unknown there does no harm.

local function set(names)
  local found = {}
  for name in names:gmatch("%S+") do found[name:lower()] = name end
  return found
end

-- Top-level scalars: the model, limits of the output, multipliers, and the rest.
local TOP = set [[
model
max_tokens max_completion_tokens max_output_tokens max_new_tokens max_tokens_to_sample max_gen_len max_length
num_predict n_predict maxTokens maxOutputTokens request_output_len
n best_of n_cmpl num_choices num_generations num_return_sequences candidateCount numResults num_images beam_width
stream stream_options background service_tier size quality
]]

-- Objects that hold some of these scalars, by their lower-case names. Google's APIs accept two spellings of each name.
local NESTED = {}
local function nested(name, names)
  NESTED[name:lower()] = { prefix = name .. ".", names = set(names) }
end
nested("stream_options", "include_usage")
nested("options", "num_predict")
nested("parameters", [[max_new_tokens max_tokens maxOutputTokens max_length best_of n num_return_sequences candidateCount
  sampleCount]])
nested("sampling_params", "max_new_tokens max_tokens n best_of")
nested("generationConfig", "maxOutputTokens max_output_tokens candidateCount candidate_count")
nested("generation_config", "maxOutputTokens max_output_tokens candidateCount candidate_count")
nested("inferenceConfig", "maxTokens max_new_tokens")
nested("textGenerationConfig", "maxTokenCount")

-- An array under one of these names holds one prompt per element, if the elements are texts or arrays; numbers in them are
-- tokens.
local PROMPTS = set "prompt prompts input inputs text texts input_ids token_ids prompt_token_ids tokens context messages"
-- Values that servers write into the prompt unchanged, including names and brackets.
local RAW = set [[tools functions tool_choice response_format json_schema guided_json structured_outputs toolConfig grammar
  format]]
-- The kinds of output that the answer is to contain.
local MODALITIES = set "modalities responseModalities response_modalities"
-- Values that no model reads.
local UNREAD = set [[metadata user user_id logit_bias stop stop_sequences stopSequences safety_identifier prompt_cache_key
  voice language service_tier previous_response_id conversation include modalities]]

-- The length of `max_completion_tokens` with each letter written as \uXXXX; a longer key is irrelevant.
local MAX_KEY = 6 * #"max_completion_tokens"

local function decode_escape(digits)
  local code = tonumber(digits, 16)
  if code < 0x80 then return string.char(code) end
  if code == 0x17F then return "s" end
  if code == 0x212A then return "k" end
  return "?"
end

-- A key as the most lenient server compares it, with escapes decoded and case ignored (Go also folds U+017F to s and U+212A
-- to k); and as a strict server compares it.
local function fold(raw)
  local exact = raw
  if raw:find("[\\\128-\255]") then
    exact = raw:gsub("\\u(%x%x%x%x)", decode_escape)
    raw = exact:gsub("\197\191", "s"):gsub("\226\132\170", "k")
  end
  return raw:lower(), exact
end

-- The same few keys come again and again, so they are remembered.
local MAX_KNOWN = 1000
local known, count = {}, 0

local function folded(raw)
  if #raw > MAX_KEY then return "", raw end
  local pair = known[raw]
  if pair == nil then
    if count >= MAX_KNOWN then known, count = {}, 0 end
    pair = { fold(raw) }
    known[raw], count = pair, count + 1
  end
  return pair[1], pair[2]
end

return { TOP = TOP, NESTED = NESTED, PROMPTS = PROMPTS, RAW = RAW, UNREAD = UNREAD, MODALITIES = MODALITIES,
  folded = folded }
