"""What each process of the model does next, and what may befall it."""

from collections.abc import Iterator

from model.delivery import MISSING, RELAYS, REQUESTS, Kafka, Relay, Row, Rules, State, Transaction, Worker, World

BATCH = 2

Steps = Iterator[tuple[str, State]]


def steps(state: State, rules: Rules, world: World) -> Steps:
    """Everything that can happen next."""
    yield from _worker_steps(state, rules)
    for number in RELAYS:
        for what, after in _relay_steps(state, number, rules, world):
            yield f"relay {number} {what}", after
    yield from _coordinator_steps(state)
    if state.faults_left:
        yield from _faults(_with_fault(state), world)


def _worker_steps(state: State, rules: Rules) -> Steps:
    worker, kafka = state.worker, state.kafka
    order = ("award", "commit") if rules.awards_before_offsets else ("commit", "award")
    after = {order[0]: Worker(order[1], worker.start, worker.end), order[1]: Worker()}
    if worker.step == "read" and kafka.offset < len(REQUESTS):
        end = min(kafka.offset + BATCH, len(REQUESTS))
        yield "worker reads", state._replace(worker=Worker(order[0], kafka.offset, end))
    elif worker.step == "award":
        new = sorted(set(REQUESTS[worker.start : worker.end]) - state.awards)
        rows = tuple(Row(award, None) for award in new)
        done = state._replace(awards=state.awards | set(new), outbox=state.outbox + rows)
        yield "worker awards", done._replace(worker=after["award"])
    elif worker.step == "commit":
        yield "worker commits", state._replace(kafka=kafka._replace(offset=worker.end), worker=after["commit"])


def _coordinator_steps(state: State) -> Steps:
    """What is committed becomes visible later: the events and the watermark, in either order."""
    kafka = state.kafka
    for number, transaction in enumerate(kafka.transactions):
        if transaction is None or not transaction.is_committing:
            continue
        if transaction.messages:
            out = kafka._replace(events=kafka.events + transaction.messages)
            left = transaction._replace(messages=())
            yield f"events of transaction {number} are seen", state._replace(kafka=_closing(out, number, left))
        if transaction.upto is not None:
            out = kafka._replace(watermark=transaction.upto)
            left = transaction._replace(upto=None)
            yield f"watermark of transaction {number} is seen", state._replace(kafka=_closing(out, number, left))


def _closing(kafka: Kafka, name: int, left: Transaction) -> Kafka:
    """A transaction has ended when all of it is visible."""
    return _with(kafka, name, left if left.messages or left.upto is not None else None)


def _faults(state: State, world: World) -> Steps:
    """A crash, a stop, a loss. Lost answers are with the steps that ask."""
    if state.worker != Worker():
        yield "worker dies", state._replace(worker=Worker())
    for number, relay in enumerate(state.relays):
        if relay != Relay():
            yield f"relay {number} dies", _set(state, number, Relay())
        if relay.has_session:
            yield f"relay {number} is stopped", _set(state, number, relay._replace(has_session=False))
    if world.kafka_may_forget and state.kafka.watermark is not None:
        yield "Kafka forgets the watermark", state._replace(kafka=state.kafka._replace(watermark=None))


def _relay_steps(state: State, number: int, rules: Rules, world: World) -> Steps:
    relay = state.relays[number]
    if relay.step == "lock":
        if not any(other.has_session for other in state.relays):
            first = "fence" if rules.fences_before_watermark else "watermark"
            yield "locks", _set(state, number, Relay(first, has_session=True))
    elif relay.step == "fence":
        yield from _fence(state, number, rules)
    elif relay.step == "watermark":
        yield from _read_watermark(state, number, rules)
    elif relay.step in {"send", "commit"}:
        yield from _transaction_steps(state, number, rules)
    elif relay.has_session:
        yield from _postgres_steps(state, number, rules, world)
    else:
        yield "has lost its session", _set(state, number, Relay())


def _postgres_steps(state: State, number: int, rules: Rules, world: World) -> Steps:
    step = state.relays[number].step
    if step == "compare":
        yield from _compare(state, number, rules, world)
    elif step == "claim":
        yield from _claim(state, number, rules)
    else:
        yield "settles", _settle(state, number)


def _fence(state: State, number: int, rules: Rules) -> Steps:
    """A new epoch; what was open before is aborted, what is being committed is waited for."""
    name = _transactional_id(number, rules)
    transaction = state.kafka.transactions[name]
    if transaction is not None and transaction.is_committing:
        return
    following = "watermark" if rules.fences_before_watermark else "compare"
    for other in RELAYS:
        if _transactional_id(other, rules) == name:
            state = _set(state, other, state.relays[other]._replace(is_newest=False))
    after = state.relays[number]._replace(step=following, is_newest=True)
    yield "fences", _set(state._replace(kafka=_with(state.kafka, name, None)), number, after)


def _read_watermark(state: State, number: int, rules: Rules) -> Steps:
    """A coordinator that is loading answers with nothing; the nonce, missing too, tells that it is."""
    relay = state.relays[number]
    following = "compare" if rules.fences_before_watermark else "fence"
    held = MISSING if state.kafka.watermark is None else state.kafka.watermark
    yield "reads the watermark", _set(state, number, relay._replace(step=following, watermark=held))
    if state.faults_left and not rules.demands_nonce and held != MISSING:
        stale = relay._replace(step=following, watermark=state.mirror)
        yield "reads an older watermark", _set(_with_fault(state), number, stale)
    if state.faults_left and not rules.retries_missing_watermark:
        missing = relay._replace(step=following, watermark=MISSING)
        yield "reads no watermark", _set(_with_fault(state), number, missing)


def _compare(state: State, number: int, rules: Rules, world: World) -> Steps:
    """Missing or below the mirror: refuse while anything is claimed above that, else go on from the mirror."""
    relay = state.relays[number]
    if relay.watermark < state.mirror or relay.watermark == MISSING:
        mirror = state.mirror if rules.compares_with_mirror else 0
        in_doubt = [row for row in state.outbox if row.emit_seq is not None and row.emit_seq > mirror]
        if in_doubt and rules.compares_with_mirror:
            yield "refuses", _set(state, number, Relay())
            if world.kafka_may_forget:
                yield "refuses, and an operator decides", _set(_decided(state), number, Relay())
            return
        if not relay.is_newest:
            yield "is fenced", _set(state, number, Relay())
            return
        relay = relay._replace(watermark=mirror)
        state = state._replace(kafka=state.kafka._replace(watermark=mirror))
    yield "compares", _set(state, number, relay._replace(step="settle"))


def _decided(state: State) -> State:
    """The operator looks at the topic: what is out is deleted, the rest is claimed anew."""
    rows = [row for row in state.outbox if row.emit_seq is None or row.award not in state.kafka.events]
    return state._replace(outbox=tuple(row._replace(emit_seq=None) for row in rows))


def _claim(state: State, number: int, rules: Rules) -> Steps:
    """First what was claimed and is above the watermark, else the next row gets a number."""
    relay = state.relays[number]
    claimed = [(row.award, row.emit_seq) for row in state.outbox if row.emit_seq is not None]
    rows = tuple((award, seq) for award, seq in claimed if seq > relay.watermark)
    if not rows:
        fresh = next((place for place, row in enumerate(state.outbox) if row.emit_seq is None), None)
        if fresh is None:
            return
        row = state.outbox[fresh]._replace(emit_seq=state.next_seq)
        outbox = (*state.outbox[:fresh], row, *state.outbox[fresh + 1 :])
        state = state._replace(outbox=outbox, next_seq=state.next_seq + 1)
        rows = ((row.award, state.next_seq - 1),)
    if rules.deletes_after_transaction:
        yield "claims", _set(state, number, relay._replace(step="send", rows=rows))
    else:
        yield "claims", _set(state, number, relay._replace(step="settle", rows=rows, watermark=rows[-1][1]))


def _settle(state: State, number: int) -> State:
    """Delete what is out, and move the mirror."""
    relay = state.relays[number]
    left = tuple(row for row in state.outbox if row.emit_seq is None or row.emit_seq > relay.watermark)
    settled = state._replace(outbox=left, mirror=relay.watermark)
    return _set(settled, number, relay._replace(step="send" if relay.rows else "claim"))


def _transaction_steps(state: State, number: int, rules: Rules) -> Steps:
    """Send, then commit with the offset; each answer may be lost, with the deed done or not."""
    relay, name = state.relays[number], _transactional_id(number, rules)
    if not relay.is_newest:
        yield "is fenced", _set(state, number, Relay())
        return
    transaction = state.kafka.transactions[name]
    if transaction is not None and transaction.is_committing:
        return  # the coordinator takes nothing new before the commit is through
    what, written, following = _next_request(relay, transaction, rules)
    after = state._replace(kafka=_with(state.kafka, name, written))
    yield what, _set(after, number, following)
    if not state.faults_left:
        return
    before = state
    if rules.discards_producer_in_doubt:
        in_doubt = Relay()
    else:  # aborts if it can, and goes on with the same producer
        in_doubt = relay._replace(step="send")
        before = state._replace(kafka=_with(state.kafka, name, None))
    if relay.step == "send" and not rules.awaits_every_send:
        in_doubt, before = following, state
    yield f"{what}, the answer is lost", _set(_with_fault(after), number, in_doubt)
    yield f"{what} in vain", _set(_with_fault(before), number, in_doubt)


def _next_request(relay: Relay, transaction: Transaction | None, rules: Rules) -> tuple[str, Transaction, Relay]:
    """Its name, what Kafka holds after it, and the relay that has its answer."""
    if relay.step == "send":
        messages = tuple(award for award, _ in relay.rows)
        return "sends", Transaction(messages=messages), relay._replace(step="commit")
    upto = relay.rows[-1][1]
    written = (transaction or Transaction())._replace(upto=upto, is_committing=True)
    following = "settle" if rules.deletes_after_transaction else "claim"
    return "commits", written, relay._replace(step=following, watermark=upto, rows=())


def _transactional_id(number: int, rules: Rules) -> int:
    """One for all relays; without a fence, each has its own."""
    return 0 if rules.fences else number


def _with_fault(state: State) -> State:
    return state._replace(faults_left=state.faults_left - 1)


def _with(kafka: Kafka, name: int, transaction: Transaction | None) -> Kafka:
    transactions = (*kafka.transactions[:name], transaction, *kafka.transactions[name + 1 :])
    return kafka._replace(transactions=transactions)


def _set(state: State, number: int, relay: Relay) -> State:
    return state._replace(relays=(*state.relays[:number], relay, *state.relays[number + 1 :]))
