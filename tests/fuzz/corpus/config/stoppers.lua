rltune.experiment{
  name = "s", env = "Taxi-v3", normalise = { observation = true, reward = true, clip = 5 },
  stop = { steps = 9000, mean_return = -5, wall_s = 3 }, eval = { every = 100, episodes = 2 },
  checkpoint = { every = 1000, keep = 3 },
  ppo = { lr = space.uniform(0.001, 0.01) },
  tune = {
    metric = "mean_return", mode = "min", trials = 9, parallel = 2, sampler = "sobol",
    stopper = { "median", grace = 10, interval = 20, min_trials = 3 },
    budget = { steps = 5000, wall_s = 9 }, goal = 3, max_retries = 1, max_failed = 2,
    final = { seeds = 2, episodes = 5 },
  },
}
