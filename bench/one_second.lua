-- 10,000 trials of one second in 16 slots: 625 s are the least that they can take.
return {
  name = "one-second",
  objective = {
    "command",
    argv = { "/bin/sh", "-c", "echo \"$0\"; exec sleep 1", '{{"loss": {x}}' },
  },
  params = { x = space.uniform(0, 1) },
  tune = { metric = "loss", mode = "min", trials = 10000, parallel = 16, sampler = "random" },
}
