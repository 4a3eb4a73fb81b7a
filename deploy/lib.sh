# shellcheck shell=bash
# What deploy/up, deploy/install and tests/run share. Expects `top`, the top of the tree.
: "${top:?}"

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# packages_of FILE: the package names that count on this architecture.
packages_of() {
  local arch
  arch=$(dpkg --print-architecture)
  sed -e 's/#.*//' "$1" | while read -r name only; do
    if [ -n "$name" ] && { [ -z "$only" ] || [ "$only" = "[$arch]" ]; }; then echo "$name"; fi
  done
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# need_packages FILE…: installs what is missing, or says what to do. Node.js may come from anywhere.
need_packages() {
  command -v dpkg >/dev/null || fail "this script knows Debian 12 only; on another system install what deploy/packages lists, then build with cmake"
  local missing=() name file
  for file in "$@"; do
    while read -r name; do
      is_installed "$name" || missing+=("$name")
    done < <(packages_of "$file")
  done
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  [ ${#missing[@]} -eq 0 ] && return

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      as_root=(sudo)
    else
      fail "these packages are missing, and installing them needs root:
  apt-get install -y --no-install-recommends ${missing[*]}"
    fi
  fi
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" ||
    fail "apt-get could not install: ${missing[*]}"
}

# A compile job of this code takes up to 1.5 GB: fewer jobs than cores where memory is short.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  [ "$memory" -lt 1 ] && memory=1
  [ "$memory" -lt "$cores" ] && cores=$memory
  echo "$cores"
}

# web_packages: brings src/web/node_modules to what the lock file says.
web_packages() {
  local lock=$top/src/web/package-lock.json mark=$top/src/web/node_modules/.parley-lock.json
  cmp -s "$lock" "$mark" && return
  say "Installing the packages of the web pages"
  (cd "$top/src/web" && npm ci --ignore-scripts --no-audit --no-fund) || fail "npm ci failed in src/web"
  cp "$lock" "$mark"
}

# build_web: src/web → src/web/dist, only if a source is newer.
build_web() {
  local dist=$top/src/web/dist mark=$top/build/web.built
  web_packages
  if [ -f "$mark" ] && [ -f "$dist/widget.js" ] &&
    [ -z "$(find "$top/src/web" \( -name node_modules -o -name dist \) -prune -o -type f -newer "$mark" -print -quit)" ]; then
    return
  fi
  say "Building the web pages"
  mkdir -p "$top/build"
  touch "$mark.new"
  (cd "$top/src/web" && npm run --silent build) || fail "the web pages could not be built"
  mv "$mark.new" "$mark"
}

# build_tree PRESET [TARGET…]: build/PRESET from src/cmake/cache/PRESET.cmake.
build_tree() {
  local preset=$1
  shift
  local folder=$top/build/$preset targets=()
  if [ -d "$folder" ] && [ ! -w "$folder" ]; then
    fail "$folder belongs to $(stat -c %U "$folder"), who built here before; go on as that user, or give it to you: sudo chown -R $(id -un) $top/build"
  fi
  if [ ! -f "$folder/build.ninja" ]; then
    mkdir -p "$folder"
    cmake -G Ninja -C "$top/src/cmake/cache/$preset.cmake" -S "$top" -B "$folder" >"$folder/configure.log" 2>&1 || {
      tail -n 30 "$folder/configure.log" >&2
      return 1
    }
  fi
  [ $# -gt 0 ] && targets=(--target "$@")
  cmake --build "$folder" -j "$(build_jobs)" "${targets[@]}"
}
