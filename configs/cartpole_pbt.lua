-- A population of 6 PPO trials on CartPole, two at a time. At every 4,096 steps the worst quarter goes
-- on from the weights of the best quarter, with perturbed parameters: rltune run configs/cartpole_pbt.lua
return {
  name = "cartpole-pbt",
  env = "CartPole-v1",
  algo = "ppo",
  seed = 1,
  ppo = {
    lr = space.loguniform(1e-4, 1e-2),
    ent_coef = space.loguniform(1e-4, 1e-1),
    clip = space.uniform(0.1, 0.4),
    horizon = 32,
    anneal_lr = false,
  },
  stop = { steps = 24576 },
  tune = {
    metric = "eval_return",
    mode = "max",
    trials = 6,
    parallel = 2,
    stopper = { "pbt", perturbation_interval = 4096, quantile_fraction = 0.25 },
    final = { seeds = 2, episodes = 20 },
  },
}
