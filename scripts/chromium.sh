#!/bin/sh
# Browser tests drive Debian's Chromium. Install it where we may; say so where we may not.
set -eu

if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "No Chromium here, so browser tests are skipped. On Debian: apt install chromium" >&2
    exit 0
fi

echo "Installing Chromium for the browser tests"
export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends chromium >/dev/null
}
# Lists of packages may be missing or old; then fetch them and try once more.
install 2>/dev/null || { apt-get -qq -o DPkg::Lock::Timeout=300 update && install; } ||
    echo "Chromium could not be installed, so browser tests are skipped" >&2
