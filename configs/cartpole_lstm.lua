-- CartPole without velocities: a policy with memory works them out from what it saw before.
return {
  name = "cartpole-lstm",
  env = "StatelessCartPole-v0",
  envs_per_worker = 32,
  ppo = {
    lr = 3e-3, horizon = 64, minibatch = 512, epochs = 6, gamma = 0.99, lambda = 0.95,
  },
  model = { { "dense", 32, "tanh" }, { "lstm", 32 } },
  normalise = { reward = true }, -- actor and critic share their layers: values of order 1
  stop = { steps = 200000 },
  eval = { episodes = 100 },
}
