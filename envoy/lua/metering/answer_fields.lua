-- The places in the JSON of an answer that are read: token counts, generated text, the end of the answer and its id.
--
-- The places form a tree of keys, from the root. A key counts only at its exact place: the same name in a string, in an
-- echoed `metadata` or `tools`, or in the arguments of a tool call is text from someone else. Arrays leave no trace in a
-- path. Tollkeeper decides what the counts mean (accesslog/formats.py), not Envoy.

-- Objects in which every whole number is a count, down to three levels.
local COUNTS = [[
  usage message.usage response.usage delta.usage interaction.usage x_groq.usage svg_usage
  tool_usage.image_gen response.tool_usage.image_gen tool_usage.web_search response.tool_usage.web_search
  usageMetadata response.usageMetadata
  meta.tokens meta.billed_units response.meta.tokens response.meta.billed_units
  amazon-bedrock-invocationMetrics
]]
-- Single counts.
local COUNT = [[
  prompt_eval_count eval_count details.input_length num_input_tokens num_output_tokens
  prompt_token_count generation_token_count inputTextTokenCount totalOutputTextTokenCount
]]
-- Counts that belong to one of several results in an answer; they are added up.
local COUNT_EACH = [[
  meta_info.prompt_tokens meta_info.completion_tokens meta_info.cached_tokens meta_info.reasoning_tokens
  tokens_evaluated tokens_predicted timings.prompt_n timings.cache_n timings.predicted_n
  details.generated_tokens results.tokenCount predictions.embeddings.statistics.token_count
]]
local COUNTS_EACH = "choices.usage"
-- Counts that belong to one answer in the results of a batch. They are added up over all lines (Anthropic, OpenAI) or within
-- the batch object (Mistral).
local COUNTS_ALL = "result.message.usage response.body.usage outputs.response.body.usage"

-- Items that count as one each: generated images, including those made by a tool of a response.
local EACH_ONE = "data.b64_json data.url predictions.bytesBase64Encoded partial_image_b64 item.result"

-- The index of the result that a document's counts belong to, if there are several results.
local INDEX = "index choices.index"
-- Each result has one finish reason, at its end.
local FINISH = "choices.finish_reason"

-- Text that is sent in pieces: the pieces of all events are added up.
local TEXT = [[
  choices.text
  choices.delta.content choices.delta.content.text choices.delta.content.thinking.text
  choices.delta.reasoning_content choices.delta.reasoning choices.delta.refusal choices.delta.audio.transcript
  choices.delta.function_call.arguments
  choices.delta.tool_calls.function.name choices.delta.tool_calls.function.arguments
  choices.message.content choices.message.content.text choices.message.content.thinking.text
  choices.message.reasoning_content choices.message.reasoning choices.message.refusal choices.message.audio.transcript
  choices.message.function_call.arguments choices.message.tool_calls.function.arguments
  message.content message.content.text message.content.thinking message.thinking message.tool_plan
  message.tool_calls.function.arguments
  delta delta.text delta.thinking delta.partial_json delta.content delta.toolUse.input delta.reasoningContent.text
  contentBlockDelta.delta.text contentBlockDelta.delta.toolUse.input contentBlockDelta.delta.reasoningContent.text
  delta.message.content.text delta.message.content.thinking delta.message.tool_plan
  delta.message.tool_calls.function.name delta.message.tool_calls.function.arguments
  content content.text content.thinking content.input
  output.content.text output.summary.text output.arguments
  output.message.content.text output.message.content.toolUse.input
  output.message.content.reasoningContent.reasoningText.text
  candidates.content.parts.text candidates.content.parts.functionCall.args
  response completion generation outputText results.outputText outputs.text text_output token.text
]]
-- Text that is repeated: longer in each event, or whole at the end.
local WHOLE = "text generated_text"

-- Sound or an image in base64. The characters of sound are counted by its kind, images as such (answer_found.lua).
local SOUND = [[
  audio choices.delta.audio.data choices.message.audio.data
  candidates.content.parts.inlineData.data candidates.content.parts.inline_data.data
]]

-- Marks of the end: a value other than null and false means that nothing more is generated; its text may say that generation
-- failed.
local DONE = [[
  done stop stop_reason stopReason finish_reason is_finished completionReason generated_text
  choices.finish_reason candidates.finishReason delta.stop_reason delta.finish_reason
  meta_info.finish_reason details.finish_reason results.completionReason outputs.stop_reason messageStop.stopReason
]]
local ERROR = "error response.error"
-- The service tier in which the request ran.
local TIER = [[
  service_tier response.service_tier usage.service_tier message.usage.service_tier serviceTier.type
  usageMetadata.trafficType result.message.usage.service_tier response.body.service_tier
]]
-- Values of `type` (`event_type` of Gemini's interactions) that mark the end of an answer.
local ENDS = {
  message_stop = "done", ["message-end"] = "done", ["response.completed"] = "done", ["response.incomplete"] = "done",
  ["response.cancelled"] = "done", ["response.done"] = "done", ["transcript.text.done"] = "done", ["speech.audio.done"] = "done",
  ["image_generation.completed"] = "done", ["image_edit.completed"] = "done",
  ["interaction.completed"] = "done", ["interaction.cancelled"] = "done",
  error = "error", ["response.failed"] = "error", ERROR = "error",
}

-- Values of `type` that mark the text of an event as sound in base64.
local SOUNDS = { ["response.audio.delta"] = true, ["response.output_audio.delta"] = true }

-- Below COUNTS, any key is read. Array elements that name their kind (Gemini's `modality`, Bedrock's `ttl`, Anthropic's
-- `type` of an iteration) have that kind in the path instead of their position. Elements with the same `type` add up; an
-- object outside arrays has no kind by its `type`, which transcriptions name in `usage` itself.
local ANY = { number = true, any = true }
local KINDS = { modality = "any", ttl = "any", type = "element" }

local root = { kids = {} }

local function mark(paths, field, value)
  for path in paths:gmatch("%S+") do
    local node = root
    for key in path:gmatch("[^.]+") do
      node.kids = node.kids or {}
      node.kids[key] = node.kids[key] or { path = node.path and node.path .. "." .. key or key }
      node = node.kids[key]
    end
    node[field] = value
  end
end

mark(COUNTS, "any", true)
mark(COUNTS_EACH, "any", true)
mark(COUNTS_EACH, "each", true)
mark(COUNTS_ALL, "any", true)
mark(COUNTS_ALL, "each", "all")
mark(COUNTS_ALL, "path", "usage")
mark(COUNT, "number", true)
mark(COUNT_EACH, "number", true)
mark(COUNT_EACH, "each", true)
mark(INDEX, "index", true)
mark(FINISH, "finish", true)
mark(TEXT, "text", "adds")
mark(WHOLE, "text", "whole")
mark(SOUND, "text", "sound")
mark(DONE, "done", true)
mark(ERROR, "error", true)
mark("type event_type", "ends", true)
mark("id response.id", "take", "id")
mark("status response.status processing_status", "take", "status")
mark("output_file_id output_file", "take", "file")
mark("model result.message.model response.body.model", "take", "model")
mark(TIER, "take", "service_tier")
mark(EACH_ONE, "one", true)

return { root = root, any = ANY, kinds = KINDS, ends = ENDS, sounds = SOUNDS }
