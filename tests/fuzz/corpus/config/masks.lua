return {
  env = {
    name = "M-v0", state_size = 1,
    observation_space = space.multi_discrete{ 2, 3 },
    action_space = space.multi_discrete{ 3, 2 },
    reset = function(state, random) state[1] = random(2) return { state[1], 0 } end,
    step = function(state, action) return { state[1], action[1] }, action[2], false end,
    action_mask = function(state) return { { true, state[1] > 0, true }, { true, true } } end,
  },
}
