-- PPO on Pendulum-v1: better than -200 after 200,000 steps. A short horizon of rewards
-- (gamma 0.95) and scaled rewards decide; gamma 0.99 leaves some seeds unlearned.
return {
  name = "pendulum",
  env = "Pendulum-v1",
  device = "cpu",
  envs_per_worker = 16,
  ppo = { lr = 1e-3, horizon = 128, minibatch = 128, epochs = 6, gamma = 0.95, lambda = 0.95 },
  normalise = { reward = true },
  stop = { steps = 200000 },
  eval = { episodes = 100 },
}
