#!/bin/sh
# Querycop with a policy of 50 rules and an audit log: on disk before the client goes on.
set -eu
. "${0%/*}/overseen.sh"
overseen synced "$1"
