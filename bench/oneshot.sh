#!/usr/bin/env bash
# How far the ranking of networks with shared weights is that of the same networks trained alone: an
# expert on CartPole-v1, then per seed a one-shot search over 24 networks in which all of them are
# trained alone too. One row a seed: Kendall's tau of the two rankings by validation loss; how many
# of the best five with shared weights are among the best five alone; how much worse than the best
# network alone is the best of those five. A second training alone with other seeds gives the tau
# that noise allows.
#   bench/oneshot.sh BUILD_DIR [SEEDS] [STEPS]
set -euo pipefail
build=${1:?build folder}
seeds=${2:-5}
steps=${3:-200000}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
here=$(cd "$(dirname "$0")/.." && pwd)

"$build"/rltune run "$here"/configs/cartpole.lua --db "$folder/expert.db" --quiet > /dev/null
cat > "$folder/search.lua" <<END
return {
  name = "oneshot", env = "CartPole-v1", algo = "bc", device = "cpu", threads = 1,
  bc = { expert = "$folder/expert.db:1", episodes = 20, lr = 3e-3 },
  model = {
    { "dense", space.choice{ 4, 8, 16, 64 }, space.choice{ "tanh", "relu" } },
    space.choice{ { "skip" }, { "dense", 16 }, { "gru", 16 } },
  },
  stop = { steps = $steps }, eval = { episodes = 1 },
  tune = { metric = "valid_loss", mode = "min", trials = 49, parallel = 2,
           sampler = { "oneshot", retrain = 24 } },
}
END

ranks="WITH s AS (SELECT params_json AS p, value AS v FROM trials WHERE experiment = 1 AND steps = 0),
a AS (SELECT params_json AS p, value AS v FROM trials WHERE experiment = 1 AND steps > 0 AND value > 0),
b AS (SELECT params_json AS p, value AS v FROM trials WHERE experiment = 2 AND steps > 0 AND value > 0),
t AS (SELECT s.p, s.v AS shared, a.v AS alone, b.v AS again,
             rank() OVER (ORDER BY s.v) AS shared_rank, rank() OVER (ORDER BY a.v) AS alone_rank
      FROM s JOIN a USING (p) JOIN b USING (p))"
pairs="FROM t x JOIN t y ON x.p < y.p"
query="$ranks SELECT
 (SELECT printf('%.3f', avg(sign((x.shared - y.shared) * (x.alone - y.alone)))) $pairs),
 (SELECT printf('%.3f', avg(sign((x.again - y.again) * (x.alone - y.alone)))) $pairs),
 (SELECT count(*) FROM t WHERE shared_rank <= 5 AND alone_rank <= 5),
 (SELECT printf('%.4f', min(CASE WHEN shared_rank <= 5 THEN alone END) - min(alone)) FROM t),
 (SELECT printf('%.4f', min(alone)) FROM t),
 (SELECT printf('%.4f', max(alone)) FROM t), (SELECT count(*) FROM t)"
printf '%4s %10s %10s %8s %8s %8s %8s %8s\n' seed tau tau_noise top5 regret best worst networks
for seed in $(seq "$seeds"); do
  db=$folder/$seed.db
  for run in "$seed" "$((seed + 1000))"; do # the second for the noise of training alone
    "$build"/rltune run "$folder/search.lua" --db "$db" --quiet --set "seed=$run" \
      --set "bc.seed=$seed" --set "tune.seed=$run" > "$folder/log" 2>&1 || cat "$folder/log"
  done
  # shellcheck disable=SC2046
  printf '%4s %10s %10s %8s %8s %8s %8s %8s\n' "$seed" $(sqlite3 -separator ' ' "$db" "$query")
done | tee "$folder/rows"
awk '{ n++; for (i = 2; i <= 5; i++) { x[i] += $i; y[i] += $i * $i } }
     END { split("seed tau tau_noise top5 regret", name, " "); for (i = 2; i <= 5; i++) {
             m = x[i] / n; v = n > 1 ? (y[i] - n * m * m) / (n - 1) : 0
             printf "%s: mean %.3f, standard deviation %.3f\n", name[i], m, sqrt(v < 0 ? 0 : v) } }' \
  "$folder/rows"
