#!/usr/bin/env bash
# What it brings that a child of an evolution starts from its parent's weights: the same search with
# and without, at equal steps, over seeds. One row a search: the best trial, the mean of the second
# half of all trials, how many trials reached the goal and which was the first, and what the winner's
# network gives when it is trained from scratch.
#   bench/inherit.sh BUILD_DIR [SEEDS] [CONFIG GOAL [MORE --set ARGUMENTS...]]
set -euo pipefail
build=${1:?build folder}
seeds=${2:-5}
config=${3:-configs/cartpole_architecture.lua}
goal=${4:-475}
shift $(($# < 4 ? $# : 4))
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

query="WITH s AS (SELECT * FROM trials WHERE role = 'search')
SELECT printf('%.1f', max(value)),
       printf('%.1f', (SELECT avg(value) FROM s WHERE 2 * number >= (SELECT count(*) FROM s))),
       sum(value >= $goal), coalesce((SELECT min(number) FROM s WHERE value >= $goal), '-'),
       printf('%.1f', (SELECT avg(value) FROM trials WHERE role = 'final')),
       sum(steps)
FROM s"
printf '%-8s %4s %8s %12s %8s %6s %13s %9s\n' inherit seed best second_half at_goal first \
  from_scratch steps
for inherit in true false; do
  for seed in $(seq "$seeds"); do
    db=$folder/$inherit-$seed.db
    "$build"/rltune run "$config" --db "$db" --quiet --set "seed=$seed" --set "tune.seed=$seed" \
      --set "tune.sampler.inherit=$inherit" "$@" > "$folder/log" 2>&1 || cat "$folder/log"
    row=$(sqlite3 -separator ' ' "$db" "$query")
    # shellcheck disable=SC2086
    printf '%-8s %4s %8s %12s %8s %6s %13s %9s\n' $inherit $seed $row
  done
done | tee "$folder/rows"
awk '{ n[$1]++; for (i = 3; i <= 7; i++) { x[$1, i] += $i; y[$1, i] += $i * $i } }
     END { for (k in n) for (i = 3; i <= 7; i++) if (i != 6) {
             m = x[k, i] / n[k]; v = n[k] > 1 ? (y[k, i] - n[k] * m * m) / (n[k] - 1) : 0
             printf "inherit=%s column %d: mean %.1f, standard deviation %.1f\n", k, i, m, sqrt(v < 0 ? 0 : v) } }' \
  "$folder/rows"
