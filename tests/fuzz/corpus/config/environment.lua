local function observe(state) return { state[1], state[2] } end
return {
  env = {
    name = "E-v0", state_size = 2, max_episode_steps = 5, reward_threshold = 1,
    observation_space = space.box{ low = { -1, -math.huge }, high = { 1, math.huge } },
    action_space = space.box(-1, 1, 2),
    reset = function(state, random)
      state[1], state[2] = random(), random(4)
      return observe(state)
    end,
    step = function(state, action, random)
      for i, a in ipairs(action) do state[i] = state[i] + 0.1 * a end
      return observe(state), -math.abs(state[1]), state[2] > 3
    end,
  },
}
