"""What supervisord is told: one program for each process of the stack, and a listener."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from devstack.kafka import KafkaServer
from devstack.plan import API, CONTROL_USER, KAFKA, POSTGRES, WORKER, Plan
from devstack.ports import LOOPBACK
from devstack.postgres import PostgresServer

DATABASE = "badges"
_PREFIXES = {API: "BADGES_API", WORKER: "BADGES_WORKER"}
"""Of the names of their settings."""

_MIB = 1024 * 1024

# supervisord stops group after group, from the last to the first.
_STOPPED_TOGETHER = ((POSTGRES, KAFKA), (WORKER,), (API,))
_LISTENER_PRIORITY = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCommands:
    """How to run our own processes. `-P` keeps folders of the place we are called from off the import path."""

    api: tuple[str, ...] = (sys.executable, "-P", "-m", "api")
    worker: tuple[str, ...] = (sys.executable, "-P", "-m", "award_worker")


SERVER_STOP_S = 10
SERVICE_STOP_S = 35
"""Services drain for 25 s, and close within 10 s more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One process that supervisord runs. `kind` is API, WORKER, KAFKA or POSTGRES."""

    name: str
    kind: str
    command: Sequence[str]
    folder: str
    """Where it runs, seen from the stack's folder."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Names and values without quotes or backslashes."""

    starts_at_once: bool = False
    stop_signal: str = "TERM"
    stop_seconds: int = SERVER_STOP_S


def programs(plan: Plan, services: ServiceCommands, servers: tuple[PostgresServer, KafkaServer]) -> list[Program]:
    """Return everything the stack runs: servers first. The servers must have been prepared."""
    postgres, kafka = servers
    shared = {
        "BADGES_DATABASE_URL": postgres.dsn(DATABASE),
        "BADGES_KAFKA_BOOTSTRAP": plan.kafka_bootstrap,
    }
    return [
        Program(
            name=POSTGRES,
            kind=POSTGRES,
            command=postgres.command(),
            folder="postgres",
            starts_at_once=True,
            stop_signal="INT",  # does not wait for clients to leave
        ),
        Program(
            name=KAFKA,
            kind=KAFKA,
            command=kafka.command(),
            folder="kafka",
            environment=kafka.environment(),
            starts_at_once=True,
        ),
        *_services(WORKER, services.worker, plan.worker, shared),
        *_services(API, services.api, plan.api, shared),
    ]


def _services(kind: str, command: Sequence[str], ports: Sequence[int], shared: Mapping[str, str]) -> Iterator[Program]:
    prefix = _PREFIXES[kind]
    for number, port in enumerate(ports, start=1):
        name = f"{kind}-{number}"
        environment = {**shared, f"{prefix}_HOST": LOOPBACK, f"{prefix}_PORT": str(port)}
        if kind == WORKER:
            environment[f"{prefix}_INSTANCE_ID"] = name
        yield Program(
            name=name, kind=kind, command=command, folder="..", environment=environment, stop_seconds=SERVICE_STOP_S
        )


def supervisor_conf(plan: Plan, run: Sequence[Program]) -> str:
    """Return the text of supervisord.conf, for `devstack.supervise`.

    It holds names relative to the stack's folder: supervisord expands `%` in some values once, in others twice.
    """
    listener = [sys.executable, "-P", "-m", "devstack.stack_listener"]
    sections = [
        *_supervisor_sections(plan),
        *(_program_section(program) for program in run),
        *(_group_section(number, kinds, run) for number, kinds in enumerate(_STOPPED_TOGETHER)),
        f"""[eventlistener:stack_listener]
command={_command(listener)}
events=PROCESS_STATE
buffer_size=1000
priority={_LISTENER_PRIORITY}
startretries=1000000
directory=..
stdout_logfile=NONE
stderr_logfile=logs/stack_listener.log
stderr_logfile_maxbytes={_MIB}
stderr_logfile_backups=1
""",
    ]
    return "\n".join(sections)


def _supervisor_sections(plan: Plan) -> list[str]:
    # supervisord complains when root runs it without having said so.
    user = "user=root\n" if os.geteuid() == 0 else ""
    return [
        f"""[supervisord]
{user}logfile=logs/supervisord.log
logfile_maxbytes={_MIB}
logfile_backups=1
pidfile=supervisord.pid
childlogdir=logs
nodaemon=true
silent=true
""",
        """[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
""",
        f"""[inet_http_server]
port={LOOPBACK}:{plan.control}
username={CONTROL_USER}
password={plan.control_password}
""",
    ]


def _program_section(program: Program) -> str:
    environment = ",".join(f'{name}="{value}"' for name, value in program.environment.items())
    return f"""[program:{program.name}]
command={_command(program.command)}
directory={program.folder}
environment={environment}
autostart={str(program.starts_at_once).lower()}
autorestart=true
startsecs=1
startretries=1000000
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{program.name}.log
stdout_logfile_maxbytes={10 * _MIB}
stdout_logfile_backups=2
"""


def _group_section(number: int, kinds: Sequence[str], run: Sequence[Program]) -> str:
    names = ",".join(program.name for program in run if program.kind in kinds)
    return f"""[group:{"+".join(kinds)}]
programs={names}
priority={number}
"""


def _command(words: Sequence[str]) -> str:
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    """Quote for a shell, which is how supervisord splits; and keep its own syntax from seeing the rest."""
    # A space before either of these starts a comment, quoted or not.
    guarded = shlex.quote(word).replace("#", "'\\#'").replace(";", "'\\;'")
    return guarded.replace("%", "%%")
