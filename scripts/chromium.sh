#!/bin/sh
# Browser tests drive Debian's Chromium: its headless shell, which asks a third less of the machine,
# or the whole of it. Install it where we may; say so where we may not.
set -eu

for name in chromium-headless-shell chromium chromium-browser; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "No Chromium here, so browser tests are skipped. On Debian: apt install chromium-headless-shell" >&2
    exit 0
fi

echo "Installing Chromium for the browser tests"
export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$1" >/dev/null
}
# Lists of packages may be missing or old; then fetch them and try once more.
install chromium-headless-shell 2>/dev/null ||
    { apt-get -qq -o DPkg::Lock::Timeout=300 update &&
        { install chromium-headless-shell 2>/dev/null || install chromium; }; } ||
    echo "Chromium could not be installed, so browser tests are skipped" >&2
