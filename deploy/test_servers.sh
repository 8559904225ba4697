#!/bin/sh
# Install the servers that tests run against: PostgreSQL, MariaDB and RabbitMQ. The tests start instances of their own.
# On Debian and Ubuntu it installs what is missing where it is root, without starting the system's services;
# otherwise it says what is missing, and the tests that need it are skipped.
set -eu

policy=/usr/sbin/policy-rc.d
packages=""

there() {
    PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null
}

install() {
    # shellcheck disable=SC2086  # one word a package
    apt-get update -qq && apt-get install -qq -y --no-install-recommends $packages >/dev/null
}

set -- /usr/lib/postgresql/*/bin/postgres
[ -x "$1" ] || there postgres || packages="$packages postgresql"
there mariadbd || packages="$packages mariadb-server"
there rabbitmq-server || packages="$packages rabbitmq-server"
[ -n "$packages" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "test servers: tests that need them are skipped; on Debian: sudo apt-get install$packages" >&2
    exit 0
fi

echo "test servers: installing$packages (a minute or two)" >&2
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
install || echo "test servers: this failed; tests that need them are skipped" >&2
