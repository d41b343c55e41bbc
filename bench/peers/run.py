#!/usr/bin/env python3
"""rltune beside Stable-Baselines3, CleanRL, Optuna and Gymnasium; prints Markdown. See README.md here."""
import argparse
import os
import tempfile

import pairs


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(root, "build"),
                        help="the Release build to measure (default: build)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument("--only", choices=["ppo", "tuning", "stepping"], action="append",
                        help="a part; may be given several times (default: all)")
    parser.add_argument("--cleanrl", metavar="FOLDER",
                        help="a checkout of CleanRL, to be compared too (default: left out)")
    arguments = parser.parse_args()
    rltune = os.path.join(arguments.build, "rltune")
    bench = os.path.join(arguments.build, "bench")
    for program in [rltune] + [os.path.join(bench, name)
                               for name in ("tuner_bench", "replay_bench", "env_bench")]:
        if not os.access(program, os.X_OK):
            parser.error(f"{program} is missing; build it, or name another build with --build")
    parts = arguments.only or ["stepping", "tuning", "ppo"]
    pairs.print_machine(rltune)
    with tempfile.TemporaryDirectory() as folder:
        if "stepping" in parts:
            import stepping
            stepping.main(bench, arguments.pairs)
        if "tuning" in parts:
            import tuning
            tuning.main(bench, folder, arguments.pairs)
        if "ppo" in parts:
            import ppo
            ppo.main(rltune, folder, arguments.pairs)
            if arguments.cleanrl:
                import cleanrl
                cleanrl.main(rltune, folder, arguments.cleanrl, arguments.pairs)


if __name__ == "__main__":
    main()
