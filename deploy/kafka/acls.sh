#!/bin/sh
# Gives each principal exactly the rights on Kafka that it needs. Safe to run again.
#
#   BOOTSTRAP=kafka:9093 COMMAND_CONFIG=admin.properties sh deploy/kafka/acls.sh
#
# Needs kafka-acls.sh of Kafka's own tools on the PATH, and brokers with an authorizer that denies what is not granted.
# A right to Read or Write implies Describe.
set -eu

: "${BOOTSTRAP:?host:port of a broker}"
COMMAND_CONFIG=${COMMAND_CONFIG:-}
PREFIX=${PREFIX:-} # BADGES_KAFKA_PREFIX
API=${API:-User:badges-api}
WORKER=${WORKER:-User:badges-worker}
OPERATOR=${OPERATOR:-User:badges-operator}
UPSTREAM=${UPSTREAM:-User:upstream}
DOWNSTREAM=${DOWNSTREAM:-User:downstream}
DOWNSTREAM_GROUP=${DOWNSTREAM_GROUP:-downstream}

requests="${PREFIX}award_requests"
awarded="${PREFIX}badge_awarded"
outcomes="${PREFIX}award_outcomes"
dead_letters="${PREFIX}award_requests_dlq"
marker="${PREFIX}badges_relay_marker"
workers="${PREFIX}badges-award-worker"
relay="${PREFIX}badges-relay" # a group, and a transactional id

allow() {
  kafka-acls.sh --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \
    --add --force --allow-principal "$@"
}

# The gateway asks for awards and hears the answers. It has no consumer group.
allow "$API" --operation Write --topic "$requests"
allow "$API" --operation Read --topic "$outcomes"

# The worker reads requests and answers.
allow "$WORKER" --operation Read --topic "$requests" --group "$workers"
allow "$WORKER" --operation Write --topic "$outcomes"
# Its relay publishes, and keeps its place on the marker, in one transaction.
allow "$WORKER" --operation Write --topic "$awarded" --topic "$dead_letters"
allow "$WORKER" --operation Read --topic "$marker" --group "$relay"
allow "$WORKER" --operation Write --transactional-id "$relay"

# badgectl: topics, events, dlq, replay, import, verify, lag, explain, doctor. It joins no group and changes no offset.
allow "$OPERATOR" --operation Create --operation Describe --operation DescribeConfigs \
  --topic "$requests" --topic "$awarded" --topic "$outcomes" --topic "$dead_letters" --topic "$marker"
allow "$OPERATOR" --operation Read --operation Write --topic "$requests" --topic "$awarded"
allow "$OPERATOR" --operation Read --topic "$outcomes" --topic "$dead_letters"
allow "$OPERATOR" --operation Describe --group "$workers" --group "$relay"
allow "$OPERATOR" --operation Describe --operation DescribeConfigs --cluster
# doctor: are the offsets and the transactions of everybody kept well?
allow "$OPERATOR" --operation Describe --operation DescribeConfigs --topic __consumer_offsets --topic __transaction_state

# A service that asks for awards without HTTP.
allow "$UPSTREAM" --operation Write --topic "$requests"

# A service that hears of awards.
allow "$DOWNSTREAM" --operation Read --topic "$awarded" --group "$DOWNSTREAM_GROUP"
