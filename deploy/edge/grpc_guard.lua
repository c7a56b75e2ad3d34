-- Reads gRPC requests on their way to Triton and cuts those that would harm it.
--
-- A message begins with one byte (1: compressed) and four bytes of length (gRPC over HTTP/2, "Length-Prefixed-
-- Message"). One that is compressed is refused, and one that is too long: Triton takes up to 2 GB and holds them several
-- times in memory.
--
-- Of a call's message, a ModelInferRequest, the shapes of the inputs are read: Triton multiplies their extents without
-- looking, and a product that wraps round ends the Python process that it is handed to. So a shape is refused whose
-- product is larger than the message has bytes, each element taking at least one, and than HARMLESS. Everything else,
-- tensors' contents above all, is skipped by its length.

local PREFIX_BYTES = 5
local MAX_BYTES = tonumber(os.getenv("EDGE_BODY_MAX_BYTES"))
local HARMLESS = 65536 -- elements; what is wrong with smaller shapes Triton says better
-- Fields of the protobuf messages, and protobuf's wire types.
local INPUTS, SHAPE = 5, 3
local VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
local MALFORMED = "a message is not a valid protobuf message"

local Guard = { id = "grpc_guard", flags = filter.FLT_CFG_FL_HTX }
Guard.__index = Guard

-- left, tensor, packed: bytes left of the message, of the input in it, of the shape in that; skip: bytes that do not
-- matter; want: what the next varint is.
function Guard:new()
  return setmetatable({ prefix = "", left = 0, skip = 0, want = "key", value = 0, shift = 0 }, Guard)
end

function Guard:start_analyze(txn, channel)
  if not channel:is_resp() then
    filter.register_data_filter(self, channel)
  end
end

function Guard:http_headers(txn, message)
  self.is_call = txn:get_var("txn.is_call") -- set by haproxy.cfg's rules, which have run by now
end

-- Takes in one string of frames; returns why it must be refused, or nil.
function Guard:scan(text)
  local position, length = 1, #text
  while position <= length do
    local why
    if self.skip > 0 then
      local skipped = math.min(self.skip, length - position + 1)
      self.skip, position = self.skip - skipped, position + skipped
    elseif self.left == 0 then
      local stop = math.min(length, position + PREFIX_BYTES - #self.prefix - 1)
      self.prefix, position = self.prefix .. text:sub(position, stop), stop + 1
      if #self.prefix == PREFIX_BYTES then why = self:message() end
    else
      why = self:byte(text:byte(position))
      position = position + 1
    end
    if why then return why end
  end
end

-- The prefix of a message is complete.
function Guard:message()
  local compressed, bytes = string.unpack(">BI4", self.prefix)
  self.prefix = ""
  if compressed ~= 0 or bytes > MAX_BYTES then
    self.is_long = true
    return "a message is compressed, or longer than the " .. MAX_BYTES .. " bytes allowed"
  end
  if self.is_call then
    self.left, self.bytes = bytes, bytes
  else
    self.skip = bytes
  end
end

-- One byte of a varint.
function Guard:byte(byte)
  self:consume(1)
  self.value = self.value | (byte & 0x7f) << self.shift
  self.shift = self.shift + 7
  if byte >= 128 then
    if self.shift >= 70 or self.left == 0 then return MALFORMED end
    return nil
  end
  local value = self.value
  self.value, self.shift = 0, 0
  return self[self.want](self, value) or self:close()
end

function Guard:consume(bytes)
  self.left = self.left - bytes
  if self.tensor then self.tensor = self.tensor - bytes end
  if self.packed then self.packed = self.packed - bytes end
end

function Guard:key(value)
  self.field = value >> 3
  local wire = value & 7
  if wire == VARINT then
    self.want = self.tensor and self.field == SHAPE and "extent" or "ignored"
  elseif wire == BYTES then
    self.want = "length"
  elseif wire == FIXED64 then
    return self:pass(8)
  elseif wire == FIXED32 then
    return self:pass(4)
  else
    return MALFORMED -- a group: no client of Triton writes one
  end
end

function Guard:ignored()
  self.want = "key"
end

function Guard:length(bytes)
  self.want = "key"
  if not self.tensor and self.field == INPUTS then
    if bytes < 0 or bytes > self.left then return MALFORMED end
    self.tensor, self.product = bytes, 1.0
  elseif self.tensor and self.field == SHAPE then
    if bytes < 0 or bytes > self.tensor then return MALFORMED end
    if bytes > 0 then self.packed, self.want = bytes, "extent" end
  else
    return self:pass(bytes)
  end
end

-- Leaves out bytes that do not matter.
function Guard:pass(bytes)
  if bytes < 0 or bytes > (self.tensor or self.left) then return MALFORMED end
  self.want, self.skip = "key", bytes
  self:consume(bytes)
end

function Guard:extent(extent)
  if extent < 0 then return "a shape has an extent below 0" end
  self.product = self.product * math.max(extent, 1)
  if self.product > math.max(self.bytes, HARMLESS) then
    return "a shape promises more elements than the message has bytes"
  end
  if not self.packed then self.want = "key" end
end

-- What has been read to its end.
function Guard:close()
  if self.packed and self.packed <= 0 then
    if self.packed < 0 then return MALFORMED end
    self.packed, self.want = nil, "key"
  end
  if self.tensor and self.tensor <= 0 then
    if self.tensor < 0 or self.want ~= "key" then return MALFORMED end
    self.tensor = nil
  end
  if self.left == 0 and self.want ~= "key" then return MALFORMED end
end

function Guard:http_payload(txn, message)
  local text = message:body()
  local why = text and self:scan(text)
  if why then
    txn:set_var("txn.refusal", why)
    -- The rest is still on its way: see haproxy.cfg.
    if self.is_long or not message:eom() then txn:set_var("txn.cut", self.is_long and "long" or "begun") end
    error(why, 0) -- haproxy ignores what this callback returns; see json_guard.lua
  end
end

core.register_filter("grpc_guard", Guard, function(guard, arguments)
  return guard
end)
