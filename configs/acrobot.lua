-- PPO on Acrobot-v1: the goal of -100 with room to spare after 100,000 steps.
return {
  name = "acrobot",
  env = "Acrobot-v1",
  device = "cpu",
  envs_per_worker = 32,
  ppo = { lr = 1e-3, horizon = 64, minibatch = 128, epochs = 4, gamma = 0.99, lambda = 0.94 },
  normalise = { observation = true, reward = true },
  stop = { steps = 100000 },
  eval = { episodes = 100 },
}
