#!/usr/bin/env bash
# Does it learn, from how many seeds, how fast: trains each configuration from several seeds through
# the real program and prints a row for each configuration.
# Usage: bench/learn.sh [--seeds N] [--rltune FILE] [CONFIG.lua ...]
# A return is the mean over the fresh evaluation episodes that the configuration asks for (100 or
# more), with the most likely actions, after the last step. Seconds are of the whole `rltune run`,
# from its start to its exit. A row passes when every seed reaches the goal.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=5
rltune=build/rltune
configs=()
while [ $# -gt 0 ]; do
    case $1 in
    --seeds) seeds=$2; shift 2 ;;
    --rltune) rltune=$2; shift 2 ;;
    *) configs+=("$1"); shift ;;
    esac
done
if [ ! -x "$rltune" ]; then
    echo "learn.sh: no $rltune; build it with 'cmake --preset release && cmake --build --preset" \
        "release', or name one with --rltune" >&2
    exit 2
fi
if [ ${#configs[@]} -eq 0 ]; then
    configs=(configs/{cartpole,acrobot,pendulum,mountain_car,mountain_car_continuous,frozen_lake,taxi,blackjack}.lua)
fi

# The goals: Gymnasium's reward thresholds; Pendulum and Blackjack have none there (Workshop is our
# own, configs/workshop.lua), and that of Taxi (8) is above what the best policy earns (7.93).
declare -A goals=([CartPole-v1]=475 [Acrobot-v1]=-100 [Pendulum-v1]=-200 [MountainCar-v0]=-110
    [MountainCarContinuous-v0]=90 [FrozenLake-v1]=0.7 [Taxi-v3]=7.7 [Blackjack-v1]=-0.06
    [workshop]=17 [StatelessCartPole-v0]=475 [MinAtar/Breakout-v1]=10)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
db=$folder/learn.db

# Trains from one seed; prints seconds, steps and return.
train() {
    local config=$1 seed=$2 start=$EPOCHREALTIME end steps
    "$rltune" run "$config" --set seed="$seed" --db "$db" --quiet --json > "$folder/run.json" 2> "$folder/log" || {
        cat "$folder/log" >&2
        exit 1
    }
    end=$EPOCHREALTIME
    steps=$("$rltune" export last --db "$db" | awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
        NR == 2 { print $at["steps"] }')
    awk -v from="$start" -v to="$end" -v steps="$steps" -F'[:, ]+' '
        /"final_eval_return"/ { printf "%.2f %d %s\n", to - from, steps, $3 }' "$folder/run.json"
}

row() {
    local config=$1 env goal
    env=$("$rltune" run "$config" --dry-run --json 2> "$folder/log" | sed -n 's/^ *"env": "\(.*\)",$/\1/p')
    env=${env:-$(basename "$config" .lua)} # an environment of the script's own
    goal=${goals[$env]:?learn.sh: no goal for $env}
    for ((seed = 1; seed <= seeds; seed++)); do train "$config" "$seed"; done | awk \
        -v config="$config" -v env="$env" -v goal="$goal" '
        function text(x) { return sprintf(x < 1 && x > -1 ? "%.3f" : "%.1f", x) }
        {
            n++; seconds += $1; slowest = $1 > slowest ? $1 : slowest; steps = $2
            sum += $3; squares += $3 * $3; reached += $3 >= goal
            low = n == 1 || $3 < low ? $3 : low
            each = each (n > 1 ? ", " : "") text($3)
        }
        END {
            mean = sum / n; variance = n > 1 ? (squares - sum * mean) / (n - 1) : 0
            printf "| %s | %s | %s | %d | %.2f (at most %.2f) | %s | %s ± %s | %d of %d |\n", config,
                env, goal, steps, seconds / n, slowest, each, text(mean),
                text(sqrt(variance > 0 ? variance : 0)), reached, n
        }'
}

"$rltune" version
"$rltune" doctor | head -n 1
echo "load average before: $(cut -d' ' -f1-3 /proc/loadavg)"
echo
echo "| configuration | environment | goal | steps | seconds | return of each seed | mean ± deviation | reached |"
echo "|---|---|--:|--:|--:|---|--:|--:|"
for config in "${configs[@]}"; do row "$config"; done
echo
echo "load average after: $(cut -d' ' -f1-3 /proc/loadavg)"
