"""One PPO run of Stable-Baselines3, as JSON on standard output. A process of its own for each run,
so that thread counts hold from the first import on. Usage: sb3_ppo.py SETTINGS_JSON"""
import json
import os
import sys
import time

settings = json.loads(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(settings["threads"])
start = time.perf_counter()
import torch  # noqa: E402
from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.env_util import make_vec_env  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402

torch.set_num_threads(settings["threads"])
import_s = time.perf_counter() - start


class StopAtMean(BaseCallback):
    """Ends when the mean return of the last 100 training episodes reaches the goal."""

    def __init__(self, goal):
        super().__init__()
        self.goal = goal

    def _on_step(self):
        returns = [episode["r"] for episode in self.model.ep_info_buffer]
        return self.goal is None or len(returns) < 100 or sum(returns) / 100 < self.goal


def falling(value, falls):
    return (lambda left: left * value) if falls else value


ppo = settings["ppo"]
env = make_vec_env(settings["env"], n_envs=settings["envs"], seed=settings["seed"])
model = PPO(
    "MlpPolicy", env, device="cpu", seed=settings["seed"], n_steps=ppo["horizon"],
    batch_size=ppo["minibatch"], n_epochs=ppo["epochs"], gamma=ppo["gamma"],
    gae_lambda=ppo["lambda"], clip_range=falling(ppo["clip"], ppo["anneal_clip"]),
    learning_rate=falling(ppo["lr"], ppo["anneal_lr"]), ent_coef=0.0,
    policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}, "activation_fn": torch.nn.Tanh})
start = time.perf_counter()
model.learn(total_timesteps=settings["steps"], callback=StopAtMean(settings["mean_return"]))
learn_s = time.perf_counter() - start
fresh = make_vec_env(settings["env"], n_envs=20, seed=settings["seed"] + 1000003)
mean, _ = evaluate_policy(model, fresh, n_eval_episodes=100, deterministic=True)
print(json.dumps({"import_s": import_s, "learn_s": learn_s, "steps": model.num_timesteps,
                  "final_return": mean}))
