#!/bin/sh
# Writes into .env by which address b and c join: that of a, with the peer ID that a gets now.
set -eu
cd "$(dirname "$0")"
compose=${COMPOSE:-docker compose}
id=$($compose run --rm --no-deps -T a ipfs id | sed -n 1p)
grep -sv '^BOOTSTRAPPERS=' .env >.env.new || true
echo "BOOTSTRAPPERS=/dns4/a/tcp/4619/p2p/$id" >>.env.new
mv .env.new .env
echo "b and c join a, which is $id"
