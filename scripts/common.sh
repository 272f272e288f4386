# Sourced by the scripts, from the root of the checkout.

# Prints a Python that is new enough: $PYTHON, else the first that fits on the PATH.
find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "No Python 3.11 or newer found: install one, or set PYTHON to its path." >&2
    return 1
}

# Makes the environment of kind $1 (runtime, dev) if need be and prints its folder of commands.
prepare() {
    python=$(find_python) || return 1
    "$python" scripts/environment.py "$1"
}

# Prints the command $1 of the environment in use, the active one or .venv. Makes nothing.
installed() {
    for folder in ${VIRTUAL_ENV:+"$VIRTUAL_ENV/bin"} .venv/bin; do
        if [ -x "$folder/$1" ]; then
            echo "$folder/$1"
            return
        fi
    done
    echo "There is no $1 in .venv: run scripts/test --fast first, it installs it." >&2
    return 1
}
