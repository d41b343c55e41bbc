"""A program that knows nothing of rltune: gradient descent on a curved valley. Prints a line of JSON
every ten steps and ends early, with its state saved, when it is asked to (SIGTERM)."""
import argparse
import json
import math
import signal
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, required=True)
parser.add_argument("--momentum", type=float, default=0.0)
parser.add_argument("--steps", type=int, default=200)
arguments = parser.parse_args()
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))

x, y, vx, vy = -1.0, 1.5, 0.0, 0.0
for step in range(1, arguments.steps + 1):
    slope_x, slope_y = 2 * (x - 1) - 20 * x * (y - x * x), 10 * (y - x * x)
    vx, vy = arguments.momentum * vx - slope_x, arguments.momentum * vy - slope_y
    x, y = x + arguments.rate * vx, y + arguments.rate * vy
    loss = (x - 1) ** 2 + 5 * (y - x * x) ** 2
    if not math.isfinite(loss) or loss > 1e6:
        sys.exit("the loss is out of hand: a smaller --rate is needed")
    if step % 10 == 0:
        print(json.dumps({"step": step, "loss": loss}), flush=True)
