#!/bin/sh
# Install the servers that tests run against: PostgreSQL, MariaDB and RabbitMQ. The tests start instances of their own.
# On Debian and Ubuntu it installs what is missing where it is root, without starting the system's services;
# otherwise it says what is missing, and the tests that need it are skipped.
set -eu

policy=/usr/sbin/policy-rc.d

there() {
    PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null
}

missing=""
set -- /usr/lib/postgresql/*/bin/postgres
[ -x "$1" ] || there postgres || missing="postgresql"
there mariadbd || missing="$missing mariadb-server"
there rabbitmq-server || missing="$missing rabbitmq-server"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "test servers: the tests that need them are skipped; on Debian: sudo apt-get install$(printf ' %s' $missing)" >&2
    exit 0
fi

echo "test servers: installing$(printf ' %s' $missing) (a minute or two)" >&2
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086  # one word a package
apt-get install -qq -y --no-install-recommends $missing >/dev/null
