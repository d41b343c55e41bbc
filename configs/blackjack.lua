-- PPO on Blackjack-v1: no policy wins on average; the best loses about 0.044 a game.
-- 20,000 evaluation games, as single ones pay -1, 0 or 1.
return {
  name = "blackjack",
  env = "Blackjack-v1",
  device = "cpu",
  envs_per_worker = 32,
  ppo = {
    lr = 2e-3,
    horizon = 64,
    minibatch = 512,
    epochs = 3,
    gamma = 1,
    lambda = 0.97,
    ent_coef = 0.01,
  },
  model = { hidden = { 64 } },
  stop = { steps = 200000 },
  eval = { episodes = 20000 },
}
