-- What stands around every script. The functions of Rust raise errors of their own kind (raise.rs): `value` and
-- `text` turn them into what Redis' functions raise, wherever a script gets to see one.
local base, value, text, handler = ...
local pcall, xpcall, select = pcall, xpcall, select
local resume, create, wrap = coroutine.resume, coroutine.create, coroutine.wrap

local function caught(ok, ...)
    if ok then return true, ... end
    return false, text((...))
end

local function shown(ok, ...)
    if ok then return true, ... end
    return false, value((...))
end

base.pcall = function(...)
    return caught(pcall(...))
end

base.xpcall = function(f, h)
    return shown(xpcall(f, function(e) return h(value(e)) end))
end

base.coroutine.resume = function(...)
    return shown(resume(...))
end

-- The state of an iteration is kept here, where the collector sees the strings.
local gmatch = string.gmatch
string.gmatch = function(s, p)
    gmatch(s, p)
    local at = 0
    local function step(next, ...)
        at = next
        return ...
    end
    return function()
        return step(gmatch(s, p, at))
    end
end
string.gfind = string.gmatch

-- Runs a script; its error is a table with the place where it was raised.
return function(f, ...)
    local a, b, c = ...
    if a == nil then return xpcall(f, handler) end
    return xpcall(function() return f(a, b) end, handler)
end
