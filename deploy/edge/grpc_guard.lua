-- Reads the frames of gRPC requests on their way to Triton and cuts a message that is too long, or compressed.
--
-- Triton takes messages of up to 2 GB and holds them several times in memory. A message begins with one byte
-- (1: compressed) and four bytes of length, which is all that is looked at (gRPC over HTTP/2, "Length-Prefixed-
-- Message"); what lies between is skipped.

local PREFIX_BYTES = 5
local MAX_BYTES = tonumber(os.getenv("EDGE_BODY_MAX_BYTES"))

local Guard = { id = "grpc_guard", flags = filter.FLT_CFG_FL_HTX }
Guard.__index = Guard

function Guard:new()
  return setmetatable({ prefix = "", left = 0 }, Guard)
end

function Guard:start_analyze(txn, channel)
  if not channel:is_resp() then
    filter.register_data_filter(self, channel)
  end
end

-- Takes in one string of frames; returns whether all of it may pass.
function Guard:scan(text)
  local position, length = 1, #text
  while position <= length do
    if self.left > 0 then
      local skipped = math.min(self.left, length - position + 1)
      self.left, position = self.left - skipped, position + skipped
    else
      local stop = math.min(length, position + PREFIX_BYTES - #self.prefix - 1)
      self.prefix, position = self.prefix .. text:sub(position, stop), stop + 1
      if #self.prefix == PREFIX_BYTES then
        local compressed, bytes = string.unpack(">BI4", self.prefix)
        if compressed ~= 0 or bytes > MAX_BYTES then return false end
        self.prefix, self.left = "", bytes
      end
    end
  end
  return true
end

function Guard:http_payload(txn, message)
  local text = message:body()
  if text and not self:scan(text) then
    local why = "a message is compressed, or longer than the " .. MAX_BYTES .. " bytes allowed"
    txn:set_var("txn.refusal", why)
    error(why, 0) -- haproxy ignores what this callback returns; see json_guard.lua
  end
end

core.register_filter("grpc_guard", Guard, function(guard, arguments)
  return guard
end)
