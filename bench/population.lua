-- The search that bench/population.sh makes with different methods: PPO on Acrobot-v1, from bad and
-- good places. --set tune.stopper=... names the method.
return {
  name = "population",
  env = "Acrobot-v1",
  device = "cpu",
  threads = 1,
  envs_per_worker = 16,
  ppo = {
    lr = space.loguniform(1e-5, 1e-1),
    ent_coef = space.loguniform(1e-5, 1e-1),
    gamma = space.uniform(0.9, 0.9999),
    clip = space.uniform(0.05, 0.5),
    horizon = 64,
    minibatch = 128,
    anneal_lr = false,
  },
  normalise = { observation = true, reward = true },
  stop = { steps = 65536 },
  eval = { episodes = 20 },
  tune = {
    metric = "eval_return",
    mode = "max",
    trials = 8,
    parallel = 1,
    final = { seeds = 0 },
  },
}
