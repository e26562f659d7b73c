"""LangGraph: three nodes in a chain over one integer, many runs by `abatch`.

It speaks the same protocol as the other peers: a request is `CASE JOBS CONCURRENCY`, one a line; the answer is
`ok WALL_SECONDS CPU_SECONDS` or `error WHY`. The program ends with its input.
"""

import asyncio
import sys
import time
from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    x: int


async def add(state: State):
    return {"x": state["x"] + 1}


def chain():
    graph = StateGraph(State)
    for name in "abc":
        graph.add_node(name, add)
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_edge("b", "c")
    graph.add_edge("c", END)
    return graph.compile()


def answer(app, request):
    case, jobs, concurrency = request.split()
    if case != "abatch":
        return f"error no such case: {case}"
    inputs = [{"x": x} for x in range(int(jobs))]
    wall, cpu = time.perf_counter(), time.process_time()
    outputs = asyncio.run(app.abatch(inputs, {"max_concurrency": int(concurrency)}))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    right = sum(output["x"] == x + 3 for x, output in enumerate(outputs))
    if right != len(inputs):
        return f"error {right} of {len(inputs)} answers are right"
    return f"ok {wall} {cpu}"


app = chain()
for line in sys.stdin:
    print(answer(app, line), flush=True)
