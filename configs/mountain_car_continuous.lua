-- PPO on MountainCarContinuous-v0: the goal is 90. Actions are squashed into their bounds and start
-- wide (deviation 1.6), which swings the car up before it learns to stand still.
return {
  name = "mountain-car-continuous",
  env = "MountainCarContinuous-v0",
  device = "cpu",
  envs_per_worker = 32,
  ppo = {
    lr = 1e-3,
    horizon = 16,
    minibatch = 128,
    epochs = 9,
    gamma = 0.9999,
    lambda = 0.96,
    ent_coef = 0.004,
  },
  model = { log_std_init = 0.5, squash = true },
  normalise = { observation = true },
  stop = { steps = 150000 },
  eval = { episodes = 100 },
}
