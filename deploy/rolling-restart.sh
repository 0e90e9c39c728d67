#!/bin/sh
# Restart every serving process of this machine, one after the other, and then the jobs.
#
#     deploy/rolling-restart.sh            # all klikvoor@PORT.service that run, or try to
#     deploy/rolling-restart.sh 8001 8002  # these
#
# A process is only stopped while another one is ready, and the next one only after this one is ready
# again. One that does not come up ends the script: the others go on with what they run. People keep
# talking: each window is told when to come back, and finds another process. Those that are not ready
# come first: after a version that did not come up, the way back must not begin with who still serves.
set -eu

ready=${READY:-/healthz/ready}
jobs=${JOBS:-8090} # the port in klikvoor-jobs.service
patience=${PATIENCE:-60}
systemctl=${SYSTEMCTL:-systemctl}

say() { printf '%s\n' "$*" >&2; }

is_ready() {
    curl --silent --fail --max-time 3 --output /dev/null "http://127.0.0.1:$1$ready"
}

# One that ends at every start is `activating` for most of the time.
running() {
    "$systemctl" list-units --plain --no-legend --state=active,activating "$1"
}

becomes_ready() {
    left=$patience
    until is_ready "$1"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 1
    done
}

command -v curl >/dev/null || { say "This needs curl. On Debian: apt install curl"; exit 2; }

if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046  # one word for each port
    set -- $(running 'klikvoor@*.service' |
        sed -n 's/^ *klikvoor@\([0-9][0-9]*\)\.service .*/\1/p')
fi
[ $# -gt 0 ] || { say "No klikvoor@PORT.service is active."; exit 2; }

well=
ill=
for port in "$@"; do
    if is_ready "$port"; then well="$well $port"; else ill="$ill $port"; fi
done
# shellcheck disable=SC2086  # one word for each port
set -- $ill $well

for port in "$@"; do
    other=
    for one in "$@"; do
        if [ "$one" != "$port" ] && is_ready "$one"; then other=$one; fi
    done
    if [ $# -gt 1 ] && [ -z "$other" ]; then
        say "No other process is ready, so $port stays as it is."
        exit 1
    fi
    say "Restarting $port"
    "$systemctl" restart "klikvoor@$port.service"
    if ! becomes_ready "$port"; then
        say "$port is not ready after $patience seconds; the rest was left alone."
        say "journalctl --unit klikvoor@$port says why."
        exit 1
    fi
done

if [ -n "$(running klikvoor-jobs.service)" ]; then
    say "Restarting the jobs"
    "$systemctl" restart klikvoor-jobs.service
    if ! becomes_ready "$jobs"; then
        say "The jobs are not ready after $patience seconds: no mail goes out, and nobody is asked to open."
        say "journalctl --unit klikvoor-jobs says why."
        exit 1
    fi
fi
say "Done."
