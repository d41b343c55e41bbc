-- One PPO run on CartPole-v1. Solved (mean 475 of 500) from every seed tried, in a fraction of a
-- second: docs/results.md. The settings were found by sweeps like cartpole_sweep.lua.
return {
  name = "cartpole",
  env = "CartPole-v1",
  algo = "ppo",
  device = "cpu",
  seed = 1,
  envs_per_worker = 32,
  ppo = {
    lr = 3e-3, -- falls to 0 at stop.steps
    horizon = 32,
    minibatch = 128,
    epochs = 5,
    gamma = 0.99,
    lambda = 0.9,
    clip = 0.2,
  },
  model = { hidden = { 64, 64 }, activation = "tanh" },
  stop = { steps = 50000 },
  eval = { episodes = 100 },
}
