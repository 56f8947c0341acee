#!/bin/sh
# Sees to the two system libraries that drawing a made-up shop needs (skia links against OpenGL and EGL).
#
#     sh tools/system_libraries.sh PYTHON
#
# Nothing is installed where they are there already. On Debian as root they are installed, else named.
set -eu

python=$1
packages="libegl1 libgl1"

if "$python" -c "import skia" 2>/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq $packages
elif command -v apt-get >/dev/null; then
    echo "error: drawing needs two system libraries; run: sudo apt-get install $packages" >&2
    exit 2
else
    echo "error: drawing needs the system libraries libGL.so.1 and libEGL.so.1; install them, then run this again" >&2
    exit 2
fi
"$python" -c "import skia"
