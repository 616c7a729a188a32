-- Finds Tollkeeper keys, as minted by tenancy/values/secret.py, in text from clients.

local DIGITS = ("%x"):rep(48)
local FORMS = {
  { begin = "sk_", key = "sk_" .. DIGITS, removed = "sk_removed" },
  { begin = "xag_", key = "xag_" .. DIGITS, removed = "xag_removed" },
}
local find, gsub = string.find, string.gsub

local function are_in(text)
  for i = 1, #FORMS do
    local form = FORMS[i]
    if find(text, form.begin, 1, true) and find(text, form.key) then return true end
  end
  return false
end

local function without(text)
  for i = 1, #FORMS do
    local form = FORMS[i]
    if find(text, form.begin, 1, true) then text = gsub(text, form.key, form.removed) end
  end
  return text
end

return { are_in = are_in, without = without, REMOVED = FORMS[1].removed }
