return {
  env = "Pendulum-v1", workers = 2, seed = space.randint(1, 9),
  ppo = {
    lr = space.loguniform(1e-5, 1e-2), epochs = space.lograndint(1, 32),
    gamma = space.choice{ 0.9, 0.99 }, lambda = space.uniform(0.8, 1),
    clip = space.quniform(0.1, 0.4, 0.1), ent_coef = space.normal(0.01, 0.1),
    horizon = space.grid{ 32, 64 },
    minibatch = function(p) return p.ppo.horizon * 8 end,
    optimiser = space.fixed("sgd"),
    momentum = function(p) return p.ppo.optimiser == "sgd" and space.uniform(0, 0.9) or 0 end,
  },
  model = { hidden = space.choice{ { 32 }, { 64, 64 } }, squash = true },
  tune = { trials = 4, points = { { ["ppo.lr"] = 1e-3, ["ppo.gamma"] = 0.9 } } },
}
