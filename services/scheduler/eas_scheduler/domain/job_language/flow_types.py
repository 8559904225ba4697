"""The flow-control task types: their names, and the keys of their task objects."""

from __future__ import annotations

CHAIN = "execution_chain"
FOR_LOOP = "execution_for_loop"
CONDITIONAL = "execution_conditional"
DO_WHILE_LOOP = "execution_do_while_loop"
WHILE_LOOP = "execution_while_loop"

#: Keys that every task object may have; all others belong to its task type.
COMMON_KEYS = frozenset(
    {"task", "name", "inputs", "outputs", "job_name", "working_directory", "requires_metadata_from", "execution"}
)
RANGE_KEYS = ("values", "linear_range", "log_range")

_REPEATING_KEYS = ("iteration_name", "requires_metadata_from_child", "max_iterations")

#: Keys of the flow-control types besides the common ones.
FLOW_KEYS: dict[str, frozenset[str]] = {
    CHAIN: frozenset({"task_list"}),
    FOR_LOOP: frozenset({"task_list", "parameter", *RANGE_KEYS}),
    CONDITIONAL: frozenset({"task_list", "else_task_list", "criterion"}),
    DO_WHILE_LOOP: frozenset({"task_list", "repeat_criterion", *_REPEATING_KEYS}),
    WHILE_LOOP: frozenset({"task_list", "criterion", *_REPEATING_KEYS}),
}
#: Where each type that tests something keeps the test.
CRITERION_KEYS = {CONDITIONAL: "criterion", DO_WHILE_LOOP: "repeat_criterion", WHILE_LOOP: "criterion"}
#: Types that run their tasks again and again, as long as a test says so.
REPEATING = frozenset({DO_WHILE_LOOP, WHILE_LOOP})
FLOW_TYPES = frozenset(FLOW_KEYS)

#: Values that are evaluated only when the task that they describe is expanded.
LAZY_KEYS = frozenset({"task_list", "else_task_list", "repeat_criterion"})
#: What is put after the name of a loop's variable for the index that goes with it.
INDEX_SUFFIX = "_index"


def is_comment(key: str) -> bool:
    """Tell whether a key of a flow-control object is the author's remark; such keys begin with an underscore."""
    return key.startswith("_")
