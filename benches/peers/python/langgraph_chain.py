"""LangGraph: three nodes in a chain over one integer, many runs by `abatch`.

It speaks the same protocol as the other peers: a request is `CASE JOBS CONCURRENCY`, one a line; the answer is
`ok WALL_SECONDS CPU_SECONDS` or `error WHY`. The program ends with its input.

The case `abatch` keeps no checkpoints. `async` and `sync` keep those of every superstep in SQLite, by `AsyncSqliteSaver` as it
is, in a file of their own beside the environment, and name the durability: a checkpoint is written while the next superstep
runs, or before it does.
"""

import asyncio
import os
import sys
import tempfile
import time
from typing import TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
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
    return graph


async def plain(inputs, concurrency):
    return await app.abatch(inputs, {"max_concurrency": concurrency})


async def kept(inputs, concurrency, durability):
    with tempfile.TemporaryDirectory(dir=os.path.dirname(sys.prefix)) as folder:
        async with AsyncSqliteSaver.from_conn_string(os.path.join(folder, "checkpoints.db")) as saver:
            app = chain().compile(checkpointer=saver)
            configs = [
                {"max_concurrency": concurrency, "configurable": {"thread_id": str(thread)}}
                for thread in range(len(inputs))
            ]
            outputs = await app.abatch(inputs, configs, durability=durability)
            async with saver.conn.execute("SELECT count(DISTINCT thread_id) FROM checkpoints") as cursor:
                (threads,) = await cursor.fetchone()
    if threads != len(inputs):
        raise ValueError(f"{threads} of {len(inputs)} runs have checkpoints")
    return outputs


async def run(case, inputs, concurrency):
    if case == "abatch":
        return await plain(inputs, concurrency)
    return await kept(inputs, concurrency, case)


def answer(request):
    case, jobs, concurrency = request.split()
    if case not in ("abatch", "async", "sync"):
        return f"error no such case: {case}"
    inputs = [{"x": x} for x in range(int(jobs))]
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        outputs = asyncio.run(run(case, inputs, int(concurrency)))
    except Exception as error:
        return f"error {type(error).__name__}: {error}".replace("\n", " ")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    right = sum(output["x"] == x + 3 for x, output in enumerate(outputs))
    if right != len(inputs):
        return f"error {right} of {len(inputs)} answers are right"
    return f"ok {wall} {cpu}"


app = chain().compile()
for line in sys.stdin:
    print(answer(line), flush=True)
