-- Forward: runs behind ratelimit, for requests that must not go to the default upstream unchanged. ratelimit gives the
-- destination in metadata, which no client can write.

local RATELIMIT = "envoy.filters.http.ratelimit"

local function rename_here(handle, said)
  local headers, name = handle:headers(), said.rename
  if said.path_model then headers:replace(":path", rename.in_path(headers:get(":path"), said.path_model, name)) end
  rename.body_of(handle, name, said.priority)
end

local function forward(handle)
  local metadata = handle:streamInfo():dynamicMetadata()
  local said = metadata:get(RATELIMIT)
  if said.rename then return rename_here(handle, said) end
  local headers = handle:headers()
  if not said.mcp then metadata:set("tollkeeper.forward", "path", headers:get(":path")) end
  headers:replace("x-tollkeeper-cluster", said.upstream)
  headers:replace("x-envoy-max-retries", string.format("%d", said.retries or 0))
  if said.timeout_ms then
    headers:replace("x-envoy-upstream-rq-per-try-timeout-ms", string.format("%d", said.timeout_ms))
  end
  handle:clearRouteCache()
end

function envoy_on_request(handle)
  client_error.guarded(handle, forward, "forward", "The request could not be sent on")
end
