#!/bin/sh
# Django's deployment checks and our own, with settings as an installation has them.
set -eu

python=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

"$python" -m klikvoor.newkeys > "$directory/klikvoor.env"
export KLIKVOOR_ENV_FILE="$directory/klikvoor.env"
export DEMO=0
export ORIGINS=https://chat.klikvoor.example
export DATABASE_URL="sqlite:///$directory/klikvoor.sqlite3"
export EMAIL_URL=smtp+tls://mail.klikvoor.example:587
"$python" manage.py migrate --verbosity 0
"$python" manage.py check --deploy --fail-level WARNING
