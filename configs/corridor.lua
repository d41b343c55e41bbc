-- A custom environment: a corridor of `length` cells, walked left (0) or right (1) from its start.
-- The goal at the far end pays 1, each step costs 0.01. Whatever an environment must remember goes
-- into `state`, so that a resumed run goes on bit for bit.
local length = 10

local function observe(state)
  return { state[1] / length }
end

return {
  name = "corridor",
  env = {
    name = "Corridor-v0",
    observation_space = space.box(0, 1),
    action_space = space.discrete(2),
    max_episode_steps = 100,
    reward_threshold = 0.9,
    state_size = 1,
    reset = function(state, random)
      state[1] = random(3)
      return observe(state)
    end,
    step = function(state, action, random)
      local slips = random() < 0.05
      if not slips then
        state[1] = math.max(0, state[1] + (action == 1 and 1 or -1))
      end
      local arrived = state[1] >= length
      return observe(state), arrived and 1 or -0.01, arrived
    end,
  },
  device = "cpu",
  envs_per_worker = 8,
  ppo = { lr = 2e-3, horizon = 64, minibatch = 128, epochs = 4, gamma = 0.99 },
  model = { hidden = { 16, 16 } },
  stop = { steps = 20000 },
  eval = { episodes = 20 },
}
