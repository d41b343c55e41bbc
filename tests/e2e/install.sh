#!/usr/bin/env bash
# Installs a finished build into a temporary prefix: the binary, its manual page and the completions
# are there, and the installed binary starts learners and workers of its own.
set -euo pipefail
build=$(cd "$1" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cmake --install "$build" --prefix "$folder/usr" > "$folder/log" || { cat "$folder/log"; exit 1; }
for file in bin/rltune share/man/man1/rltune.1 share/bash-completion/completions/rltune \
    share/zsh/site-functions/_rltune share/fish/vendor_completions.d/rltune.fish; do
    [ -s "$folder/usr/$file" ] || { echo "install: $file is missing or empty"; exit 1; }
done
grep -q '^\.TH' "$folder/usr/share/man/man1/rltune.1"
bash -n "$folder/usr/share/bash-completion/completions/rltune"

cd "$folder"
export PATH="$folder/usr/bin:$PATH"
rltune version
cat > run.lua << 'END'
return { env = "CartPole-v1", workers = 1, stop = { steps = 2048 }, eval = { episodes = 2 } }
END
rltune run run.lua --quiet --json | grep -q '"failed": 0'
echo "install: complete, and runs"
