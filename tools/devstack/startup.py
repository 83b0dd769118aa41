"""The order in which a stack becomes ready, once supervisord runs."""

import asyncio
import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console

from devstack import kafka, postgres
from devstack.errors import BrokenFolderError, ForeignServerError, StackError
from devstack.files import tail, write_private
from devstack.kafka import KafkaServer
from devstack.layout import StackFolder
from devstack.plan import KAFKA, POSTGRES, Plan
from devstack.postgres import PostgresServer
from devstack.readiness import addresses, listens, unready
from devstack.seed import DemoTenant, seed_demo_tenant
from devstack.supervisor_conf import DATABASE, Program
from devstack.supervisor_control import ProgramState, SupervisorControl, SupervisorGoneError
from messaging.clients import cluster_id_at
from messaging.settings import KafkaSettings
from messaging.topics import create_topics
from storage.migrate import upgrade

DEADLINE_S = 60
_POLL_S = 0.05
_WATCH_S = 0.5
_HOPELESS_STARTS = 4
_SHOWN_LINES = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """A stack whose supervisord has just been started."""

    folder: StackFolder
    plan: Plan
    postgres: PostgresServer
    kafka: KafkaServer
    programs: Sequence[Program]
    supervisor: subprocess.Popen[bytes]
    console: Console
    began: float
    """When `up` began to start processes, by `time.monotonic`."""

    async def until_ready(self) -> DemoTenant:
        """Bring the servers, the schema, the topics, the demo tenant and the services up, in that order.

        Raises:
            StackError: not within DEADLINE_S, or a process does not stay up; with the end of its log.
        """
        work = asyncio.create_task(self._all_ready())
        watch = asyncio.create_task(self._until_hopeless())
        try:
            async with asyncio.timeout(DEADLINE_S) as limit:
                await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
                return await (watch if watch.done() else work)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise await self._not_ready() from error
        finally:
            work.cancel()
            watch.cancel()

    async def _all_ready(self) -> DemoTenant:
        tenant, _ = await asyncio.gather(self._database(), self._topics())
        await asyncio.to_thread(self._start_services)
        while await self._is_waiting():  # noqa: ASYNC110  # another process cannot set an event
            await asyncio.sleep(_POLL_S)
        for program in self.programs:
            if not program.starts_at_once:
                self._say(program.name, addresses(self.plan)[program.name])
        return tenant

    async def _is_waiting(self) -> bool:
        return bool(await unready(self.plan)) or bool(await asyncio.to_thread(self._without_own_port))

    def _without_own_port(self) -> list[str]:
        """The services that do not listen themselves: on their ports another stack's may say that it is ready."""
        pids = {state.name: state.pid for state in self._states()}
        services = {name: address for name, address in addresses(self.plan).items() if address.startswith("http")}
        return [name for name, address in services.items() if not listens(pids.get(name, 0), address)]

    def _start_services(self) -> None:
        with SupervisorControl(self.plan) as control:
            for state in control.states():
                if state.state == "STOPPED":
                    control.start(state)

    async def _database(self) -> DemoTenant:
        await postgres.wait_until_answers(self.postgres, deadline_s=DEADLINE_S)
        await postgres.create_database(self.postgres, DATABASE)
        url = self.postgres.dsn(DATABASE)
        await asyncio.to_thread(upgrade, url)
        tenant = await seed_demo_tenant(url, self._known_tenant())
        write_private(self.folder.demo, json.dumps(asdict(tenant), indent=2) + "\n")
        self._say(POSTGRES, addresses(self.plan)[POSTGRES])
        return tenant

    async def _topics(self) -> None:
        await kafka.wait_until_answers(self.plan.kafka_bootstrap, deadline_s=DEADLINE_S)
        settings = KafkaSettings(bootstrap=self.plan.kafka_bootstrap)
        if await cluster_id_at(settings) != self.kafka.cluster_id():
            raise ForeignServerError("Kafka", self.plan.kafka_bootstrap)
        await create_topics(settings)
        self._say(KAFKA, self.plan.kafka_bootstrap)

    def _known_tenant(self) -> DemoTenant | None:
        if not self.folder.demo.exists():
            return None
        try:
            return DemoTenant(**json.loads(self.folder.demo.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise BrokenFolderError(self.folder.demo, "it is not what badgectl wrote") from error

    async def _until_hopeless(self) -> DemoTenant:
        """Never return; raise StackError once a process has been started again and again."""
        starts: dict[str, set[int]] = defaultdict(set)
        while True:
            await asyncio.sleep(_WATCH_S)
            if self.supervisor.poll() is not None:
                log = self.folder.logs / "supervisord.out"
                msg = f"supervisord has ended. The end of {log}:\n{tail(log, _SHOWN_LINES)}"
                raise StackError(msg)
            for state in await asyncio.to_thread(self._states):
                if state.started:
                    starts[state.name].add(state.started)
                if len(starts[state.name]) >= _HOPELESS_STARTS:
                    msg = f"{state.name} does not stay up. {self._end_of_log(state.name)}"
                    raise StackError(msg)

    def _states(self) -> list[ProgramState]:
        try:
            with SupervisorControl(self.plan) as control:
                return control.states()
        except SupervisorGoneError:
            return []

    async def _not_ready(self) -> StackError:
        failing = await unready(self.plan)
        names = list(failing) or [program.name for program in self.programs]
        logs = "\n".join(self._end_of_log(name) for name in names)
        told = ", ".join(f"{name} ({', '.join(failing[name])})" if name in failing else name for name in names)
        return StackError(f"not ready within {DEADLINE_S} s: {told}.\n{logs}")

    def _end_of_log(self, name: str) -> str:
        log = self.folder.logs / f"{name}.log"
        return f"The end of {log}:\n{tail(log, _SHOWN_LINES)}"

    def _say(self, name: str, address: str) -> None:
        after = time.monotonic() - self.began
        self.console.print(
            f"  [green]ready[/] {name:<16} {address:<26} after {after:.1f} s", highlight=False, soft_wrap=True
        )
