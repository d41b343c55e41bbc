-- One PPO run on CartPole-v1: solved when the mean return reaches 475.
-- Settings of rl-zoo3 for this environment (8 x 32 steps, gamma 0.98, lambda 0.8, annealed).
return {
  name = "cartpole",
  env = "CartPole-v1",
  algo = "ppo",
  device = "cpu",
  seed = 1,
  envs_per_worker = 8,
  ppo = {
    lr = 1e-3,
    horizon = 32,
    minibatch = 256,
    epochs = 20,
    gamma = 0.98,
    lambda = 0.8,
    clip = 0.2,
    anneal_lr = true,
    anneal_clip = true,
  },
  model = { hidden = { 64, 64 }, activation = "tanh" },
  stop = { steps = 100000, mean_return = 475 },
  eval = { episodes = 100 },
}
