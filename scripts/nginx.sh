#!/bin/sh
# Tests of deploy/nginx/ need nginx. Install it where we may; say so where we may not.
set -eu

if command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "No nginx here, so its tests are skipped. On Debian: apt install nginx-light" >&2
    exit 0
fi

echo "Installing nginx for the tests of deploy/"
export DEBIAN_FRONTEND=noninteractive
install() {
    # It may be started by whoever wants it; the tests run their own.
    RUNLEVEL=1 apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends nginx-light >/dev/null
}
# Lists of packages may be missing or old; then fetch them and try once more.
install 2>/dev/null || { apt-get -qq -o DPkg::Lock::Timeout=300 update && install; } ||
    echo "nginx could not be installed, so its tests are skipped" >&2
