"""Dead letters: what could not be delivered, to be looked at, sent again or discarded."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response

from eas.contracts.dead_letters import DeadLetterChoice, DeadLetterContent, DeadLetterResult, DeadLetterTable
from eas_scheduler.handlers.dependencies import Operator, Reader, Scheduler
from eas_scheduler.handlers.tables import CSV_RESPONSE, AsCsv, render_table

CHOICE = {"letter_ids": ["d17"]}

router = APIRouter(prefix="/dead-letters", tags=["queues"])


@router.get(
    "",
    summary="List dead letters",
    operation_id="list_dead_letters",
    response_model=DeadLetterTable,
    responses=CSV_RESPONSE,
)
async def list_dead_letters(
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
    limit: Annotated[int, Query(ge=1, le=1000, description="The oldest so many of each place.")] = 100,
) -> Response:
    """List the messages that could not be delivered, or that no service could take in, each with the reason."""
    return render_table(await scheduler.dead_letters.select(limit), as_csv)


@router.get("/{letter_id}", summary="Show a dead letter", operation_id="get_dead_letter")
async def get_dead_letter(
    letter_id: Annotated[str, Path(examples=["d17"])], scheduler: Scheduler, _principal: Reader
) -> DeadLetterContent:
    """Show a message that could not be delivered, with all that it says."""
    return await scheduler.dead_letters.read(letter_id)


@router.post("/send-again", summary="Send dead letters again", operation_id="send_dead_letters_again")
async def send_dead_letters_again(
    choice: Annotated[DeadLetterChoice, Body(examples=[CHOICE])], scheduler: Scheduler, principal: Operator
) -> DeadLetterResult:
    """Send messages on their way again, when what was wrong has been put right."""
    return DeadLetterResult(changed=await scheduler.dead_letters.send_again(choice.letter_ids, by=principal.name))


@router.post("/discard", summary="Discard dead letters", operation_id="discard_dead_letters")
async def discard_dead_letters(
    choice: Annotated[DeadLetterChoice, Body(examples=[CHOICE])], scheduler: Scheduler, principal: Operator
) -> DeadLetterResult:
    """Remove messages for good: the product store will never hear what they say."""
    return DeadLetterResult(changed=await scheduler.dead_letters.discard(choice.letter_ids, by=principal.name))
