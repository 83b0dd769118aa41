"""An explanation in sentences: what follows from it, and what to look at next."""

from collections.abc import Iterator, Sequence

from domain.awards import RejectionReason
from domain.explanations import EventState, ExplainedAward, Explanation, ExplanationStatus, RequestsWaiting, Way

_CURABLE = {RejectionReason.UNKNOWN_TENANT, RejectionReason.TENANT_DISABLED, RejectionReason.BADGE_NOT_FOUND}


def notes_on(explanation: Explanation) -> Sequence[str]:
    """Sentences for people; nothing in them that the explanation does not hold."""
    if explanation.award is not None:
        return [*_on_award(explanation.award), *_on_definition_since(explanation)]
    obstacles = list(_obstacles(explanation))
    if explanation.status is ExplanationStatus.REJECTED:
        return [*obstacles, *_on_rejections(explanation, is_free=not obstacles), *_on_queue(explanation.waiting)]
    return [*obstacles, *_on_silence(explanation), *_on_queue(explanation.waiting)]


def _on_award(award: ExplainedAward) -> Iterator[str]:
    yield "Later requests for it change nothing: they are answered with this award, and leave no trace."
    if award.came_over is Way.HTTP and award.key_id is None:
        yield "It came over HTTP before gateways named the key in the source."
    if award.key_id is not None and award.key_name is None:
        yield f"The request names the API key {award.key_id}, which is not one of the tenant's."
    if award.place is None:
        yield "It is older than the record of places in the log."
    match award.event:
        case EventState.WAITING:
            yield "Its event waits in the outbox: is a relay at work?"
        case EventState.BEING_PUBLISHED:
            yield "Its event is claimed by the relay and is being published."
        case EventState.EMITTED:
            yield "Its batch has left the outbox: the event is on badge_awarded."


def _on_definition_since(explanation: Explanation) -> Iterator[str]:
    if explanation.badge is not None and not explanation.badge.is_active:
        yield "The definition was deactivated since; awards stay."


def _obstacles(explanation: Explanation) -> Iterator[str]:
    """Why a request would be refused now."""
    if explanation.tenant is None:
        yield f"No tenant has the id {explanation.tenant_id}."
        return
    if not explanation.tenant.is_enabled:
        yield "The tenant is disabled: its keys are refused (403), and its requests are dead-lettered."
    if explanation.badge is None:
        yield "The tenant has no definition with this code." + _alternatives(explanation.close_codes)
    elif not explanation.badge.is_active:
        yield "The definition is not active: requests for it are refused."


def _alternatives(codes: Sequence[str]) -> str:
    return f" Close to it: {', '.join(codes)}." if codes else ""


def _on_rejections(explanation: Explanation, *, is_free: bool) -> Iterator[str]:
    newest = explanation.rejections[0]
    if newest.redriven_at is not None:
        yield "The newest rejected request was published again since."
    elif is_free and newest.reason in _CURABLE:
        yield "What it was rejected for holds no longer: ask again, or have the dead letter redriven."


def _on_silence(explanation: Explanation) -> Iterator[str]:
    yield "No request for it was decided, as far as is kept."
    if explanation.tenant is not None and (explanation.badge is None or not explanation.badge.is_active):
        yield "Over HTTP such a code is answered 404 before anything is published, and that leaves no trace."
    yield "A record that could not be read is dead-lettered without its participant: look through the dead letters."


def _on_queue(waiting: RequestsWaiting | None) -> Iterator[str]:
    if waiting is None:
        yield "Kafka did not tell how many requests wait: it may be among them."
    elif not waiting.total:
        yield "No request waits in the log."
    elif waiting.of_participant is None:
        yield (
            f"Requests of all tenants that wait in the log: at most {waiting.total}, of them {waiting.in_partition} in "
            f"the participant's partition ({waiting.partition}). It may be among them."
        )
    elif waiting.of_participant:
        yield f"Requests of the participant that wait in the log: {waiting.of_participant}. It may be among them."
    else:
        yield (
            f"No request of the participant waits in the log, if it has the usual key. Of all tenants: at most "
            f"{waiting.total}."
        )
