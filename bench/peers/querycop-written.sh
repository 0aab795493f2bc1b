#!/bin/sh
# Querycop with a policy of 50 rules and an audit log: with the operating system before the client goes on (the default).
set -eu
. "${0%/*}/overseen.sh"
overseen written "$1"
