-- Breakout of MinAtar, an image of 10 x 10 x 4, with the network of its authors.
return {
  name = "minatar-breakout",
  env = "MinAtar/Breakout-v1",
  envs_per_worker = 64,
  model = "minatar_cnn",
  ppo = {
    lr = 3e-3, horizon = 128, minibatch = 1024, epochs = 4, gamma = 0.99, lambda = 0.95,
    ent_coef = 0.01,
  },
  stop = { steps = 2e6 },
  eval = { episodes = 100 },
}
