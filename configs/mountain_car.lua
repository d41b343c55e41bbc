-- PPO on MountainCar-v0: the goal is -110. Reward comes only at the flag, so that many
-- environments explore side by side, rewards are scaled and hardly discounted.
return {
  name = "mountain-car",
  env = "MountainCar-v0",
  device = "cpu",
  envs_per_worker = 64,
  ppo = { lr = 5e-3, horizon = 16, minibatch = 256, epochs = 8, gamma = 0.999, lambda = 0.95 },
  normalise = { observation = true, reward = true },
  stop = { steps = 400000 },
  eval = { episodes = 100 },
}
