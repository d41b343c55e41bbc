-- The search that bench/population.sh makes with different methods: PPO on Acrobot-v1, over everything
-- that somebody who knows nothing of the task might get wrong. --set tune.stopper=... names the method.
return {
  name = "population",
  env = "Acrobot-v1",
  device = "cpu",
  threads = 1,
  envs_per_worker = 16,
  ppo = {
    lr = space.loguniform(1e-6, 1),
    ent_coef = space.loguniform(1e-6, 1),
    gamma = space.uniform(0.8, 0.9999),
    lambda = space.uniform(0.5, 1),
    clip = space.uniform(0.05, 0.8),
    epochs = space.randint(1, 10),
    max_grad_norm = space.loguniform(0.01, 10),
    vf_coef = space.loguniform(0.01, 10),
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
