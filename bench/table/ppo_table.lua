-- PPO on CartPole over a grid of 6,000 settings: bench/table/make writes the mean return of each to
-- bench/table/ppo_table.txt, a task for samplers with a known optimum (bench/sampler_bench.c).
return {
  name = "ppo-table", env = "CartPole-v1", workers = 0, envs_per_worker = 16, threads = 1, seed = 1,
  ppo = {
    lr = space.grid{ 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1 },
    epochs = space.grid{ 1, 2, 4, 8, 16 },
    horizon = space.grid{ 8, 16, 32, 64, 128 },
    gamma = space.grid{ 0.8, 0.9, 0.95, 0.98, 0.99 },
    clip = space.grid{ 0.05, 0.2, 0.5 },
    minibatch = 128,
  },
  model = { activation = space.grid{ "tanh", "relu" } },
  stop = { steps = 6144 },
  eval = { episodes = 100 },
  tune = { metric = "eval_return", mode = "max", trials = 6000, parallel = 2, sampler = "grid",
           final = { seeds = 0 } },
}
