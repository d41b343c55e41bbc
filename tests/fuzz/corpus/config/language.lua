local t = setmetatable({}, { __index = function(_, k) return #k end, __call = select })
goto done
::done::
for k, v in pairs{ a = 1, "b", [3] = { c = 2.5 } } do print(k, tostring(v), t[tostring(k)]) end
local s = ("x"):rep(3) .. string.format("%5.2f|%s|%q", 1 / 3, true, "y") .. table.concat({ 1, 2 }, ",")
while #s > 10 do s = s:sub(2) end
error(s:upper(), 1 << 1 | 0x10 & ~3 // 2)
