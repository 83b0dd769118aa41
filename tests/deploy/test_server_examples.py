"""The examples of Kafka and Postgres keep what our delivery needs of them."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from deploy.manifests import (
    CLOUDNATIVE_PG,
    PRODUCTION,
    STRIMZI,
    Manifest,
    documents,
    environment,
    of_kind,
    our_workloads,
    the,
    workload_named,
    written,
)
from devstack.kafka import server_properties
from messaging.topics import Topics, new_topics
from storage.rights import RIGHTS

ACLS = Path(__file__).parents[2] / "deploy" / "kafka" / "acls.sh"
FAULTLESS = re.compile(r"4\.[0-2]\.\d+")
"""4.3.0 to 4.4.0 lose transaction markers."""

KINDS = {"--topic": "topic", "--group": "group", "--transactional-id": "transactionalId", "--cluster": "cluster"}


def test_kafka_is_of_a_release_that_keeps_transaction_markers(development: Sequence[Manifest]) -> None:
    assert FAULTLESS.fullmatch(_kafka()["version"])
    image = workload_named(development, "kafka").container["image"]
    assert FAULTLESS.fullmatch(image.removeprefix("apache/kafka:"))


def test_kafka_keeps_what_it_acknowledged() -> None:
    config = _kafka()["config"]
    assert (config["default.replication.factor"], config["min.insync.replicas"]) == (3, 2)
    assert (config["transaction.state.log.replication.factor"], config["transaction.state.log.min.isr"]) == (3, 2)
    assert config["offsets.topic.replication.factor"] == 3
    assert config["unclean.leader.election.enable"] is False


def test_kafka_has_the_settings_of_the_embedded_one(development: Sequence[Manifest]) -> None:
    tested = server_properties(port=1, controller_port=2)
    container = environment(development, workload_named(development, "kafka"))
    for name in (
        "auto.create.topics.enable",
        "offsets.retention.minutes",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
    ):
        assert str(_kafka()["config"][name]).lower() == tested[name]
        assert container[f"KAFKA_{name.upper().replace('.', '_')}"] == tested[name]


def test_the_pods_of_kafka_are_admitted_by_the_namespace() -> None:
    (namespace,) = documents(PRODUCTION / "namespace.yaml")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    operators = the(written(STRIMZI), "Kafka", "badges-kafka")["spec"]["entityOperator"]
    containers = {**_kafka()["template"], **operators["template"]}
    assert containers.keys() == {"kafkaContainer", "topicOperatorContainer", "userOperatorContainer"}
    for container in containers.values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "capabilities": {"drop": ["ALL"]},
        }


def test_topics_are_those_of_the_code() -> None:
    wanted = {topic.name: topic for topic in new_topics(Topics(), partitions=12, replication_factor=3)}
    made = {manifest["spec"]["topicName"]: manifest["spec"] for manifest in of_kind(written(STRIMZI), "KafkaTopic")}
    assert made.keys() == wanted.keys()
    for name, topic in wanted.items():
        config = {key: str(value) for key, value in made[name]["config"].items()}
        assert config == {**topic.topic_configs, "min.insync.replicas": "2"}
        assert (made[name]["partitions"], made[name]["replicas"]) == (topic.num_partitions, 3)


def test_users_have_the_rights_of_the_list_that_is_tested() -> None:
    made = {m["metadata"]["name"]: _rights(m) for m in of_kind(written(STRIMZI), "KafkaUser")}
    listed = _listed_rights()
    assert {name: made[name] for name in listed} == listed
    assert made["badges-keda"] == {
        ("topic", Topics().award_requests, "Describe"),
        ("group", Topics().worker_group, "Describe"),
    }


def test_every_process_is_a_user_that_there_is(production: Sequence[Manifest]) -> None:
    users = {manifest["metadata"]["name"] for manifest in of_kind(written(STRIMZI), "KafkaUser")}
    for workload in our_workloads(production):
        if workload.name != "badges-migrate":
            assert environment(production, workload)["BADGES_KAFKA_SASL_USERNAME"] in users
    assert the(production, "ConfigMap", "badges-keda")["data"]["username"] in users


def test_servers_are_called_what_production_calls_them(production: Sequence[Manifest]) -> None:
    kafka, postgres = (the(written(STRIMZI), "Kafka", "badges-kafka"), _postgres())
    bootstrap = environment(production, workload_named(production, "badges-api"))["BADGES_KAFKA_BOOTSTRAP"]
    port = kafka["spec"]["kafka"]["listeners"][0]["port"]
    assert bootstrap == f"{kafka['metadata']['name']}-kafka-bootstrap:{port}"
    (to_postgres,) = the(production, "NetworkPolicy", "badges-to-postgres")["spec"]["egress"]
    assert to_postgres["to"][0]["podSelector"]["matchLabels"] == {"cnpg.io/cluster": postgres["metadata"]["name"]}


def test_postgres_commits_to_two_machines_and_is_new_enough() -> None:
    specification = _postgres()["spec"]
    assert int(specification["imageName"].rsplit(":", 1)[1]) >= 17
    assert specification["postgresql"]["synchronous"] == {"method": "any", "number": 1, "dataDurability": "required"}
    assert specification["postgresql"]["parameters"]["synchronous_commit"] == "on"


def test_postgres_has_the_roles_that_are_granted_rights() -> None:
    specification = _postgres()["spec"]
    assert {role["name"] for role in specification["managed"]["roles"]} == RIGHTS.keys()
    assert specification["bootstrap"]["initdb"]["owner"] == "badges_owner"


def _kafka() -> Manifest:
    specification: Manifest = the(written(STRIMZI), "Kafka", "badges-kafka")["spec"]["kafka"]
    return specification


def _postgres() -> Manifest:
    return the(written(CLOUDNATIVE_PG), "Cluster", "badges-postgres")


def _rights(user: Manifest) -> set[tuple[str, str, str]]:
    return {
        (acl["resource"]["type"], acl["resource"].get("name", ""), operation)
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }


def _listed_rights() -> dict[str, set[tuple[str, str, str]]]:
    """The rights that deploy/kafka/acls.sh gives to the processes that are ours."""
    text = ACLS.read_text(encoding="utf-8").replace("\\\n", " ")
    values = dict(re.findall(r"^(\w+)=\"\$\{PREFIX\}(\S+)\"", text, re.MULTILINE))
    principals = dict(re.findall(r"^(\w+)=\$\{\w+:-User:(badges-\S+)\}$", text, re.MULTILINE))
    rights: dict[str, set[tuple[str, str, str]]] = {user: set() for user in principals.values()}
    for principal, words in re.findall(r"^allow \"\$(\w+)\" (.+)$", text, re.MULTILINE):
        if principal in principals:
            rights[principals[principal]] |= _granted(words.split(), values)
    return rights


def _granted(words: Sequence[str], values: Mapping[str, str]) -> set[tuple[str, str, str]]:
    operations = [word for flag, word in pairwise(words) if flag == "--operation"]
    resources = {
        (KINDS[flag], "" if flag == "--cluster" else values.get(word.strip('"$'), word))
        for flag, word in pairwise([*words, ""])
        if flag in KINDS
    }
    return {(*resource, operation) for resource in resources for operation in operations}
