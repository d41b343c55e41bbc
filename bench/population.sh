#!/usr/bin/env bash
# Early stopping and populations against random search at equal environment steps: PPO on Acrobot-v1
# (bench/population.lua), each method over several seeds through the real program.
# Usage: bench/population.sh [--seeds N] [--rltune FILE] [--trials N] [--steps N]
# Random search and the populations train N trials of --steps each; asha and hyperband start trials until
# all of them together have taken as many steps. A return is the mean of 200 fresh episodes, most
# likely actions, of the trial that is best by its own 20 evaluation episodes at its last step. `gain`
# is against random search with the same seed, which draws the same first N configurations: mean and
# standard deviation over seeds, and on how many seeds it is better and worse (the rest are ties: the same
# configuration won).
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=5
trials=8
steps=65536
rltune=build/rltune
while [ $# -gt 0 ]; do
    case $1 in
    --seeds) seeds=$2; shift 2 ;;
    --trials) trials=$2; shift 2 ;;
    --steps) steps=$2; shift 2 ;;
    --rltune) rltune=$2; shift 2 ;;
    *) echo "population.sh: unknown option $1" >&2; exit 2 ;;
    esac
done
if [ ! -x "$rltune" ]; then
    echo "population.sh: no $rltune; build it, or name one with --rltune" >&2
    exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
budget=$((trials * steps))
grace=$((steps / 16))

# Prints the winner's return and the steps of all trials.
search() {
    local method=$1 seed=$2 db=$folder/$1-$2.db
    local -a options=(--set seed="$seed" --set tune.seed="$seed" --set tune.trials="$trials"
        --set stop.steps="$steps")
    case $method in
    random) ;;
    asha | hyperband)
        options+=(--set tune.trials=$((trials * 27)) --set tune.budget.steps=$budget
            --set "tune.stopper={\"name\":\"$method\",\"grace\":$grace,\"reduction\":3}") ;;
    *-synch)
        options+=(--set "tune.stopper={\"name\":\"${method%-synch}\",\"perturbation_interval\":$grace,\"synch\":true}") ;;
    *) options+=(--set "tune.stopper={\"name\":\"$method\",\"perturbation_interval\":$grace}") ;;
    esac
    "$rltune" run bench/population.lua "${options[@]}" --db "$db" --quiet > "$folder/log" 2>&1 || {
        cat "$folder/log" >&2
        exit 1
    }
    "$rltune" eval last --episodes 200 --seed 1000 --json --db "$db" > "$folder/eval.json"
    "$rltune" export last --db "$db" > "$folder/trials.csv"
    awk -F'[:, ]+' '/"mean"/ { printf "%s ", $3; exit }' "$folder/eval.json"
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
        NR > 1 { steps += $at["steps"] } END { print steps }' "$folder/trials.csv"
}

methods=(random asha hyperband pbt pbt-synch pb2 pb2-synch)
for method in "${methods[@]}"; do
    for ((seed = 1; seed <= seeds; seed++)); do
        result=$(search "$method" "$seed")
        echo "$method $seed $result"
    done
done > "$folder/all"

echo "| method | steps a run, mean | return of each seed | mean ± deviation | gain over random | better, worse |"
echo "|---|--:|---|--:|--:|--:|"
awk '{ value[$1, $2] = $3; steps[$1] += $4; n[$1]++; if (!($1 in seen)) { seen[$1] = 1; order[++m] = $1 } }
    END {
        for (k = 1; k <= m; k++) {
            name = order[k]; sum = square = gain = gains = better = worse = 0; list = ""
            for (s = 1; s <= n[name]; s++) {
                x = value[name, s]; d = x - value["random", s]
                sum += x; square += x * x; gain += d; gains += d * d; better += d > 0; worse += d < 0
                list = list (s > 1 ? ", " : "") sprintf("%.1f", x)
            }
            c = n[name]; mean = sum / c; g = gain / c
            sd = c > 1 ? sqrt((square - c * mean * mean) / (c - 1)) : 0
            gsd = c > 1 ? sqrt((gains - c * g * g) / (c - 1)) : 0
            printf "| %s | %d | %s | %.1f ± %.1f |", name, steps[name] / c, (c > 10 ? "" : list), mean, sd
            if (name == "random") printf " | |\n"
            else printf " %.1f ± %.1f | %d, %d of %d |\n", g, gsd, better, worse, c
        }
    }' "$folder/all"
