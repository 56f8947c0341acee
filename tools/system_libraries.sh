#!/bin/sh
# Sees to what Debian has and Python's packages lack: two system libraries that drawing a made-up shop needs (skia links
# against OpenGL and EGL), and, where tests must run (CI=true), the browser that they look at the search page with.
#
#     sh tools/system_libraries.sh PYTHON
#
# Nothing is installed where it is there already. On Debian as root it is installed, else named.
set -eu

python=$1
packages=""
"$python" -c "import skia" 2>/dev/null || packages="libegl1 libgl1"
if [ "${CI:-}" = true ] && ! command -v chromium >/dev/null; then
    packages="$packages chromium"
fi

if [ -z "$packages" ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
elif command -v apt-get >/dev/null; then
    echo "error: some packages of the system are needed; run: sudo apt-get install $packages" >&2
    exit 2
else
    echo "error: install what Debian calls $packages, then run this again" >&2
    exit 2
fi
"$python" -c "import skia"
