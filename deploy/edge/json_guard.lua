-- Reads JSON request bodies on their way to Triton and cuts those that would end it.
--
-- Triton allocates what a tensor's "shape" promises before it looks at anything else, and parses nested JSON
-- recursively. So a body is refused that
--   * nests deeper than MAX_DEPTH,
--   * has a "shape" whose product, or any extent of it, is larger than the body has bytes (each element takes at
--     least one byte there), or that is not a list of whole numbers,
--   * writes a key with an escape ("\u0073hape"), behind which a "shape" could hide.
-- Bodies of any size pass in pieces; nothing is kept but a few words of state. Of a request in the binary
-- protocol only the first Inference-Header-Content-Length bytes are JSON.

local MAX_DEPTH = 64
local LONGEST_KEY = 16 -- bytes kept of a string, to tell "shape" from others
local LONGEST_NUMBER = 32

local Guard = { id = "json_guard", flags = filter.FLT_CFG_FL_HTX }
Guard.__index = Guard

function Guard:new()
  return setmetatable({ depth = 0, left = 0, text = "", number = "" }, Guard)
end

function Guard:start_analyze(txn, channel)
  if not channel:is_resp() then
    filter.register_data_filter(self, channel)
  end
end

local function header(message, name)
  local values = message:get_headers()[name]
  return values and values[0]
end

function Guard:http_headers(txn, message)
  self.body_bytes = tonumber(header(message, "content-length") or "") or 0
  self.left = tonumber(header(message, "inference-header-content-length") or "") or self.body_bytes
end

-- An error is the only way in which this callback can end the request: haproxy ignores what it returns. The
-- client gets the 400 of haproxy.cfg, with this sentence; Triton gets half a request, which it drops.
function Guard:refuse(txn, why)
  txn:set_var("txn.refusal", why)
  error(why, 0)
end

-- Takes in one string of the body; returns why it must be refused, or nil.
function Guard:scan(text)
  local position, length = 1, #text
  while position <= length do
    if self.skip then -- the character after a backslash
      self.skip, position = false, position + 1
    elseif self.in_string then
      local stop = text:find('["\\]', position) or length + 1
      if #self.text < LONGEST_KEY then
        self.text = self.text .. text:sub(position, math.min(stop - 1, position + LONGEST_KEY))
      end
      if stop > length then return nil end
      if text:byte(stop) == 92 then
        self.skip, self.escaped = true, true
      else
        self.in_string = false
      end
      position = stop + 1
    elseif self.in_shape then
      local stop = text:find("[^%d%s]", position) or length + 1
      self.number = self.number .. text:sub(position, stop - 1):gsub("%s", "")
      if #self.number > LONGEST_NUMBER then return "a shape has an extent of more digits than any tensor" end
      if stop > length then return nil end
      local why = self:extent(text:byte(stop))
      if why then return why end
      position = stop + 1
    else
      local stop = text:find(self.awaits_shape and '[%[%]{}":,]' or '[%[%]{}":]', position)
      if not stop then return nil end
      local why = self:structure(text:byte(stop))
      if why then return why end
      position = stop + 1
    end
  end
end

-- A character outside of strings that opens, closes or parts.
function Guard:structure(byte)
  if byte == 34 then -- "
    self.in_string, self.text, self.escaped = true, "", false
    self.awaits_shape = false
  elseif byte == 58 then -- :
    if self.escaped then return "a key of the JSON has an escape in it; write it plainly" end
    self.awaits_shape = self.text == "shape"
  elseif byte == 91 and self.awaits_shape then -- [
    self.awaits_shape, self.in_shape = false, true
    self.product, self.number = 1.0, ""
  elseif byte == 91 or byte == 123 then -- [ {
    self.awaits_shape = false
    self.depth = self.depth + 1
    if self.depth > MAX_DEPTH then return "the JSON is nested deeper than " .. MAX_DEPTH .. " levels" end
  elseif byte == 93 or byte == 125 then -- ] }
    self.awaits_shape = false
    self.depth = self.depth - 1
  else -- a comma where a shape was awaited
    self.awaits_shape = false
  end
end

-- The end of one number of a shape, or of the shape.
function Guard:extent(byte)
  if byte ~= 44 and byte ~= 93 then -- , ]
    return "a shape is not a list of whole numbers from 0 up"
  end
  if self.number ~= "" then
    local extent = tonumber(self.number .. ".0")
    self.product = self.product * extent
    if extent > self.body_bytes or self.product > self.body_bytes then
      return "a shape promises more elements than the body has bytes"
    end
  end
  self.number = ""
  if byte == 93 then self.in_shape = false end
end

function Guard:http_payload(txn, message)
  if self.left > 0 then
    local text = message:body(0, self.left)
    if text and #text > 0 then
      self.left = self.left - #text
      local why = self:scan(text)
      if why then self:refuse(txn, why) end
    end
  end
end

core.register_filter("json_guard", Guard, function(guard, arguments)
  return guard
end)
