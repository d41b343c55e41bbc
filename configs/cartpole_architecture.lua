-- Evolution over architectures on CartPole-v1: widths, activations, the kind of cell, and how many
-- layers there are. Trials are short; a child starts from its parent's weights. The best network is
-- trained again from scratch, and longer trials would be needed for that to solve the task.
return {
  name = "cartpole-architecture",
  env = "CartPole-v1",
  device = "cpu",
  envs_per_worker = 16,
  threads = 1,
  seed = 1,
  model = {
    { "dense", space.choice{ 16, 32, 64 }, space.choice{ "tanh", "relu", "silu" } },
    space.choice{ { "skip" }, { "dense", 32 }, { "gru", 32 }, { "lstm", 32 } },
    function(p) -- a wide first layer may be followed by a narrow one
      if p.model.layers[1].units == 64 then
        return space.choice{ { "skip" }, { "dense", 16, "tanh" } }
      end
      return { "skip" }
    end,
  },
  normalise = { reward = true },
  ppo = { lr = 2e-3, horizon = 64, minibatch = 128, epochs = 4, lambda = 0.9 },
  stop = { steps = 8192 },
  eval = { episodes = 20 },
  tune = {
    metric = "eval_return",
    trials = 48,
    parallel = 2,
    sampler = { "evolution", population = 12, sample = 4, inherit = true },
    final = { seeds = 1, episodes = 20 },
  },
}
