-- PPO on FrozenLake-v1 (4x4, slippery): the best policy reaches the goal in 74 % of episodes.
-- 10,000 evaluation episodes, as single ones pay 0 or 1.
return {
  name = "frozen-lake",
  env = "FrozenLake-v1",
  device = "cpu",
  envs_per_worker = 32,
  ppo = {
    lr = 3e-3,
    horizon = 64,
    minibatch = 256,
    epochs = 4,
    gamma = 1,
    lambda = 0.95,
    ent_coef = 0.01,
  },
  model = { hidden = { 64 } },
  stop = { steps = 200000 },
  eval = { episodes = 10000 },
}
