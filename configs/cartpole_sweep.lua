-- The main job: 16 PPO trials on CartPole-v1 under ASHA; the winner is retrained from scratch on
-- 5 seeds and judged on 100 fresh episodes.
return {
  name = "cartpole-sweep",
  env = "CartPole-v1",
  algo = "ppo",
  device = "cpu",
  workers = 1,
  envs_per_worker = 32,
  threads = 1,
  seed = 1,
  ppo = {
    lr = space.loguniform(1e-4, 1e-2),
    epochs = space.randint(2, 12),
    lambda = space.uniform(0.8, 0.98),
    gamma = space.choice{ 0.98, 0.99 },
    horizon = 32,
    minibatch = space.choice{ 128, 256 },
  },
  stop = { steps = 50000 },
  eval = { every = 10000, episodes = 10 },
  tune = {
    metric = "eval_return",
    mode = "max",
    trials = 16,
    parallel = 2,
    sampler = "random",
    stopper = { "asha", grace = 10000, reduction = 3 },
    points = { -- rl-zoo3's values, with fewer epochs, then those of cartpole.lua
      {
        ["ppo.lr"] = 1e-3,
        ["ppo.epochs"] = 12,
        ["ppo.lambda"] = 0.8,
        ["ppo.gamma"] = 0.98,
        ["ppo.minibatch"] = 256,
      },
      {
        ["ppo.lr"] = 3e-3,
        ["ppo.epochs"] = 5,
        ["ppo.lambda"] = 0.9,
        ["ppo.gamma"] = 0.99,
        ["ppo.minibatch"] = 128,
      },
    },
    final = { seeds = 5, episodes = 100 },
  },
}
