-- 8 PPO trials on CartPole, compared at equal training time: half of them go on at 0.25, 0.5 and 1
-- seconds, the last one trains for 2: rltune run configs/cartpole_seconds.lua
return {
  name = "cartpole-seconds",
  env = "CartPole-v1",
  algo = "ppo",
  seed = 1,
  ppo = { lr = space.loguniform(1e-4, 1e-2), epochs = space.randint(2, 20), horizon = 32 },
  stop = { steps = 100000000 },
  tune = {
    metric = "mean_return",
    mode = "max",
    trials = 8,
    parallel = 2,
    stopper = {
      "sha", time_attr = "time_total_s", grace_period = 0.25, reduction_factor = 2, max_t = 2,
      stop_last_trials = true,
    },
    final = { seeds = 1, episodes = 20 },
  },
}
