-- Tunes a function of the script, in the sandbox, in a process of its own.
return {
  name = "function",
  objective = function(params, report)
    local x, y = -1, 1.5
    for step = 1, 100 do
      local slope_x, slope_y = 2 * (x - 1) - 20 * x * (y - x * x), 10 * (y - x * x)
      x, y = x - params.rate * slope_x, y - params.rate * slope_y
      local loss = math.min((x - 1) ^ 2 + 5 * (y - x * x) ^ 2, 1e6)
      if step % 10 == 0 and not report(step, { loss = loss }) then
        break -- a stopper has decided
      end
    end
    return math.min((x - 1) ^ 2 + 5 * (y - x * x) ^ 2, 1e6)
  end,
  params = { rate = space.loguniform(1e-4, 3e-2) },
  stop = { steps = 100 },
  tune = { metric = "loss", mode = "min", trials = 16, parallel = 2, sampler = "gp" },
}
