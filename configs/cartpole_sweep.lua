-- The main job: 16 PPO trials on CartPole-v1 under ASHA; the winner is retrained from scratch on
-- 5 seeds and judged on 100 fresh episodes.
return {
  name = "cartpole-sweep",
  env = "CartPole-v1",
  algo = "ppo",
  device = "cpu",
  workers = 1,
  envs_per_worker = 8,
  threads = 1,
  seed = 1,
  ppo = {
    lr = space.loguniform(1e-4, 1e-2),
    epochs = space.randint(4, 20),
    lambda = space.uniform(0.8, 0.98),
    gamma = space.choice{ 0.98, 0.99 },
    horizon = 32,
    minibatch = 256,
    anneal_clip = true,
  },
  stop = { steps = 60000 },
  eval = { every = 10000, episodes = 10 },
  tune = {
    metric = "eval_return",
    mode = "max",
    trials = 16,
    parallel = 2,
    sampler = "random",
    stopper = { "asha", grace = 10000, reduction = 3 },
    points = { { ["ppo.lr"] = 1e-3, ["ppo.epochs"] = 20, ["ppo.lambda"] = 0.8, ["ppo.gamma"] = 0.98 } },
    final = { seeds = 5, episodes = 100 },
  },
}
