-- A custom environment with masked multi-discrete actions: four orders wait, each of a colour, and
-- three machines hold a tool of a colour each. An action is { order, machine }, both counted from 0.
-- An order done by a machine of its colour pays 1; any other makes the machine change its tool.
-- Orders that are done and machines that were used are forbidden until the round of three is over.
-- Random allowed actions earn 8.1 of 24, any matching pair while there is one 17.4.
local colours, orders, machines, rounds = 3, 4, 3, 8

-- The state: the orders' colours (0: done), the machines' tools, whether each was used (0 or 1), the
-- number of steps.
local function tool(m) return orders + m end
local function used(m) return orders + machines + m end
local steps = orders + 2 * machines + 1

local function observe(state)
  local seen = {}
  for i = 1, orders do
    seen[i] = state[i]
  end
  for m = 1, machines do
    seen[orders + m] = state[used(m)] == 1 and 0 or state[tool(m)]
  end
  return seen
end

local function begin_round(state, random)
  for i = 1, orders do
    state[i] = state[i] > 0 and state[i] or 1 + random(colours)
  end
  for m = 1, machines do
    state[used(m)] = 0
  end
end

return {
  name = "workshop",
  env = {
    name = "Workshop-v0",
    observation_space = space.multi_discrete{ 4, 4, 4, 4, 4, 4, 4 },
    action_space = space.multi_discrete{ orders, machines },
    max_episode_steps = 0,
    reward_threshold = 17,
    state_size = steps,
    reset = function(state, random)
      for m = 1, machines do
        state[tool(m)] = m
      end
      begin_round(state, random)
      return observe(state)
    end,
    step = function(state, action, random)
      local order, machine = action[1] + 1, action[2] + 1
      local reward = state[order] == state[tool(machine)] and 1 or 0
      state[tool(machine)] = state[order]
      state[order] = 0
      state[used(machine)] = 1
      state[steps] = state[steps] + 1
      if state[steps] % machines == 0 then
        begin_round(state, random)
      end
      return observe(state), reward, state[steps] == rounds * machines
    end,
    action_mask = function(state)
      local waiting, free = {}, {}
      for i = 1, orders do
        waiting[i] = state[i] > 0
      end
      for m = 1, machines do
        free[m] = state[used(m)] == 0
      end
      return { waiting, free }
    end,
  },
  device = "cpu",
  envs_per_worker = 32,
  ppo = {
    lr = 5e-3, horizon = 48, minibatch = 256, epochs = 4, gamma = 0.8, lambda = 0.8,
    ent_coef = 0.01,
  },
  model = { hidden = { 64, 64 } },
  stop = { steps = 300000 },
  eval = { episodes = 200 },
}
