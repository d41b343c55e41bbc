-- Tunes a program: parameters in its arguments, metrics from the JSON lines that it prints.
return {
  name = "descend",
  objective = {
    "command",
    argv = { "python3", "configs/programs/descend.py", "--rate={rate}", "--momentum={momentum}" },
  },
  params = {
    rate = space.loguniform(1e-4, 1e-1),
    momentum = space.uniform(0, 0.95),
  },
  stop = { steps = 200 }, -- the step that a whole trial reports last: what stoppers count in
  tune = {
    metric = "loss", mode = "min", trials = 24, parallel = 2, max_failed = 24,
    sampler = { "tpe", n_startup_trials = 8 },
    stopper = { "asha", grace = 20, reduction = 3 },
  },
}
