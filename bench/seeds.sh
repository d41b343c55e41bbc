#!/usr/bin/env bash
# What several seeds for each configuration (tune.seeds) and a race are worth in training, at equal
# steps: PPO on CartPole-v1 with 6,144 steps a trial, random search, the steps of 60 trials in all. A
# row: the searches' best result as they report it, what fresh seeds of that configuration then give
# (mean and standard deviation over searches), and how many steps were taken.
#   bench/seeds.sh BUILD_DIR [SEARCHES]
set -euo pipefail
build=${1:?build folder}
searches=${2:-30}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/search.lua" <<'END'
return {
  name = "cart", env = "CartPole-v1", device = "cpu", workers = 0, threads = 1, seed = 1,
  ppo = { lr = space.loguniform(1e-4, 1e-1), epochs = space.randint(1, 20), horizon = 32,
    gamma = space.choice{ 0.9, 0.98, 0.99, 0.999 }, lambda = space.uniform(0.8, 1) },
  model = { hidden = { 32 } },
  stop = { steps = 6144 }, eval = { episodes = 5 },
  tune = { metric = "eval_return", trials = 1000, parallel = 2, sampler = "random",
    budget = { steps = 60 * 6144 }, final = { seeds = 10, episodes = 20 } },
}
END
query="SELECT (SELECT value FROM configurations WHERE rank = 1),
  (SELECT avg(value) FROM trials WHERE role = 'final'),
  (SELECT sum(steps) FROM trials WHERE role = 'search')"
printf '%-24s %9s %9s %9s %9s\n' search reported fresh deviation steps
for tune in '1 seed' 'seeds=3' 'seeds=5 race=true' 'seeds=5 race={"start":3}'; do
  for seed in $(seq "$searches"); do
    arguments=()
    for one in $tune; do
      [[ $one == *=* ]] && arguments+=(--set "tune.$one")
    done
    db=$folder/one.db
    rm -rf "$db"*
    "$build"/rltune run "$folder/search.lua" --db "$db" --quiet --set "seed=$((seed * 1000))" \
      --set "tune.seed=$seed" "${arguments[@]}" > "$folder/log" 2>&1 || cat "$folder/log" >&2
    sqlite3 -separator ' ' "$db" "$query"
  done | awk -v name="$tune" '
    { a += $1; b += $2; c += $2 * $2; d += $3 }
    END { v = NR > 1 ? (c - b * b / NR) / (NR - 1) : 0
          printf "%-24s %9.1f %9.1f %9.1f %9d\n", name, a / NR, b / NR, sqrt(v < 0 ? 0 : v), d / NR }'
done
